//! `/proc`, `/sys` and a minimal `/dev` of a sandbox, as operations.
//!
//! Root in a sandbox can make device nodes, as in docker, and an image may bring some; docker lets a device cgroup forbid their use. Here
//! every mount is `nodev` except six, each of one harmless device.

use std::collections::HashSet;
use std::ffi::{CStr, CString, OsStr};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::mount::MountAttrFlags;

use crate::compile::{Compiler, c_path, octal};
use crate::error::SandboxError;
use crate::process::Process;
use crate::script::{Op, Place, Slot};
use crate::stubs::StubKind;

/// Files and directories of the kernel that tell about the machine, or change it. Hidden.
const MASKED: &[&CStr] = &[
    c"acpi",
    c"asound",
    c"interrupts",
    c"kcore",
    c"keys",
    c"latency_stats",
    c"timer_list",
    c"timer_stats",
    c"sched_debug",
    c"scsi",
];

/// The same in `/sys`: firmware tables, and counters of the processor's power, which tell keys apart (CVE-2020-8694).
const MASKED_SYS: &[&CStr] = &[c"firmware", c"devices/virtual/powercap"];

/// Directories of `/proc` that change the machine. Read-only.
const READ_ONLY: &[&CStr] = &[c"bus", c"fs", c"irq", c"sys", c"sysrq-trigger"];

/// Devices of the machine that have no state of their own, and the process's own terminal.
const DEVICES: &[&CStr] = &[c"null", c"zero", c"full", c"random", c"urandom", c"tty"];

const LINKS: &[(&CStr, &CStr)] = &[
    (c"fd", c"/proc/self/fd"),
    (c"stdin", c"/proc/self/fd/0"),
    (c"stdout", c"/proc/self/fd/1"),
    (c"stderr", c"/proc/self/fd/2"),
    (c"core", c"/proc/kcore"),
    (c"ptmx", c"pts/ptmx"),
];

/// Directories of `/dev` with a file system of their own.
const MOUNTED: &[&CStr] = &[c"pts", c"shm", c"mqueue"];

/// Group `tty`, which owns pseudo terminals on every distribution.
pub(crate) const TTY_GROUP: u32 = 5;

const NOSUID: MountAttrFlags = MountAttrFlags::MOUNT_ATTR_NOSUID;
const NOEXEC: MountAttrFlags = MountAttrFlags::MOUNT_ATTR_NOEXEC;
const NODEV: MountAttrFlags = MountAttrFlags::MOUNT_ATTR_NODEV;

/// The mounts of `/dev` that later operations need.
#[derive(Clone, Copy)]
pub(crate) struct Dev {
    dev: Slot,
    pts: Slot,
}

impl Compiler {
    /// Makes and attaches `/proc`, `/sys` and `/dev` with all that is in them.
    pub(crate) fn kernel_file_systems(&mut self) -> Dev {
        let proc = self.filesystem(c"proc", vec![], NOSUID | NOEXEC | NODEV);
        let sys = self.slot();
        self.before.push(Op::Sysfs { into: sys });
        self.attach(proc, None, c"proc");
        self.attach(sys, None, c"sys");
        let dev = self.dev();
        self.protect(proc, sys, dev.dev);
        dev
    }

    pub(crate) fn terminal(&mut self, dev: Dev, owner: u32) {
        let (rows, columns) = self.facts.window;
        self.inside.push(Op::Terminal { pts: dev.pts, dev: dev.dev, owner, rows, columns });
    }

