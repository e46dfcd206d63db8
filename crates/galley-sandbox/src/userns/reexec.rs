//! Executes galley again as root of a new user namespace, and stands in for it outside.

use std::ffi::{CString, OsString};
use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::{Errno, FdFlags};
use rustix::mount::{MountPropagationFlags, mount_change};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, Signal, WaitOptions};

use super::{Caller, IdMap, SubIds, UserNamespaceError};
use crate::script::StringArray;
use crate::seal;
use crate::sys::{self, SignalSet};

/// What is handed on to galley inside; what a terminal sends reaches it by itself.
const FORWARDED: [i32; 6] =
    [libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGQUIT, libc::SIGUSR1, libc::SIGUSR2];

/// Where administrators' tools are, whatever the user's `PATH` says.
const TOOL_DIRECTORIES: [&str; 5] = ["/usr/bin", "/bin", "/usr/sbin", "/sbin", "/usr/local/bin"];

const CANNOT_MOUNT: u8 = 1;
const CANNOT_EXECUTE: u8 = 2;

/// How to execute galley again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reexec {
    /// The whole command line, the program's name first.
    pub args: Vec<OsString>,
    /// The whole environment; [`Caller::MARKER`] is added to it.
    pub env: Vec<(OsString, OsString)>,
}

/// Whether this process lives in a user namespace, made by [`reexec`] or by anybody else.
pub fn in_user_namespace() -> bool {
    IdMap::of_users().is_ok_and(|map| !map.is_identity())
}

/// Executes galley's own file, sealed as [`crate::run_sealed`] does it, in a new user and mount namespace, where it is root of the user's own and
/// subordinate ids, and waits for it.
///
/// Call it before any other thread is started. Signals are handed on; the inner galley dies with this
/// one. Mounts made inside are not seen outside.
///
/// `serve` runs on a thread of its own and gets one end of a socket that keeps messages apart
/// (`SOCK_SEQPACKET`); the inner galley has the other one ([`Caller::channel`]). It does for the inner
/// galley what only the user outside can do.
///
/// # Errors
/// [`UserNamespaceError`], which says exactly what is missing.
pub fn reexec(
    how: &Reexec,
    serve: impl FnOnce(OwnedFd) + Send + 'static,
) -> Result<ExitStatus, UserNamespaceError> {
    check_settings()?;
    let (ours, theirs) = sockets()?;
    let caller = Caller {
        uid: rustix::process::getuid().as_raw(),
        gid: rustix::process::getgid().as_raw(),
        channel: theirs.as_raw_fd(),
    };
    let tools = Tools::find(caller)?;
    let inner = Inner::new(how, caller)?;
    let (wait, go) = pipe()?;
    let (status, tell) = pipe()?;
    let forwarded = SignalSet::of(&FORWARDED);
    let before = sys::block(&forwarded).map_err(refused)?;
    let signals = sys::signal_descriptor(&forwarded).map_err(refused)?;

    let namespaces = (libc::CLONE_NEWUSER | libc::CLONE_NEWNS) as u64;
    // SAFETY: the child runs `inside` and nothing else, which is async-signal-safe.
    let child = match unsafe { sys::clone(namespaces) } {
        Ok(sys::Cloned::Child) => inner.become_galley(&wait, &go, &tell, &theirs, &before),
        Ok(sys::Cloned::Parent { pid, pidfd }) => Outside { pid, pidfd, ended: false },
        Err(errno) => return Err(refused(errno)),
    };
    drop((wait, tell, theirs));
    tools.write_maps(child.pid)?;
    std::thread::Builder::new()
        .name("serve".into())
        .spawn(move || serve(ours))
        .map_err(|source| UserNamespaceError::Io { action: "start a thread", source })?;
    rustix::io::write(&go, b"!").map_err(refused)?;
    inner.check(&status)?;
    let status = child.wait(&signals);
    // Only a formality: galley exits with the status next.
    let _ = sys::set_mask(&before);
    status
}

/// Settings that forbid user namespaces make worse messages later.
fn check_settings() -> Result<(), UserNamespaceError> {
    let settings = [
        ("user.max_user_namespaces", "/proc/sys/user/max_user_namespaces"),
        ("kernel.unprivileged_userns_clone", "/proc/sys/kernel/unprivileged_userns_clone"),
    ];
    for (sysctl, path) in settings {
        if fs::read_to_string(path).is_ok_and(|value| value.trim() == "0") {
            return Err(UserNamespaceError::SwitchedOff { sysctl });
        }
    }
    Ok(())
}

