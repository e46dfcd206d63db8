//! What to run: plain values without behaviour of the kernel in them.
//!
//! A [`Process`] owns all it needs and compares by value, so that a step can later travel to another
//! machine.

use std::ffi::OsString;
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::SandboxError;
use crate::dev::below_dev;
use crate::stubs::StubKind;

/// One process to run in a root file system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// The root file system.
    pub root: Root,
    /// The program and its arguments (`argv`). A program without `/` is looked up inside the root along
    /// the `PATH` of [`Process::env`].
    pub args: Vec<OsString>,
    /// The whole environment; nothing is inherited from galley.
    pub env: Vec<(OsString, OsString)>,
    /// The working directory, absolute inside the root. It has to exist.
    pub cwd: PathBuf,
    /// The user the process runs as.
    pub user: UserIds,
    /// Which network the process sees.
    pub network: Network,
    /// Mounts on top of the root, besides `/proc`, `/sys` and `/dev`, which are always there. Mounted
    /// from the shortest target path to the longest, whatever their order here.
    pub mounts: Vec<Mount>,
    /// Host name in the process's own UTS namespace; `None` keeps the machine's.
    pub hostname: Option<String>,
    /// Sets `no_new_privs`, so that set-uid programs gain nothing. Docker's default is off.
    pub no_new_privileges: bool,
    /// `true`: galley's reaper is pid 1 and the process is its child; it reaps orphans, hands signals on
    /// and notices at once when galley dies. Right for build steps and for `run --init`. `false`: the
    /// process is pid 1 itself, as in `docker run` without `--init`; only the kernel's death signal ties
    /// it to galley then.
    pub init: bool,
    /// Gives the process a pseudo terminal as its controlling terminal, also as `/dev/console`.
    pub terminal: bool,
    /// Makes the root file system (not the mounts on it) read-only.
    pub read_only: bool,
}

impl Process {
    /// A process with galley's defaults: user 0, working directory `/`, an empty environment, the host's
    /// network, no mounts, a reaper as pid 1, no terminal.
    pub fn new<A: Into<OsString>>(root: Root, args: impl IntoIterator<Item = A>) -> Self {
        Self {
            root,
            args: args.into_iter().map(Into::into).collect(),
            env: Vec::new(),
            cwd: PathBuf::from("/"),
            user: UserIds::default(),
            network: Network::Host,
            mounts: Vec::new(),
            hostname: None,
            no_new_privileges: false,
            init: true,
            terminal: false,
            read_only: false,
        }
    }

    /// Checks what can be checked without a kernel.
    ///
    /// # Errors
    /// [`SandboxError::InvalidProcess`] when there is no program, a path that has to be absolute is not,
    /// the root has no layers, a string contains a NUL byte, or a variable's name is empty or has a `=`.
    pub(crate) fn check(&self) -> Result<(), SandboxError> {
        let fail = |problem: String| Err(SandboxError::InvalidProcess { problem });
        if self.args.first().is_none_or(|program| program.is_empty()) {
            return fail("it has no program; name one as the first argument".into());
        }
        let targets = self.mounts.iter().map(|mount| mount.target.as_path());
        for path in targets.chain([self.cwd.as_path()]) {
            if !path.is_absolute() {
                return fail(format!("{} is not an absolute path inside the root", path.display()));
            }
        }
        if let Root::Overlay { lowers, .. } | Root::ReadOnlyOverlay { lowers, .. } = &self.root
            && lowers.is_empty()
        {
            return fail("its overlay has no lower directory; give an empty one for `scratch`".into());
        }
        for (name, _) in &self.env {
            if name.is_empty() || name.as_bytes().contains(&b'=') {
                return fail(format!("{} is no name for a variable", name.display()));
            }
        }
        let values = self.env.iter().flat_map(|(name, value)| [name, value]);
        match self.args.iter().chain(values).find(|text| text.as_bytes().contains(&0)) {
            Some(text) => {
                fail(format!("{} contains a NUL byte, which no program can be given", text.display()))
            }
            None => Ok(()),
        }
    }

    /// Every place inside the root that something is mounted on, with the kind it needs: `/proc`,
    /// `/sys`, `/dev` and the targets of [`Process::mounts`].
    ///
    /// Give the list to [`crate::stubs::plan`], which finds those that the image lacks. A bind mount
    /// counts as a directory unless its source is a file now.
    pub fn mount_points(&self) -> Vec<(PathBuf, StubKind)> {
        let fixed = ["/proc", "/sys", "/dev"].map(|path| (PathBuf::from(path), StubKind::Directory));
        // `/dev` is the sandbox's own: what is mounted below it gets its place there.
        let of_image = self.mounts.iter().filter(|mount| below_dev(&mount.target).is_none());
        let asked = of_image.map(|mount| (mount.target.clone(), mount.kind.stub_kind()));
        fixed.into_iter().chain(asked).collect()
    }
}

/// User and group ids of a process, as seen inside the sandbox.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserIds {
    /// Real, effective and saved user id.
    pub uid: u32,
    /// Real, effective and saved group id.
    pub gid: u32,
    /// Supplementary groups; the process has no others.
    pub groups: Vec<u32>,
}

