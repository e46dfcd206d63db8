//! Turns a [`Process`] into a script. Ordinary code, which runs before the clone.
//!
//! The order matters: mounts are made while the machine's files are in reach, then the root is changed,
//! and only then are they attached, so that no path of the image is ever looked up outside of it.

use std::ffi::{CStr, CString, OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use rustix::mount::MountAttrFlags;

use crate::overlay::MOST_LOWERS;
use crate::script::{Op, Overlay, Place, Program, Script, Slot, StringArray};
use crate::seccomp::Filter;
use crate::{MountKind, Network, Process, Root, SandboxError, capabilities};

/// Where programs are looked up without a `PATH` variable, as in docker.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What the script depends on besides the process.
#[derive(Clone, Debug, Default)]
pub(crate) struct Facts {
    /// The group of terminals (5) exists there.
    pub(crate) tty_group: bool,
    /// Rows and columns of the terminal to make.
    pub(crate) window: (u16, u16),
    /// Where this process's command line is in memory.
    pub(crate) arguments: std::ops::Range<usize>,
    /// Use the old way to mount overlays.
    pub(crate) legacy_overlay: bool,
}

/// Compiles `process`.
///
/// # Errors
/// [`SandboxError::InvalidProcess`].
pub(crate) fn compile(process: &Process, facts: Facts) -> Result<Script, SandboxError> {
    process.check()?;
    let arguments = facts.arguments.clone();
    let mut compiler =
        Compiler { facts, before: vec![Op::PrivateMounts], aside: vec![], inside: vec![], slots: 0 };
    compiler.identity(process);
    let (root, at) = compiler.root(&process.root)?;
    let user_mounts = compiler.user_mounts(process, &at)?;
    let dev = compiler.kernel_file_systems();
    compiler.points_below_dev(dev, process)?;
    for (mount, target) in user_mounts {
        compiler.inside.push(Op::Attach { mount, place: inside(&target)? });
    }
    if process.terminal {
        compiler.terminal(dev, process.user.uid);
    } else {
        compiler.inside.push(Op::OwnStreams { uid: process.user.uid });
    }
    if process.read_only {
        compiler.inside.push(Op::ReadOnlyRoot { root });
    }
    compiler.inside.push(Op::Forget);
    compiler.inside.push(Op::WorkingDirectory(c_path(&process.cwd)?));

    let mut setup = compiler.before;
    setup.append(&mut compiler.aside);
    setup.push(Op::Pivot { root, at });
    setup.append(&mut compiler.inside);
    Ok(Script {
        namespaces: namespaces(process.network),
        setup,
        launch: launch(process)?,
        init: process.init,
        slots: compiler.slots,
        arguments,
        tolerant: false,
    })
}

/// The namespaces of every sandbox (`CLONE_NEW*`).
pub(crate) fn namespaces(network: Network) -> u64 {
    let mut flags = libc::CLONE_NEWNS
        | libc::CLONE_NEWPID
        | libc::CLONE_NEWIPC
        | libc::CLONE_NEWUTS
        | libc::CLONE_NEWCGROUP;
    if network == Network::None {
        flags |= libc::CLONE_NEWNET;
    }
    flags as u64
}

/// Collects operations in three lists, which run one after the other.
pub(crate) struct Compiler {
    pub(crate) facts: Facts,
    /// With the machine's files in reach.
    pub(crate) before: Vec<Op>,
    /// Mounts that have to be attached somewhere before parts of them can be copied. After `before`,
    /// since they cover a directory of the machine.
    pub(crate) aside: Vec<Op>,
    /// After the root was changed.
    pub(crate) inside: Vec<Op>,
    slots: usize,
}

impl Compiler {
    pub(crate) fn slot(&mut self) -> Slot {
        self.slots += 1;
        Slot(self.slots - 1)
    }

    /// A new file system in memory or of the kernel.
    pub(crate) fn filesystem(
        &mut self,
        name: &'static CStr,
        options: Vec<(&'static CStr, CString)>,
        attributes: MountAttrFlags,
    ) -> Slot {
        let into = self.slot();
        self.before.push(Op::Filesystem { name, options, optional_flag: None, attributes, into });
        into
    }

    fn identity(&mut self, process: &Process) {
        if let Some(hostname) = &process.hostname {
            self.before.push(Op::Hostname(hostname.into()));
        }
        if process.network == Network::None {
            self.before.push(Op::Loopback);
        }
    }

    /// The root mount, and the directory of the machine to attach it on.
    fn root(&mut self, root: &Root) -> Result<(Slot, CString), SandboxError> {
        match root {
            Root::Overlay { lowers, upper, work, userxattr, volatile } => {
                let at = c_path(upper)?;
                let upper = Some((at.clone(), c_path(work)?));
                Ok((self.overlay(lowers, upper, *userxattr, *volatile)?, at))
            }
            Root::ReadOnlyOverlay { lowers, userxattr } => {
                let slot = self.read_only_layers(lowers, *userxattr)?;
                let top = lowers.first().map(PathBuf::as_path).unwrap_or(Path::new("/"));
                Ok((slot, c_path(top)?))
            }
            Root::Directory(directory) => {
                let at = c_path(directory)?;
                Ok((self.clone_tree(at.clone(), CString::default(), false), at))
            }
        }
    }

    fn overlay(
        &mut self,
        lowers: &[PathBuf],
        upper: Option<(CString, CString)>,
        userxattr: bool,
        volatile: bool,
    ) -> Result<Slot, SandboxError> {
        if lowers.len() > MOST_LOWERS {
            let count = lowers.len();
            return Err(SandboxError::InvalidProcess {
                problem: format!(
                    "its root has {count} layers, and the kernel's overlay takes {MOST_LOWERS}; join some of them"
                ),
            });
        }
        let lowers = lowers.iter().map(|lower| c_path(lower)).collect::<Result<_, _>>()?;
        let into = self.slot();
        let legacy = self.facts.legacy_overlay;
        self.before.push(Op::Overlay(Overlay { lowers, upper, userxattr, volatile, legacy, into }));
        Ok(into)
    }

    fn read_only_layers(&mut self, lowers: &[PathBuf], userxattr: bool) -> Result<Slot, SandboxError> {
        // The kernel refuses an overlay of one directory: there is nothing to overlay.
        if let [single] = lowers {
            let slot = self.clone_tree(c_path(single)?, CString::default(), false);
            self.before.push(Op::ReadOnly { mount: slot });
            return Ok(slot);
        }
        self.overlay(lowers, None, userxattr, false)
    }

    fn clone_tree(&mut self, source: CString, subpath: CString, recursive: bool) -> Slot {
        let into = self.slot();
        self.before.push(Op::CloneTree { source, subpath, recursive, into });
        into
    }

    /// Makes the mounts that the process asks for; in the order in which they are to be attached.
    fn user_mounts(&mut self, process: &Process, at: &CStr) -> Result<Vec<(Slot, PathBuf)>, SandboxError> {
        let mut mounts: Vec<_> = process.mounts.iter().collect();
        mounts.sort_by_key(|mount| mount.target.components().count());
        let mut files = None;
        let mut made = Vec::new();
        for (mount, index) in mounts.into_iter().zip(0..) {
            let slot = match &mount.kind {
                MountKind::File { .. } => self.file(&mount.kind, index, &mut files, at)?,
                kind => self.user_mount(kind, at)?,
            };
            made.push((slot, mount.target.clone()));
        }
        Ok(made)
    }

    fn user_mount(&mut self, kind: &MountKind, at: &CStr) -> Result<Slot, SandboxError> {
        match kind {
            MountKind::Bind { source, subpath, read_only, recursive } => {
                let slot = self.clone_tree(c_path(source)?, c_path(subpath)?, *recursive);
                if *read_only {
                    self.before.push(Op::ReadOnly { mount: slot });
                }
                Ok(slot)
            }
            MountKind::OverlayBind { lowers, scratch, subpath, userxattr } => {
                let whole = match scratch {
                    Some(scratch) => {
                        let upper = Some((c_path(&scratch.upper)?, c_path(&scratch.work)?));
                        self.overlay(lowers, upper, *userxattr, true)?
                    }
                    None => self.read_only_layers(lowers, *userxattr)?,
                };
                self.part(whole, subpath, scratch.is_none(), at)
            }
            MountKind::Tmpfs { size, mode } => {
                let mut options = vec![(c"mode", octal(*mode))];
                if let Some(size) = size {
                    options.push((c"size", digits(*size)));
                }
                let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV;
                Ok(self.filesystem(c"tmpfs", options, attributes))
            }
            // Made by `file`, which needs more.
            MountKind::File { .. } => {
                Err(SandboxError::InvalidProcess { problem: "a file where a directory belongs".into() })
            }
        }
    }

    /// A part of a mount that was just made.
    fn part(
        &mut self,
        whole: Slot,
        subpath: &Path,
        read_only: bool,
        at: &CStr,
    ) -> Result<Slot, SandboxError> {
        if subpath.components().all(|component| component == std::path::Component::RootDir) {
            return Ok(whole);
        }
        let part = self.slot();
        self.aside.push(Op::AttachAside { mount: whole, at: at.into() });
        self.aside.push(Op::CloneBelow { of: whole, path: c_path(subpath)?, into: part });
        if read_only {
            self.aside.push(Op::ReadOnly { mount: part });
        }
        Ok(part)
    }

    /// A file in the one tmpfs that holds all of them.
    fn file(
        &mut self,
        kind: &MountKind,
        index: u64,
        files: &mut Option<Slot>,
        at: &CStr,
    ) -> Result<Slot, SandboxError> {
        let MountKind::File { content, mode, uid, gid, read_only } = kind else {
            return self.user_mount(kind, at);
        };
        let below = match files {
            Some(files) => *files,
            None => {
                let into = self.slot();
                self.before.push(Op::Filesystem {
                    name: c"tmpfs",
                    options: vec![(c"mode", octal(0o700))],
                    // Secrets are not to reach a disk by way of swapping.
                    optional_flag: Some(c"noswap"),
                    attributes: MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV,
                    into,
                });
                self.aside.push(Op::AttachAside { mount: into, at: at.into() });
                *files = Some(into);
                into
            }
        };
        let (name, into) = (digits(index), self.slot());
        let (mode, uid, gid) = (*mode, *uid, *gid);
        self.aside.push(Op::WriteFile {
            below,
            name: name.clone(),
            content: content.clone(),
            mode,
            uid,
            gid,
        });
        self.aside.push(Op::CloneBelow { of: below, path: name, into });
        if *read_only {
            self.aside.push(Op::ReadOnly { mount: into });
        }
        Ok(into)
    }
}

/// From the finished root file system to the program.
fn launch(process: &Process) -> Result<Vec<Op>, SandboxError> {
    let user = &process.user;
    let everything = capabilities::default_set();
    let groups = user.groups.iter().map(|group| rustix::fs::Gid::from_raw(*group)).collect();
    let mut ops = vec![
        Op::ResetSignals,
        Op::Session { terminal: process.terminal },
        Op::Bound { keep: everything },
        Op::Groups(groups),
    ];
    if process.no_new_privileges {
        ops.push(Op::NoNewPrivileges);
    }
    // Needs CAP_SYS_ADMIN, which is on its way out; what follows passes the filter.
    ops.push(Op::Seccomp(Filter::new()));
    ops.push(Op::Ids { uid: user.uid, gid: user.gid });
    ops.push(Op::Capabilities { keep: if user.uid == 0 { everything } else { 0 } });
    if !process.init {
        // Changing ids has cleared it.
        ops.push(Op::DeathSignal);
    }
    ops.push(Op::Execute(program(process)?));
    Ok(ops)
}

fn program(process: &Process) -> Result<Program, SandboxError> {
    let name = process.args.first().cloned().unwrap_or_default();
    let candidates = if name.as_bytes().contains(&b'/') {
        vec![c_string(&name)?]
    } else {
        let path = process.env.iter().rev().find(|(name, _)| name == "PATH");
        let path = path.map_or(OsStr::new(DEFAULT_PATH), |(_, path)| path);
        // Relative entries, the empty one among them, would find whatever lies in the working directory.
        let directories = std::env::split_paths(path).filter(|directory| directory.is_absolute());
        directories.map(|directory| c_path(&directory.join(&name))).collect::<Result<_, _>>()?
    };
    let argv = process.args.iter().map(|arg| c_string(arg)).collect::<Result<_, _>>()?;
    let variable = |(name, value): &(OsString, OsString)| {
        let joined = [name.as_bytes(), b"=", value.as_bytes()].concat();
        c_string(&OsString::from_vec(joined))
    };
    let envp = process.env.iter().map(variable).collect::<Result<_, _>>()?;
    Ok(Program { name, candidates, argv: StringArray::new(argv), envp: StringArray::new(envp) })
}

/// A place below the root of the sandbox.
fn inside(target: &Path) -> Result<Place, SandboxError> {
    Ok(Place { base: None, path: c_path(target)? })
}

pub(crate) fn c_path(path: &Path) -> Result<CString, SandboxError> {
    c_string(path.as_os_str())
}

fn c_string(text: &OsStr) -> Result<CString, SandboxError> {
    CString::new(text.as_bytes()).map_err(|_| SandboxError::InvalidProcess {
        problem: format!("{} contains a NUL byte, which the kernel takes for its end", text.display()),
    })
}

/// Decimal digits.
fn digits(number: u64) -> CString {
    from_digits(number.to_string())
}

/// Octal digits, as file systems take their `mode=`.
pub(crate) fn octal(mode: u32) -> CString {
    from_digits(format!("{mode:o}"))
}

fn from_digits(digits: String) -> CString {
    // Digits contain no NUL byte.
    CString::new(digits).unwrap_or_default()
}