fn restricted_by_apparmor() -> bool {
    fs::read_to_string("/proc/sys/kernel/apparmor_restrict_unprivileged_userns")
        .is_ok_and(|value| value.trim() == "1")
}

/// The set-uid tools that write the maps, with the maps.
struct Tools {
    users: (PathBuf, IdMap),
    groups: (PathBuf, IdMap),
}

impl Tools {
    fn find(caller: Caller) -> Result<Self, UserNamespaceError> {
        let tool = |name| {
            let paths = TOOL_DIRECTORIES.map(|directory| Path::new(directory).join(name));
            paths.into_iter().find(|path| path.is_file()).ok_or(UserNamespaceError::NoTool { tool: name })
        };
        let (newuidmap, newgidmap) = (tool("newuidmap")?, tool("newgidmap")?);
        let users = SubIds::of_user(Path::new("/etc/subuid"), caller.uid)?;
        // Groups too go by the user: subgid(5).
        let groups = SubIds::of_user(Path::new("/etc/subgid"), caller.uid)?;
        Ok(Self {
            users: (newuidmap, IdMap::for_user(caller.uid, &users)),
            groups: (newgidmap, IdMap::for_user(caller.gid, &groups)),
        })
    }

    fn write_maps(&self, pid: i32) -> Result<(), UserNamespaceError> {
        for (name, (tool, map)) in [("newuidmap", &self.users), ("newgidmap", &self.groups)] {
            let numbers = map.ranges().iter().flat_map(|range| [range.inside, range.outside, range.count]);
            let numbers: Vec<String> = numbers.map(|number| number.to_string()).collect();
            let output = Command::new(tool).arg(pid.to_string()).args(&numbers).stdin(Stdio::null()).output();
            let output =
                output.map_err(|source| UserNamespaceError::Io { action: "run newuidmap", source })?;
            if !output.status.success() {
                return Err(UserNamespaceError::MapRefused {
                    tool: name,
                    map: numbers.join(" "),
                    message: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
                });
            }
        }
        Ok(())
    }
}

/// The inner galley, prepared so that its process need not allocate.
struct Inner {
    /// Where galley's file is.
    path: Option<CString>,
    argv: StringArray,
    envp: StringArray,
}

impl Inner {
    fn new(how: &Reexec, caller: Caller) -> Result<Self, UserNamespaceError> {
        let c_string = |bytes: Vec<u8>| {
            CString::new(bytes).map_err(|error| UserNamespaceError::Io {
                action: "hand the command line on",
                source: error.into(),
            })
        };
        let args = how.args.iter().map(|arg| c_string(arg.as_bytes().to_vec()));
        let marker = (Caller::MARKER.into(), caller.to_marker());
        let kept = how.env.iter().filter(|(name, _)| name != Caller::MARKER);
        let variables = kept.chain([&marker]).map(|(name, value): &(OsString, OsString)| {
            let mut variable = name.clone();
            variable.push("=");
            variable.push(value);
            c_string(variable.into_vec())
        });
        Ok(Self {
            path: seal::path(),
            argv: StringArray::new(args.collect::<Result<_, _>>()?),
            envp: StringArray::new(variables.collect::<Result<_, _>>()?),
        })
    }

