//! The sandbox made of the running kernel's namespaces.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use rustix::pipe::{PipeFlags, pipe_with};

use crate::compile::{Facts, compile};
use crate::run::{Supervisor, Told, supervise};
use crate::script::Script;
use crate::spawner::{Child, Descriptors, Spawner};
use crate::{Abilities, Cancel, Exit, Io, Output, Process, Sandbox, SandboxError, Stdin, pty};

/// Runs processes in fresh namespaces of the running kernel.
///
/// Owns one thread, which makes the processes; dropping the sandbox ends it.
#[derive(Debug)]
pub struct LinuxSandbox {
    spawner: Spawner,
    abilities: Abilities,
    facts: Facts,
}

impl LinuxSandbox {
    /// Finds out what this machine allows, and gets ready.
    ///
    /// `scratch` is an existing directory, on the file system that the upper directories will be on; two
    /// directories are made in it and removed again. Takes a few milliseconds: not for commands that run
    /// nothing.
    ///
    /// # Errors
    /// [`SandboxError::Namespaces`] where no process can be separated at all, with what to do about it.
    pub fn probe(scratch: &Path) -> Result<Self, SandboxError> {
        let spawner = Spawner::start()
            .map_err(|source| SandboxError::Supervise { action: "start the spawner thread", source })?;
        let (abilities, facts) = crate::probe::probe(&spawner, scratch)?;
        Ok(Self { spawner, abilities, facts })
    }

    /// Mounts overlays the way that kernels before 6.7 need; slower, and for fewer layers.
    #[doc(hidden)]
    pub fn with_legacy_overlay(mut self) -> Self {
        self.facts.legacy_overlay = true;
        self
    }
}

impl Sandbox for LinuxSandbox {
    fn run(&self, process: &Process, io: Io<'_>, cancel: &Cancel) -> Result<Exit, SandboxError> {
        let wake = cancel.subscribe();
        let wake =
            wake.map_err(|source| SandboxError::Supervise { action: "watch for cancelling", source })?;
        if cancel.is_cancelled() {
            return Err(SandboxError::Cancelled);
        }
        let keys = match io.stdin {
            Stdin::Null => None,
            Stdin::Inherit => Some(rustix::stdio::stdin()),
            Stdin::Fd(descriptor) => Some(descriptor),
        };
        let window = keys.filter(|_| process.terminal).map_or((0, 0), pty::window_of);
        let script = Arc::new(compile(process, Facts { window, ..self.facts.clone() })?);
        let (descriptors, ours) = connect(process, &io).map_err(supervise("open pipes"))?;
        let child = start(&self.spawner, &script, descriptors)?;
        let supervisor = Supervisor {
            script: &script,
            child,
            control: ours.control,
            pipes: ours.pipes,
            keys,
            output: io.output,
            cancel,
            wake: &wake,
            told: Told::default(),
            deaf: false,
        };
        supervisor.run()
    }

    fn capabilities(&self) -> &Abilities {
        &self.abilities
    }
}

/// Clones, with the kernel's refusals put into words.
pub(crate) fn start(
    spawner: &Spawner,
    script: &Arc<Script>,
    descriptors: Descriptors,
) -> Result<Child, SandboxError> {
    spawner.spawn(Arc::clone(script), descriptors).map_err(|errno| {
        let advice = match errno {
            Errno::PERM => {
                "galley is neither root nor in a user namespace, or a container around it forbids namespaces"
            }
            Errno::NOSPC | Errno::USERS => {
                "the machine's limit of namespaces is reached; see the sysctls user.max_*_namespaces"
            }
            Errno::AGAIN => "there are too many processes; raise the limit (ulimit -u) or run fewer steps",
            Errno::NOSYS | Errno::INVAL => "galley needs Linux 5.12 or newer, with all namespaces",
            _ => "this is unexpected, please report it with the kernel's version (uname -r)",
        };
        SandboxError::Namespaces { source: errno.into(), advice: advice.into() }
    })
}

/// Galley's ends of what connects it with a sandbox.
pub(crate) struct Ours {
    pub(crate) control: OwnedFd,
    pipes: [Option<OwnedFd>; 2],
}

fn connect(process: &Process, io: &Io<'_>) -> Result<(Descriptors, Ours), Errno> {
    let null = null_device()?;
    let stdin = match io.stdin {
        // A terminal's slave takes the place of all three streams.
        _ if process.terminal => null.as_fd(),
        Stdin::Null => null.as_fd(),
        Stdin::Inherit => rustix::stdio::stdin(),
        Stdin::Fd(descriptor) => descriptor,
    };
    let stdin = out_of_the_way(stdin)?;
    let (streams, pipes) = match io.output {
        _ if process.terminal => {
            let null = null.as_fd();
            ([stdin, out_of_the_way(null)?, out_of_the_way(null)?], [None, None])
        }
        Output::Callback(_) => {
            let (read_out, write_out) = output_pipe()?;
            let (read_err, write_err) = output_pipe()?;
            ([stdin, write_out, write_err], [Some(read_out), Some(read_err)])
        }
        Output::Inherit => {
            let stdout = out_of_the_way(rustix::stdio::stdout())?;
            ([stdin, stdout, out_of_the_way(rustix::stdio::stderr())?], [None, None])
        }
    };
    let (ours, control) = control_sockets()?;
    Ok((Descriptors { streams, control }, Ours { control: ours, pipes }))
}

/// Descriptors for a sandbox without input and output, as for probing.
pub(crate) fn connect_nothing() -> Result<(Descriptors, Ours), Errno> {
    let null = null_device()?;
    let streams =
        [out_of_the_way(null.as_fd())?, out_of_the_way(null.as_fd())?, out_of_the_way(null.as_fd())?];
    let (ours, control) = control_sockets()?;
    Ok((Descriptors { streams, control }, Ours { control: ours, pipes: [None, None] }))
}

fn control_sockets() -> Result<(OwnedFd, OwnedFd), Errno> {
    let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
    Ok((ours, out_of_the_way(theirs.as_fd())?))
}

fn null_device() -> Result<OwnedFd, Errno> {
    rustix::fs::openat(CWD, c"/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())
}

fn output_pipe() -> Result<(OwnedFd, OwnedFd), Errno> {
    let (read, write) = pipe_with(PipeFlags::CLOEXEC)?;
    // Only galley's end: the process expects a pipe that blocks.
    let flags = rustix::fs::fcntl_getfl(&read)?;
    rustix::fs::fcntl_setfl(&read, flags | OFlags::NONBLOCK)?;
    Ok((read, out_of_the_way(write.as_fd())?))
}

/// A copy with a number above 9: the child puts its streams on 0 to 3.
fn out_of_the_way(descriptor: BorrowedFd<'_>) -> Result<OwnedFd, Errno> {
    rustix::io::fcntl_dupfd_cloexec(descriptor, 10)
}
