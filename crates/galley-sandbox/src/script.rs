//! The prepared operations that set a sandbox up.
//!
//! After `clone3` the child may not allocate, lock or panic, since another thread of galley may have
//! held any lock at that moment. So everything is prepared here beforehand: paths are C strings, the
//! seccomp filter is assembled, `argv` is laid out. `child.rs` only walks over the lists. A failing
//! operation is reported by its index, and [`Op::explain`] puts it into words on galley's side.

use std::ffi::{CString, OsString};
use std::os::fd::OwnedFd;

use rustix::mount::MountAttrFlags;

use crate::seccomp::Filter;

/// Names a descriptor that one operation makes and later ones use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slot(pub(crate) usize);

/// The descriptors behind the slots; as long as [`Script::slots`] says.
pub(crate) type Slots = [Option<OwnedFd>];

/// All that one sandbox does, in order.
#[derive(Debug)]
pub(crate) struct Script {
    /// Namespaces for `clone3` (`CLONE_NEW*`).
    pub(crate) namespaces: u64,
    /// Done by pid 1 of the sandbox.
    pub(crate) setup: Vec<Op>,
    /// Done by the process itself; the last one is [`Op::Execute`] unless the script only probes.
    pub(crate) launch: Vec<Op>,
    /// Whether the process is a child of galley's reaper (or pid 1 itself).
    pub(crate) init: bool,
    /// How many slots the operations use.
    pub(crate) slots: usize,
    /// Where galley's own command line is in memory, for the reaper to erase in its copy.
    pub(crate) arguments: std::ops::Range<usize>,
    /// Go on after a failure, reporting each one: for probing.
    pub(crate) tolerant: bool,
}

/// A path to mount something on: below the mount in a slot, or below the root.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) base: Option<Slot>,
    /// Relative to the base. Links are followed with the base as the root.
    pub(crate) path: CString,
}

/// One operation. Descriptors of mounts are detached mounts until [`Op::Attach`] and the like.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Op {
    /// Nothing mounted from here on is seen outside of the sandbox, or the other way round.
    PrivateMounts,
    /// Sets the host name.
    Hostname(OsString),
    /// Brings the loopback interface up.
    Loopback,
    /// Makes a file system that needs no device.
    Filesystem {
        name: &'static std::ffi::CStr,
        options: Vec<(&'static std::ffi::CStr, CString)>,
        /// Set where the kernel knows it, for it is only better with it.
        optional_flag: Option<&'static std::ffi::CStr>,
        attributes: MountAttrFlags,
        into: Slot,
    },
    /// Makes a read-only `/sys`: a fresh one, or the machine's where the kernel refuses that.
    Sysfs { into: Slot },
    /// Makes an overlay.
    Overlay(Overlay),
    /// Copies a mount of the machine: `subpath` below `source`, found with `source` as the root. Device nodes in it are inert.
    CloneTree { source: CString, subpath: CString, recursive: bool, into: Slot },
    /// Copies a device node of the machine.
    CloneDevice { source: CString, into: Slot },
    /// Copies a part of a mount that is attached already.
    CloneBelow { of: Slot, path: CString, into: Slot },
    /// Makes a detached mount and all mounts below it read-only.
    ReadOnly { mount: Slot },
    /// Attaches a mount on a directory of the machine, which only the sandbox sees, so that parts of it
    /// can be copied.
    AttachAside { mount: Slot, at: CString },
    /// Attaches a mount inside the root.
    Attach { mount: Slot, place: Place },
    /// Attaches the root on `at`, makes it the root and detaches the machine's.
    Pivot { root: Slot, at: CString },
    /// Makes the root mount read-only, not the mounts on it.
    ReadOnlyRoot { root: Slot },
    /// Writes a file, exclusively created, below a slot.
    WriteFile { below: Slot, name: CString, content: Vec<u8>, mode: u32, uid: u32, gid: u32 },
    /// Makes a directory below a slot.
    Directory { below: Slot, name: CString, mode: u32 },
    /// Makes a symbolic link below a slot.
    Link { below: Slot, name: CString, target: CString },
    /// Hides a file behind `/dev/null`, a directory behind an empty one; nothing where it is missing.
    Mask { place: Place, null: Slot, empty: Slot },
    /// Makes a directory below a mount read-only; nothing where it is missing.
    ReadOnlyBelow { place: Place },
    /// Opens a pseudo terminal, hands its master to galley and makes its slave the standard streams and
    /// `console` in `/dev`.
    Terminal { pts: Slot, dev: Slot, owner: u32, rows: u16, columns: u16 },
    /// Gives the pipes on standard output and error to the user, so that `/dev/stdout` can be opened.
    OwnStreams { uid: u32 },
    /// Closes every descriptor of the set-up, so that no path of the image (`/proc/self/fd/N`) leads to one.
    Forget,
    /// Enters the working directory, which has to be inside the root.
    WorkingDirectory(CString),
    /// A session of its own; with `terminal`, standard input becomes its controlling terminal.
    Session { terminal: bool },
    /// Every signal does what it does by default, and none is blocked.
    ResetSignals,
    /// Dies with galley's spawner thread.
    DeathSignal,
    /// Leaves only these capabilities (bit n for capability n) in the bounding set, none ambient.
    Bound { keep: u64 },
    /// `no_new_privs`.
    NoNewPrivileges,
    /// From here on the system call filter holds.
    Seccomp(Filter),
    /// Supplementary groups.
    Groups(Vec<rustix::fs::Gid>),
    /// Real, effective and saved ids.
    Ids { uid: u32, gid: u32 },
    /// Permitted and effective capabilities; none are inheritable.
    Capabilities { keep: u64 },
    /// Becomes the program.
    Execute(Program),
}

