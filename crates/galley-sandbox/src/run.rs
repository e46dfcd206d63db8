//! Galley's side of a running sandbox: output, signals, cancelling, the end.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

use crate::explain::explain;
use crate::pty::Terminal;
use crate::report::{Failure, Phase, Report};
use crate::script::Script;
use crate::spawner::Child;
use crate::{Cancel, Exit, Output, SandboxError, Stream, Subscription};

/// Bytes read from a stream at a time.
const CHUNK: usize = 64 * 1024;

/// One running sandbox.
pub(crate) struct Supervisor<'a, 'o> {
    pub(crate) script: &'a Script,
    pub(crate) child: Child,
    pub(crate) control: OwnedFd,
    /// Standard output and error, where galley reads them; `None` once they have ended.
    pub(crate) pipes: [Option<OwnedFd>; 2],
    /// Where keys for a terminal come from.
    pub(crate) keys: Option<BorrowedFd<'a>>,
    pub(crate) output: Output<'o>,
    pub(crate) cancel: &'a Cancel,
    pub(crate) wake: &'a Subscription,
    pub(crate) told: Told,
    /// The sandbox has closed its end of `control`, as a process that is pid 1 itself does.
    pub(crate) deaf: bool,
}

/// What the sandbox has told so far.
#[derive(Default)]
pub(crate) struct Told {
    /// The first failure of an operation.
    pub(crate) failures: Vec<(Phase, u32, Failure)>,
    exited: Option<i32>,
    master: Option<OwnedFd>,
}

/// What a turn of the loop waits for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Source {
    End,
    Control,
    Wake,
    Pipe(usize),
    Master,
    Keys,
}

impl Supervisor<'_, '_> {
    /// Until every process of the sandbox is gone.
    pub(crate) fn run(mut self) -> Result<Exit, SandboxError> {
        let mut terminal: Option<Terminal<'_>> = None;
        let mut killed = false;
        loop {
            let ready = self.wait(terminal.as_ref()).map_err(supervise("wait for the process"))?;
            // First, so that no amount of output delays it.
            if ready.contains(&Source::Wake) {
                for signal in self.wake.take_signals() {
                    match &terminal {
                        // The kernel tells the processes of the sandbox's terminal once its size is another.
                        Some(terminal) if signal == libc::SIGWINCH => terminal.follow_size(),
                        _ => self.child.signal(signal),
                    }
                }
            }
            if self.cancel.is_cancelled() && !killed {
                self.child.signal(libc::SIGKILL);
                killed = true;
            }
            if !self.listen() && ready.contains(&Source::Control) {
                self.deaf = true;
            }
            if let Some(master) = self.told.master.take() {
                let opened = Terminal::new(master, self.keys);
                terminal = Some(opened.map_err(supervise("drive the terminal"))?);
            }
            for source in &ready {
                self.serve(*source, &mut terminal)?;
            }
            if ready.contains(&Source::End) {
                break;
            }
        }
        let status = self.child.wait().map_err(supervise("wait for the process"))?;
        self.listen();
        self.drain(terminal)?;
        if killed { Err(SandboxError::Cancelled) } else { self.verdict(status) }
    }

    /// What pid 1's end means, after all that was told.
    fn verdict(&self, status: Exit) -> Result<Exit, SandboxError> {
        if let Some((phase, index, failure)) = self.told.failures.first() {
            return Err(explain(self.script, *phase, *index, failure));
        }
        match (self.told.exited, status) {
            (Some(status), _) => Ok(exit_of(status)),
            // Killed from outside: by the kernel when memory ran out, or by an administrator.
            (None, Exit::Signal(signal)) => Ok(Exit::Signal(signal)),
            (None, status) if !self.script.init => Ok(status),
            (None, _) => Err(supervise("learn how the process ended")(Errno::PIPE)),
        }
    }

    fn wait(&self, terminal: Option<&Terminal<'_>>) -> Result<Vec<Source>, Errno> {
        let mut sources = vec![
            (Source::End, self.child.pidfd(), PollFlags::IN),
            (Source::Wake, self.wake.as_fd(), PollFlags::IN),
        ];
        if !self.deaf {
            sources.push((Source::Control, self.control.as_fd(), PollFlags::IN));
        }
        for (pipe, index) in self.pipes.iter().zip(0..) {
            sources.extend(pipe.as_ref().map(|pipe| (Source::Pipe(index), pipe.as_fd(), PollFlags::IN)));
        }
        if let Some(terminal) = terminal {
            let write = if terminal.wants_to_write() { PollFlags::OUT } else { PollFlags::empty() };
            sources.push((Source::Master, terminal.master(), PollFlags::IN | write));
            sources.extend(terminal.input().map(|keys| (Source::Keys, keys, PollFlags::IN)));
        }
        let mut fds: Vec<_> =
            sources.iter().map(|(_, fd, flags)| PollFd::from_borrowed_fd(*fd, *flags)).collect();
        rustix::io::retry_on_intr(|| poll(&mut fds, None))?;
        let ready = sources.iter().zip(&fds).filter(|(_, fd)| !fd.revents().is_empty());
        Ok(ready.map(|((source, ..), _)| *source).collect())
    }