/// The root file system of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Root {
    /// An overlay file system. What the process writes lands in `upper`.
    Overlay {
        /// Read-only directories, topmost first; at least one, at most 500.
        lowers: Vec<PathBuf>,
        /// Takes the writes. Must be empty or the upper of the same lowers before.
        upper: PathBuf,
        /// The overlay's scratch directory: empty, on the file system of `upper`.
        work: PathBuf,
        /// Keep overlay marks in `user.overlay.*` instead of `trusted.overlay.*` attributes: a property of
        /// the store, needed inside a user namespace.
        userxattr: bool,
        /// Skip all syncing; `work` cannot be used a second time then.
        volatile: bool,
    },
    /// An overlay without a place to write: every write fails with `EROFS`.
    ReadOnlyOverlay {
        /// Read-only directories, topmost first; at least one, at most 500.
        lowers: Vec<PathBuf>,
        /// See [`Root::Overlay`].
        userxattr: bool,
    },
    /// A plain directory, written to in place (a snapshot of the `copy` kind).
    Directory(PathBuf),
}

/// One mount inside the root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// Absolute path inside the root. Symbolic links in it are followed inside the root. The mount
    /// point has to exist: see [`Process::mount_points`].
    pub target: PathBuf,
    /// What is mounted there.
    pub kind: MountKind,
}

/// What a [`Mount`] shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MountKind {
    /// A directory or file of the machine, live.
    Bind {
        /// Absolute path on the machine.
        source: PathBuf,
        /// Path below `source` to mount instead of `source` itself; empty for all of it. Its symbolic
        /// links are followed with `source` as the root, never out of it.
        subpath: PathBuf,
        /// Writes fail with `EROFS`.
        read_only: bool,
        /// Shows mounts below the source too.
        recursive: bool,
    },
    /// A directory tree made of layers. With `scratch`, the process may write and its writes are
    /// discarded; without, writes fail with `EROFS`.
    OverlayBind {
        /// Read-only directories, topmost first; at least one.
        lowers: Vec<PathBuf>,
        /// Where writes go until they are thrown away.
        scratch: Option<Scratch>,
        /// Path inside the merged tree to mount; empty for all of it. Its symbolic links are followed with
        /// the merged tree as the root.
        subpath: PathBuf,
        /// See [`Root::Overlay`].
        userxattr: bool,
    },
    /// An empty file system in memory.
    Tmpfs {
        /// Bytes it may hold; `None` for the kernel's default (half of the memory).
        size: Option<u64>,
        /// Permission bits of its root directory, e.g. `0o1777`.
        mode: u32,
    },
    /// One file, kept in memory only: a secret, `/etc/resolv.conf`, a site's certificate bundle.
    File {
        /// Its bytes.
        content: Vec<u8>,
        /// Its permission bits, e.g. `0o400`.
        mode: u32,
        /// Its owner, as seen inside the sandbox.
        uid: u32,
        /// Its group, as seen inside the sandbox.
        gid: u32,
        /// Writes fail with `EROFS`.
        read_only: bool,
    },
}

/// Two empty directories on one file system for an overlay whose writes are thrown away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scratch {
    /// The overlay's upper directory.
    pub upper: PathBuf,
    /// The overlay's work directory.
    pub work: PathBuf,
}

impl MountKind {
    pub(crate) fn stub_kind(&self) -> StubKind {
        let is_file = match self {
            Self::File { .. } => true,
            Self::Tmpfs { .. } => false,
            Self::Bind { source, subpath, .. } => is_file_in(source, subpath),
            Self::OverlayBind { lowers, subpath, .. } => {
                // The topmost layer that has the path decides, as in the overlay itself.
                let has = |lower: &&PathBuf| joined(lower, subpath).symlink_metadata().is_ok();
                lowers.iter().find(has).is_some_and(|lower| is_file_in(lower, subpath))
            }
        };
        if is_file { StubKind::File } else { StubKind::Directory }
    }
}

fn joined(base: &Path, subpath: &Path) -> PathBuf {
    let relative = subpath.strip_prefix("/").unwrap_or(subpath);
    // Joining an empty path would leave a slash at the end, which a file may not have.
    if relative.as_os_str().is_empty() { base.into() } else { base.join(relative) }
}

fn is_file_in(base: &Path, subpath: &Path) -> bool {
    joined(base, subpath).metadata().is_ok_and(|metadata| !metadata.is_dir())
}

/// Which network a process sees.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Network {
    /// The machine's own network.
    #[default]
    Host,
    /// A network namespace of its own with nothing but the loopback interface, which is up.
    None,
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It ended by itself with this exit code (0 to 255).
    Code(i32),
    /// This signal killed it.
    Signal(i32),
}

impl Exit {
    /// Whether the process ended with exit code 0.
    pub fn success(self) -> bool {
        self == Self::Code(0)
    }

    /// The exit code a shell would show: the code, or 128 plus the signal.
    pub fn shell_code(self) -> i32 {
        match self {
            Self::Code(code) => code,
            Self::Signal(signal) => 128 + signal,
        }
    }
}

/// Which of its two output streams a process wrote to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Stream {
    /// Standard output, and everything of a process with a terminal.
    Stdout,
    /// Standard error.
    Stderr,
}

/// Where the standard streams of a process go.
pub struct Io<'a> {
    /// Its standard input.
    pub stdin: Stdin<'a>,
    /// Its standard output and standard error.
    pub output: Output<'a>,
}

/// Standard input of a process.
#[derive(Clone, Copy, Debug)]
pub enum Stdin<'a> {
    /// `/dev/null`.
    Null,
    /// Galley's own standard input.
    Inherit,
    /// Any open descriptor.
    Fd(BorrowedFd<'a>),
}

/// Standard output and standard error of a process.
pub enum Output<'a> {
    /// Called with each piece of output as it arrives, never with an empty one.
    Callback(&'a mut dyn FnMut(Stream, &[u8])),
    /// Galley's own standard output and standard error.
    Inherit,
}
