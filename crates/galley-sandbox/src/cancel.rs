//! A token that stops running sandboxes and hands signals to them.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use rustix::event::{EventfdFlags, eventfd};

/// Stops every sandbox that runs with a clone of this token.
///
/// Cheap to clone; cancelling cannot be undone. Not for use in a signal handler (it takes a lock): call
/// it from a thread that waits for signals.
#[derive(Clone, Debug, Default)]
pub struct Cancel {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    cancelled: AtomicBool,
    listeners: Mutex<Vec<Weak<Listener>>>,
}

#[derive(Debug)]
struct Listener {
    event: OwnedFd,
    /// Bit n-1 stands for signal n.
    signals: AtomicU64,
}

impl Cancel {
    /// A token that nobody has cancelled.
    pub fn new() -> Self {
        Self::default()
    }

    /// Cancels: wakes every subscription and kills every sandbox that runs with this token.
    pub fn cancel(&self) {
        self.shared.cancelled.store(true, Ordering::SeqCst);
        self.each_listener(|_| {});
    }

    /// Whether [`Cancel::cancel`] was called.
    pub fn is_cancelled(&self) -> bool {
        self.shared.cancelled.load(Ordering::SeqCst)
    }

    /// Sends `signal` (1 to 64) to the main process of every sandbox that runs with this token now.
    ///
    /// For `galley run`, which hands on what it is sent itself. `SIGWINCH` gives a sandbox's terminal the size that the caller's has now. Signals outside of 1 to 64 are ignored.
    pub fn deliver(&self, signal: i32) {
        if (1..=64).contains(&signal) {
            let bit = 1_u64 << (signal - 1);
            self.each_listener(|listener| {
                listener.signals.fetch_or(bit, Ordering::SeqCst);
            });
        }
    }

    /// A descriptor that becomes readable when the token is cancelled or a signal is delivered.
    ///
    /// # Errors
    /// When the process has no descriptors left.
    pub fn subscribe(&self) -> io::Result<Subscription> {
        let event = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let listener = Arc::new(Listener { event, signals: AtomicU64::new(0) });
        let mut listeners = self.listeners();
        listeners.retain(|listener| listener.strong_count() > 0);
        listeners.push(Arc::downgrade(&listener));
        drop(listeners);
        // Whoever cancelled before the registration has not seen it.
        if self.is_cancelled() {
            listener.wake();
        }
        Ok(Subscription { listener })
    }

    fn each_listener(&self, prepare: impl Fn(&Listener)) {
        for listener in self.listeners().iter().filter_map(Weak::upgrade) {
            prepare(&listener);
            listener.wake();
        }
    }

    fn listeners(&self) -> MutexGuard<'_, Vec<Weak<Listener>>> {
        self.shared.listeners.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Listener {
    fn wake(&self) {
        // The only possible failure is a full counter, which is readable already.
        let _ = rustix::io::write(&self.event, &1_u64.to_ne_bytes());
    }
}

/// A wake-up for one waiting thread; see [`Cancel::subscribe`].
#[derive(Debug)]
pub struct Subscription {
    listener: Arc<Listener>,
}

impl Subscription {
    /// Takes the signals delivered since the last call, lowest first, and makes the descriptor
    /// unreadable again.
    pub fn take_signals(&self) -> impl Iterator<Item = i32> + use<> {
        let mut counter = [0_u8; 8];
        // Fails only with EAGAIN, when nothing has happened since.
        let _ = rustix::io::read(&self.listener.event, &mut counter);
        let bits = self.listener.signals.swap(0, Ordering::SeqCst);
        (1..=64).filter(move |signal| bits & (1_u64 << (signal - 1)) != 0)
    }
}

impl AsFd for Subscription {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.listener.event.as_fd()
    }
}