/// An overlay to make.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Overlay {
    /// Topmost first.
    pub(crate) lowers: Vec<CString>,
    /// The upper and the work directory; without them it is read-only.
    pub(crate) upper: Option<(CString, CString)>,
    pub(crate) userxattr: bool,
    pub(crate) volatile: bool,
    /// Use mount(2) even where the kernel has the new mount calls; for tests of the old way.
    pub(crate) legacy: bool,
    pub(crate) into: Slot,
}

/// A program and where it may be.
#[derive(Debug)]
pub(crate) struct Program {
    /// As the user wrote it, for messages.
    pub(crate) name: OsString,
    /// Tried one after the other.
    pub(crate) candidates: Vec<CString>,
    pub(crate) argv: StringArray,
    pub(crate) envp: StringArray,
}

impl PartialEq for Program {
    fn eq(&self, other: &Self) -> bool {
        (&self.name, &self.candidates, &self.argv.strings, &self.envp.strings)
            == (&other.name, &other.candidates, &other.argv.strings, &other.envp.strings)
    }
}

impl Eq for Program {}

/// C strings with the NULL-terminated array of pointers to them that `execve` wants.
#[derive(Debug)]
pub(crate) struct StringArray {
    strings: Vec<CString>,
    pointers: Vec<*const libc::c_char>,
}

// SAFETY: the pointers point into `strings`, which the same value owns and never changes.
unsafe impl Send for StringArray {}
// SAFETY: as above; nothing is ever written through them.
unsafe impl Sync for StringArray {}

impl StringArray {
    pub(crate) fn new(strings: Vec<CString>) -> Self {
        // The bytes of a CString are on the heap and do not move when the Vec does.
        let mut pointers: Vec<_> = strings.iter().map(|string| string.as_ptr()).collect();
        pointers.push(std::ptr::null());
        Self { strings, pointers }
    }

    /// Valid as long as `self` is.
    pub(crate) fn as_ptr(&self) -> *const *const libc::c_char {
        self.pointers.as_ptr()
    }
}
