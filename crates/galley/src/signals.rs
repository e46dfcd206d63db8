//! Ctrl-C and its kin: one thread waits for signals and says so to a [`Cancel`] token.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

use galley_sandbox::Cancel;
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH};
use signal_hook::iterator::Signals;

/// What has been received.
#[derive(Clone, Debug, Default)]
pub struct Received {
    first: Arc<AtomicI32>,
}

impl Received {
    /// The first signal that asked galley to stop.
    pub fn signal(&self) -> Option<i32> {
        Some(self.first.load(Ordering::SeqCst)).filter(|signal| *signal != 0)
    }
}

/// From now on the first SIGINT, SIGTERM or SIGHUP cancels, and a second one ends galley at once; what runs in sandboxes dies with it.
///
/// # Errors
/// When the handlers cannot be installed.
pub fn cancel_on_signals(cancel: &Cancel) -> io::Result<Received> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
    let received = Received::default();
    let (first, cancel) = (Arc::clone(&received.first), cancel.clone());
    std::thread::Builder::new().name("signals".into()).spawn(move || {
        for signal in signals.forever() {
            if first.compare_exchange(0, signal, Ordering::SeqCst, Ordering::SeqCst).is_err() {
                std::process::exit(128 + signal);
            }
            cancel.cancel();
        }
    })?;
    Ok(received)
}

/// From now on signals go to the process that runs with `cancel`, as to a program in the foreground; a new size of the window goes to its terminal.
///
/// # Errors
/// When the handlers cannot be installed.
pub fn hand_on_signals(cancel: &Cancel) -> io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH])?;
    let cancel = cancel.clone();
    std::thread::Builder::new().name("signals".into()).spawn(move || {
        for signal in signals.forever() {
            cancel.deliver(signal);
        }
    })?;
    Ok(())
}
