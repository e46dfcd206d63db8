//! Pid 1 of a sandbox: starts the process, reaps orphans, hands signals on, dies with galley.
//!
//! It is a copy of galley that never executes anything, so it hides what it has in memory: it cannot be
//! traced or read from inside, and shows no command line. Async-signal-safe throughout.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{DumpableBehavior, Pid, WaitOptions};

use crate::report::{Phase, Report};
use crate::script::{Script, Slots};
use crate::sys::{self, SignalSet};
use crate::{capabilities, child};

/// Starts the process and stays until it ends, galley is gone, or galley kills it.
///
/// # Safety
/// Only for the child of [`sys::clone`].
pub(crate) unsafe fn live(script: &Script, slots: &mut Slots, control: BorrowedFd<'_>) -> ! {
    // SAFETY: the range is this process's own, and nobody reads its command line any more.
    unsafe { sys::erase_arguments(script.arguments.clone()) };
    let started = hide().and_then(|()| {
        let signals = sys::signal_descriptor(&SignalSet::all())?;
        let (wait, go) = pipe_with(PipeFlags::CLOEXEC)?;
        // SAFETY: the caller's promise holds for the child's child too.
        match unsafe { sys::clone(0) }? {
            sys::Cloned::Child => {
                drop(go);
                // Ends when the reaper is what it will be; if that fails, the kernel ends this process with it.
                let _ = rustix::io::retry_on_intr(|| rustix::io::read(&wait, &mut [0]));
                drop(wait);
                child::launch(script, slots, control)
            }
            sys::Cloned::Parent { pid, .. } => {
                // All that is left to do needs one right: to send signals to processes that have become another user.
                capabilities::reduce(capabilities::KILL)?;
                Ok((signals, pid))
            }
        }
    });
    let (signals, main) = match started {
        Ok(started) => started,
        Err(errno) => {
            let index = u32::MAX;
            Report::Failed { phase: Phase::Launch, index, failure: errno.into() }.send(control);
            sys::exit_now(1)
        }
    };
    forget_descriptors(&signals, control);
    loop {
        if wait(&signals, control).is_err() {
            sys::exit_now(1);
        }
        while let Some((signal, _)) = sys::read_signal(&signals) {
            if signal != libc::SIGCHLD {
                // Gone already, at worst.
                let _ = sys::kill(main, signal);
            }
        }
        if let Some(status) = reap(main) {
            Report::Exited { status }.send(control);
            sys::exit_now(0);
        }
    }
}

/// From inside, root has the right to trace what runs as root; but not what cannot be dumped.
fn hide() -> Result<(), Errno> {
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    rustix::thread::set_name(c"galley-init")
}

/// Keeps the two descriptors that are needed: a pipe that pid 1 holds would never end.
fn forget_descriptors(signals: &OwnedFd, control: BorrowedFd<'_>) {
    use std::os::fd::AsRawFd;
    let mut first = 0;
    let mut keep = [signals.as_raw_fd().cast_unsigned(), control.as_raw_fd().cast_unsigned()];
    keep.sort_unstable();
    for number in keep {
        if number > first {
            // SAFETY: nothing below uses any other descriptor. Fails only for an empty range.
            let _ = unsafe { sys::close_range(first, number - 1) };
        }
        first = number + 1;
    }
    // SAFETY: as above.
    let _ = unsafe { sys::close_range(first, u32::MAX) };
}

/// Until a signal comes; an error when galley is gone.
fn wait(signals: &OwnedFd, control: BorrowedFd<'_>) -> Result<(), Errno> {
    let mut fds = [
        PollFd::from_borrowed_fd(signals.as_fd(), PollFlags::IN),
        PollFd::from_borrowed_fd(control, PollFlags::empty()),
    ];
    match poll(&mut fds, None) {
        Ok(_) | Err(Errno::INTR) => {}
        Err(errno) => return Err(errno),
    }
    match fds {
        [_, control] if !control.revents().is_empty() => Err(Errno::PIPE),
        _ => Ok(()),
    }
}

/// Reaps all that have ended; the status of the main process, once that has.
fn reap(main: i32) -> Option<i32> {
    let main = Pid::from_raw(main)?;
    let mut end = None;
    while let Ok(Some((pid, status))) = rustix::process::wait(WaitOptions::NOHANG) {
        if pid == main {
            end = Some(status.as_raw());
        }
    }
    end
}
