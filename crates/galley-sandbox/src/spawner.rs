//! The one thread that clones. A death signal follows the thread that made a process, not galley, so
//! that thread has to live as long as the sandboxes do.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use rustix::io::Errno;
use rustix::process::{WaitId, WaitIdOptions, waitid};

use crate::Exit;
use crate::child::{self, Inherited};
use crate::script::Script;
use crate::sys::{self, SignalSet};

/// Handle of the thread; it ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Spawner {
    jobs: Sender<Job>,
}

struct Job {
    script: Arc<Script>,
    descriptors: Descriptors,
    answer: Sender<Result<Child, Errno>>,
}

/// What a child gets; closed on galley's side once it is cloned. All numbers have to be above 9.
pub(crate) struct Descriptors {
    pub(crate) streams: [OwnedFd; 3],
    pub(crate) control: OwnedFd,
}

impl Spawner {
    /// # Errors
    /// When the machine has no room for another thread.
    pub(crate) fn start() -> io::Result<Self> {
        let (jobs, inbox) = channel();
        std::thread::Builder::new().name("sandbox-spawner".into()).spawn(move || work(&inbox))?;
        Ok(Self { jobs })
    }

    pub(crate) fn spawn(&self, script: Arc<Script>, descriptors: Descriptors) -> Result<Child, Errno> {
        let (answer, answered) = channel();
        // The thread ends only with `self`.
        self.jobs.send(Job { script, descriptors, answer }).map_err(|_| Errno::SRCH)?;
        answered.recv().map_err(|_| Errno::SRCH)?
    }
}

fn work(inbox: &Receiver<Job>) {
    // Children are born with this thread's mask: galley's handlers never run in one.
    if let Err(errno) = sys::set_mask(&SignalSet::all()) {
        while let Ok(job) = inbox.recv() {
            let _ = job.answer.send(Err(errno));
        }
        return;
    }
    while let Ok(job) = inbox.recv() {
        let spawned = spawn(&job);
        // Whoever asked is waiting, or has panicked; then dropping the child kills it.
        let _ = job.answer.send(spawned);
    }
}

fn spawn(job: &Job) -> Result<Child, Errno> {
    // Allocated here: the child may not.
    let mut slots: Vec<Option<OwnedFd>> = std::iter::repeat_with(|| None).take(job.script.slots).collect();
    let [stdin, stdout, stderr] = &job.descriptors.streams;
    let inherited = Inherited {
        streams: [stdin.as_fd(), stdout.as_fd(), stderr.as_fd()],
        control: job.descriptors.control.as_fd(),
    };
    // SAFETY: the child runs `live` and nothing else, which is async-signal-safe.
    match unsafe { sys::clone(job.script.namespaces) }? {
        // SAFETY: this is the child of clone.
        sys::Cloned::Child => unsafe { child::live(&job.script, &mut slots, &inherited) },
        sys::Cloned::Parent { pidfd, .. } => Ok(Child { pidfd, reaped: false }),
    }
}

/// Pid 1 of a sandbox. Dropping it kills the sandbox.
#[derive(Debug)]
pub(crate) struct Child {
    pidfd: OwnedFd,
    reaped: bool,
}

impl Child {
    /// Readable when pid 1 has ended, and with it every process of the sandbox.
    pub(crate) fn pidfd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }

    /// Sends a signal to pid 1; `SIGKILL` ends the whole sandbox.
    pub(crate) fn signal(&self, signal: i32) {
        // Gone already, at worst.
        let _ = sys::pidfd_send_signal(self.pidfd.as_fd(), signal);
    }

    /// Waits for pid 1 to end.
    pub(crate) fn wait(&mut self) -> Result<Exit, Errno> {
        let status =
            rustix::io::retry_on_intr(|| waitid(WaitId::PidFd(self.pidfd.as_fd()), WaitIdOptions::EXITED))?;
        self.reaped = true;
        let status = status.ok_or(Errno::CHILD)?;
        match (status.exit_status(), status.terminating_signal()) {
            (Some(code), _) => Ok(Exit::Code(code)),
            (None, Some(signal)) => Ok(Exit::Signal(signal)),
            (None, None) => Err(Errno::CHILD),
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if !self.reaped {
            self.signal(libc::SIGKILL);
            // Only to leave no zombie.
            let _ = self.wait();
        }
    }
}
