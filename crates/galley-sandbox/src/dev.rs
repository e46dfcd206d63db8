//! `/proc`, `/sys` and a minimal `/dev` of a sandbox, as operations.

use std::ffi::{CStr, CString};

use rustix::mount::MountAttrFlags;

use crate::compile::{Compiler, octal};
use crate::script::{Op, Place, Slot};

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

/// Directories of `/proc` that change the machine. Read-only.
const READ_ONLY: &[&CStr] = &[c"bus", c"fs", c"irq", c"sys", c"sysrq-trigger"];

/// Character devices: name and numbers, see `Documentation/admin-guide/devices.txt` of the kernel.
const DEVICES: &[(&CStr, u32, u32)] = &[
    (c"null", 1, 3),
    (c"zero", 1, 5),
    (c"full", 1, 7),
    (c"random", 1, 8),
    (c"urandom", 1, 9),
    (c"tty", 5, 0),
];

const LINKS: &[(&CStr, &CStr)] = &[
    (c"fd", c"/proc/self/fd"),
    (c"stdin", c"/proc/self/fd/0"),
    (c"stdout", c"/proc/self/fd/1"),
    (c"stderr", c"/proc/self/fd/2"),
    (c"core", c"/proc/kcore"),
    (c"ptmx", c"pts/ptmx"),
];

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

    fn attach(&mut self, mount: Slot, base: Option<Slot>, path: &CStr) {
        self.inside.push(Op::Attach { mount, place: Place { base, path: path.into() } });
    }

    fn protect(&mut self, proc: Slot, sys: Slot, dev: Slot) {
        let empty = self.slot();
        let hidden = MASKED.iter().map(|path| (proc, *path)).chain([(sys, c"firmware")]);
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
            NOSUID | NOEXEC,
        );
        self.attach(dev, None, c"dev");
        for (name, target) in LINKS {
            self.before.push(Op::Link { below: dev, name: (*name).into(), target: (*target).into() });
        }
        for (name, major, minor) in DEVICES {
            self.device(dev, name, *major, *minor);
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

    fn device(&mut self, dev: Slot, name: &CStr, major: u32, minor: u32) {
        let mode = 0o666;
        if self.facts.device_nodes {
            self.before.push(Op::Device { below: dev, name: name.into(), mode, major, minor });
            return;
        }
        // Nobody but the machine's root makes device nodes; the machine's own ones work inside too.
        let path = [c"/dev/".to_bytes(), name.to_bytes()].concat();
        // Both parts are C strings: no NUL byte within.
        let machine = self.host(CString::new(path).unwrap_or_default());
        let (name, content) = (CString::from(name), vec![]);
        self.before.push(Op::WriteFile { below: dev, name: name.clone(), content, mode, uid: 0, gid: 0 });
        self.attach(machine, Some(dev), &name);
    }
}