    /// Makes the mount points that `process` asks for below `/dev`, which covers all that an image has there.
    ///
    /// # Errors
    /// [`SandboxError::InvalidProcess`] for a path with a NUL byte.
    pub(crate) fn points_below_dev(&mut self, dev: Dev, process: &Process) -> Result<(), SandboxError> {
        let own = DEVICES.iter().chain(LINKS.iter().map(|(name, _)| name)).chain(MOUNTED);
        let own: HashSet<&Path> = own.map(|name| Path::new(OsStr::from_bytes(name.to_bytes()))).collect();
        let mut made = HashSet::new();
        for mount in &process.mounts {
            let Some(point) = below_dev(&mount.target) else { continue };
            // What lies in a mount of `/dev` is not there yet: attaching says so.
            if point.components().next().is_some_and(|first| own.contains(Path::new(first.as_os_str()))) {
                continue;
            }
            let mut path = PathBuf::new();
            for component in point.components() {
                path.push(component);
                if !made.insert(path.clone()) {
                    continue;
                }
                let name = c_path(&path)?;
                self.before.push(if path == point && mount.kind.stub_kind() == StubKind::File {
                    Op::WriteFile { below: dev.dev, name, content: vec![], mode: 0o444, uid: 0, gid: 0 }
                } else {
                    Op::Directory { below: dev.dev, name, mode: 0o755 }
                });
            }
        }
        Ok(())
    }

    fn attach(&mut self, mount: Slot, base: Option<Slot>, path: &CStr) {
        self.inside.push(Op::Attach { mount, place: Place { base, path: path.into() } });
    }

    fn protect(&mut self, proc: Slot, sys: Slot, dev: Slot) {
        let empty = self.slot();
        let hidden =
            MASKED.iter().map(|path| (proc, *path)).chain(MASKED_SYS.iter().map(|path| (sys, *path)));
        for (base, path) in hidden {
            let place = Place { base: Some(base), path: path.into() };
            self.inside.push(Op::Mask { place, null: dev, empty });
        }
        for path in READ_ONLY {
            let place = Place { base: Some(proc), path: (*path).into() };
            self.inside.push(Op::ReadOnlyBelow { place });
        }
    }

    fn dev(&mut self) -> Dev {
        let dev = self.filesystem(
            c"tmpfs",
            vec![(c"mode", octal(0o755)), (c"size", c"64k".into())],
            NOSUID | NOEXEC | NODEV,
        );
        self.attach(dev, None, c"dev");
        for (name, target) in LINKS {
            self.before.push(Op::Link { below: dev, name: (*name).into(), target: (*target).into() });
        }
        for name in DEVICES {
            self.device(dev, name);
        }
        let mut pts_options = vec![(c"ptmxmode", octal(0o666)), (c"mode", octal(0o620))];
        if self.facts.tty_group {
            pts_options.push((c"gid", c"5".into()));
        }
        let pts = self.filesystem(c"devpts", pts_options, NOSUID | NOEXEC);
        let shm_options = vec![(c"mode", octal(0o1777)), (c"size", c"64m".into())];
        let shm = self.filesystem(c"tmpfs", shm_options, NOSUID | NOEXEC | NODEV);
        let mqueue = self.filesystem(c"mqueue", vec![], NOSUID | NOEXEC | NODEV);
        for (mount, name) in [(pts, c"pts"), (shm, c"shm"), (mqueue, c"mqueue")] {
            self.before.push(Op::Directory { below: dev, name: name.into(), mode: 0o755 });
            self.attach(mount, Some(dev), name);
        }
        Dev { dev, pts }
    }

    /// The machine's own node on an empty file: each one is a mount of its own, so that every other mount of a sandbox can be `nodev`.
    fn device(&mut self, dev: Slot, name: &CStr) {
        let path = [c"/dev/".to_bytes(), name.to_bytes()].concat();
        // Both parts are C strings: no NUL byte within.
        let source = CString::new(path).unwrap_or_default();
        let into = self.slot();
        self.before.push(Op::CloneDevice { source, into });
        let (name, content) = (CString::from(name), vec![]);
        self.before.push(Op::WriteFile {
            below: dev,
            name: name.clone(),
            content,
            mode: 0o666,
            uid: 0,
            gid: 0,
        });
        self.attach(into, Some(dev), &name);
    }
}

/// `target` as seen from `/dev`, where it lies below it.
pub(crate) fn below_dev(target: &Path) -> Option<&Path> {
    target.strip_prefix("/dev").ok().filter(|below| !below.as_os_str().is_empty())
}