    fn serve(&mut self, source: Source, terminal: &mut Option<Terminal<'_>>) -> Result<(), SandboxError> {
        match (source, terminal.as_mut()) {
            (Source::Pipe(index), _) => drop(self.read_pipe(index)?),
            (Source::Master, Some(open)) => {
                open.write_pending();
                if !self.read_master(open)? {
                    // Every process has closed its side; there is nothing left to proxy.
                    *terminal = None;
                }
            }
            (Source::Keys, Some(terminal)) => terminal.read_input(),
            _ => {}
        }
        Ok(())
    }

    /// Takes the sandbox's messages; says whether there were any.
    fn listen(&mut self) -> bool {
        let mut any = false;
        while let Some((report, descriptor)) = Report::receive(&self.control) {
            any = true;
            match report {
                Report::Failed { phase, index, failure } => {
                    self.told.failures.push((phase, index, failure));
                }
                Report::Exited { status } => self.told.exited = Some(status),
                Report::Terminal => self.told.master = descriptor,
            }
        }
        any
    }

    /// Whether there may be more now.
    fn read_pipe(&mut self, index: usize) -> Result<bool, SandboxError> {
        let Some(slot) = self.pipes.get_mut(index) else { return Ok(false) };
        let Some(pipe) = slot else { return Ok(false) };
        let mut buffer = vec![0; CHUNK];
        match rustix::io::read(&*pipe, &mut buffer) {
            Ok(read @ 1..) => {
                let stream = if index == 0 { Stream::Stdout } else { Stream::Stderr };
                self.emit(stream, buffer.get(..read).unwrap_or_default())?;
                Ok(true)
            }
            Ok(_) => {
                *slot = None;
                Ok(false)
            }
            Err(Errno::INTR) => Ok(true),
            Err(Errno::AGAIN) => Ok(false),
            Err(errno) => Err(supervise("read the process's output")(errno)),
        }
    }

    /// Whether the terminal is still open on the other side, or at least has more to read.
    fn read_master(&mut self, terminal: &Terminal<'_>) -> Result<bool, SandboxError> {
        let mut buffer = [0; 4096];
        match rustix::io::read(terminal.master(), &mut buffer) {
            Ok(read @ 1..) => {
                self.emit(Stream::Stdout, buffer.get(..read).unwrap_or_default())?;
                Ok(true)
            }
            Err(Errno::INTR | Errno::AGAIN) => Ok(true),
            // EIO is how a terminal says that nobody has it open.
            Ok(_) | Err(_) => Ok(false),
        }
    }

    fn emit(&mut self, stream: Stream, mut bytes: &[u8]) -> Result<(), SandboxError> {
        match &mut self.output {
            Output::Callback(callback) => callback(stream, bytes),
            // Only a terminal is read although it is inherited.
            Output::Inherit => {
                while !bytes.is_empty() {
                    let written =
                        rustix::io::retry_on_intr(|| rustix::io::write(rustix::stdio::stdout(), bytes));
                    let written = written.map_err(supervise("write the process's output"))?;
                    bytes = bytes.get(written..).unwrap_or_default();
                }
            }
        }
        Ok(())
    }

    /// All writers are dead: what is left in the pipes is the rest.
    fn drain(&mut self, terminal: Option<Terminal<'_>>) -> Result<(), SandboxError> {
        for index in 0..self.pipes.len() {
            while self.read_pipe(index)? {}
        }
        // A process may have ended before its terminal was ever looked at.
        let terminal = match (terminal, self.told.master.take()) {
            (None, Some(master)) => Terminal::new(master, None).ok(),
            (terminal, _) => terminal,
        };
        let Some(terminal) = terminal else { return Ok(()) };
        while self.read_master(&terminal)? {}
        Ok(())
    }
}

/// A wait(2) status.
fn exit_of(status: i32) -> Exit {
    if libc::WIFSIGNALED(status) {
        Exit::Signal(libc::WTERMSIG(status))
    } else {
        Exit::Code(libc::WEXITSTATUS(status))
    }
}

pub(crate) fn supervise(action: &'static str) -> impl Fn(Errno) -> SandboxError {
    move |errno| SandboxError::Supervise { action, source: io::Error::from(errno) }
}