    /// What the child does; async-signal-safe.
    fn become_galley(
        &self,
        wait: &OwnedFd,
        go: &OwnedFd,
        tell: &OwnedFd,
        channel: &OwnedFd,
        mask: &SignalSet,
    ) -> ! {
        // Else this process itself would keep the pipe open that tells it that its parent is gone.
        // SAFETY: this process never uses the descriptor again, nor drops anything.
        let _ = unsafe { sys::close(go.as_fd()) };
        let mut byte = [0];
        if !matches!(rustix::io::retry_on_intr(|| rustix::io::read(wait, &mut byte)), Ok(1)) {
            sys::exit_now(1);
        }
        let ready = rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
            .and_then(|()| sys::set_mask(mask).map(|_| ()))
            .and_then(|()| rustix::io::fcntl_setfd(channel, FdFlags::empty()))
            .and_then(|()| mount_change(c"/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC));
        let (what, errno) = match ready {
            Err(errno) => (CANNOT_MOUNT, errno),
            Ok(()) => {
                let (argv, envp) = (self.argv.as_ptr(), self.envp.as_ptr());
                if let Some(Ok(sealed)) = self.path.as_deref().map(seal::executable) {
                    // SAFETY: both arrays are NULL-terminated and live on.
                    let _ = unsafe { sys::execute_descriptor(sealed.as_fd(), argv, envp) };
                }
                // A file that is gone or was replaced is still running.
                // SAFETY: as above.
                (CANNOT_EXECUTE, unsafe { sys::execute(c"/proc/self/exe", argv, envp) })
            }
        };
        let [a, b, c, d] = errno.raw_os_error().to_ne_bytes();
        let _ = rustix::io::write(tell, &[what, a, b, c, d]);
        sys::exit_now(1)
    }

    /// Waits until the child has become galley, or has said why not.
    fn check(&self, status: &OwnedFd) -> Result<(), UserNamespaceError> {
        let mut bytes = [0; 5];
        let read = rustix::io::retry_on_intr(|| rustix::io::read(status, &mut bytes)).map_err(refused)?;
        let [what, a, b, c, d] = bytes;
        let source = io::Error::from_raw_os_error(i32::from_ne_bytes([a, b, c, d]));
        match (read, what) {
            (0, _) => Ok(()),
            (_, CANNOT_EXECUTE) => {
                Err(UserNamespaceError::Io { action: "execute /proc/self/exe again", source })
            }
            _ if restricted_by_apparmor() => Err(UserNamespaceError::AppArmor),
            _ => Err(UserNamespaceError::Refused { source }),
        }
    }
}

/// The inner galley, seen from outside. Dropping it kills it.
struct Outside {
    pid: i32,
    pidfd: OwnedFd,
    ended: bool,
}

impl Outside {
    fn wait(mut self, signals: &OwnedFd) -> Result<ExitStatus, UserNamespaceError> {
        while !self.wait_once(signals)? {}
        let status = self.reap().map_err(|errno| UserNamespaceError::Io {
            action: "wait for the galley inside",
            source: errno.into(),
        })?;
        Ok(ExitStatus::from_raw(status))
    }

    /// Whether it has ended.
    fn wait_once(&self, signals: &OwnedFd) -> Result<bool, UserNamespaceError> {
        let mut fds = [
            PollFd::from_borrowed_fd(self.pidfd.as_fd(), PollFlags::IN),
            PollFd::from_borrowed_fd(signals.as_fd(), PollFlags::IN),
        ];
        rustix::io::retry_on_intr(|| poll(&mut fds, None)).map_err(refused)?;
        while let Some((signal, by_process)) = sys::read_signal(signals) {
            if by_process {
                // Gone already, at worst.
                let _ = sys::pidfd_send_signal(self.pidfd.as_fd(), signal);
            }
        }
        let [child, _] = fds;
        Ok(!child.revents().is_empty())
    }

    fn reap(&mut self) -> Result<i32, Errno> {
        self.ended = true;
        let pid = Pid::from_raw(self.pid);
        let waited = rustix::io::retry_on_intr(|| rustix::process::waitpid(pid, WaitOptions::empty()))?;
        waited.map(|(_, status)| status.as_raw()).ok_or(Errno::CHILD)
    }
}

impl Drop for Outside {
    fn drop(&mut self) {
        if !self.ended {
            let _ = sys::pidfd_send_signal(self.pidfd.as_fd(), libc::SIGKILL);
            let _ = self.reap();
        }
    }
}

fn sockets() -> Result<(OwnedFd, OwnedFd), UserNamespaceError> {
    socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
        .map_err(|errno| UserNamespaceError::Io { action: "open a socket", source: errno.into() })
}

fn pipe() -> Result<(OwnedFd, OwnedFd), UserNamespaceError> {
    pipe_with(PipeFlags::CLOEXEC)
        .map_err(|errno| UserNamespaceError::Io { action: "open a pipe", source: errno.into() })
}

fn refused(errno: Errno) -> UserNamespaceError {
    match errno {
        Errno::NOSPC | Errno::USERS => UserNamespaceError::SwitchedOff { sysctl: "user.max_user_namespaces" },
        _ if restricted_by_apparmor() => UserNamespaceError::AppArmor,
        errno => UserNamespaceError::Refused { source: errno.into() },
    }
}
