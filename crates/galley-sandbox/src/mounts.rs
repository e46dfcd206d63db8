//! Executes the mount operations of a script, in the child. Async-signal-safe throughout.

use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, CWD, FileType, Gid, Mode, OFlags, ResolveFlags, Uid};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, OpenTreeFlags, UnmountFlags, fsconfig_create,
    fsconfig_set_flag, fsconfig_set_string, fsmount, fsopen, move_mount, open_tree, unmount,
};

use crate::script::{Place, Slot, Slots};
use crate::sys;

type Result<T> = std::result::Result<T, Errno>;

const READ_ONLY: u64 = libc::MOUNT_ATTR_RDONLY;
const INERT: u64 = libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV | libc::MOUNT_ATTR_NOEXEC;

pub(crate) fn get(slots: &Slots, slot: Slot) -> Result<BorrowedFd<'_>> {
    slots.get(slot.0).and_then(Option::as_ref).map(AsFd::as_fd).ok_or(Errno::BADF)
}

pub(crate) fn set(slots: &mut Slots, slot: Slot, descriptor: OwnedFd) -> Result<()> {
    *slots.get_mut(slot.0).ok_or(Errno::BADF)? = Some(descriptor);
    Ok(())
}

pub(crate) fn filesystem(
    name: &CStr,
    options: &[(&'static CStr, std::ffi::CString)],
    optional_flag: Option<&CStr>,
    attributes: MountAttrFlags,
) -> Result<OwnedFd> {
    let context = fsopen(name, FsOpenFlags::FSOPEN_CLOEXEC)?;
    for (key, value) in options {
        fsconfig_set_string(&context, *key, value.as_c_str())?;
    }
    if let Some(flag) = optional_flag {
        // Older kernels and user namespaces refuse it, at no harm.
        let _ = fsconfig_set_flag(&context, flag);
    }
    fsconfig_create(&context)?;
    fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, attributes)
}

/// A fresh sysfs shows the devices of the own network namespace, which its owner alone may mount; the
/// machine's `/sys` is what is left otherwise.
pub(crate) fn sysfs() -> Result<OwnedFd> {
    let attributes = MountAttrFlags::MOUNT_ATTR_RDONLY
        | MountAttrFlags::MOUNT_ATTR_NOSUID
        | MountAttrFlags::MOUNT_ATTR_NODEV
        | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    match filesystem(c"sysfs", &[], None, attributes) {
        Err(Errno::PERM | Errno::ACCESS) => {
            let tree = clone_tree(c"/sys", c"", true)?;
            sys::add_mount_attributes(tree.as_fd(), c"", READ_ONLY | INERT, true)?;
            Ok(tree)
        }
        result => result,
    }
}

/// A detached copy of what is mounted at `subpath` below `source`, without the use of device nodes.
pub(crate) fn clone_tree(source: &CStr, subpath: &CStr, recursive: bool) -> Result<OwnedFd> {
    let mut tree = rustix::fs::openat(CWD, source, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
    if !subpath.is_empty() {
        tree = open_below(tree.as_fd(), subpath, true)?;
    }
    let tree = clone_of(tree.as_fd(), recursive)?;
    sys::add_mount_attributes(tree.as_fd(), c"", libc::MOUNT_ATTR_NODEV, recursive)?;
    Ok(tree)
}

/// A detached copy of one device node.
pub(crate) fn clone_device(source: &CStr) -> Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let device = rustix::fs::openat(CWD, source, flags, Mode::empty())?;
    let stat = rustix::fs::statat(&device, c"", AtFlags::EMPTY_PATH)?;
    // A directory or link in its place would bring in whatever lies behind it.
    if FileType::from_raw_mode(stat.st_mode) != FileType::CharacterDevice {
        return Err(Errno::NODEV);
    }
    clone_of(device.as_fd(), false)
}

pub(crate) fn clone_below(slots: &Slots, of: Slot, path: &CStr) -> Result<OwnedFd> {
    let below = open_below(get(slots, of)?, path, true)?;
    clone_of(below.as_fd(), false)
}

fn clone_of(tree: BorrowedFd<'_>, recursive: bool) -> Result<OwnedFd> {
    let recursive = if recursive { OpenTreeFlags::AT_RECURSIVE } else { OpenTreeFlags::empty() };
    let flags =
        OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_EMPTY_PATH;
    open_tree(tree, c"", flags | recursive)
}

/// Opens a path with `base` as the root of all its links, whatever they say.
fn open_below(base: BorrowedFd<'_>, path: &CStr, follow: bool) -> Result<OwnedFd> {
    let nofollow = if follow { OFlags::empty() } else { OFlags::NOFOLLOW };
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    let flags = OFlags::PATH | OFlags::CLOEXEC | nofollow;
    retry(|| rustix::fs::openat2(base, path, flags, Mode::empty(), resolve))
}

/// openat2 answers EAGAIN when something on the machine was renamed or mounted meanwhile.
fn retry<T>(mut attempt: impl FnMut() -> Result<T>) -> Result<T> {
    for _ in 0..100 {
        match attempt() {
            Err(Errno::AGAIN) => {}
            result => return result,
        }
    }
    attempt()
}

fn open_place(slots: &Slots, place: &Place, follow: bool) -> Result<OwnedFd> {
    match place.base {
        Some(base) => open_below(get(slots, base)?, &place.path, follow),
        None => {
            let root = rustix::fs::openat(CWD, c"/", OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
            open_below(root.as_fd(), &place.path, follow)
        }
    }
}

fn move_onto(mount: BorrowedFd<'_>, target: BorrowedFd<'_>) -> Result<()> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    move_mount(mount, c"", target, c"", flags)
}

pub(crate) fn read_only(slots: &Slots, mount: Slot, recursive: bool) -> Result<()> {
    sys::add_mount_attributes(get(slots, mount)?, c"", READ_ONLY, recursive)
}

pub(crate) fn attach_aside(slots: &Slots, mount: Slot, at: &CStr) -> Result<()> {
    move_mount(get(slots, mount)?, c"", CWD, at, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)
}

pub(crate) fn attach(slots: &Slots, mount: Slot, place: &Place) -> Result<()> {
    let target = open_place(slots, place, true)?;
    move_onto(get(slots, mount)?, target.as_fd())
}

/// After this the machine's file system is out of reach, except through what was copied before.
pub(crate) fn pivot(slots: &Slots, root: Slot, at: &CStr) -> Result<()> {
    attach_aside(slots, root, at)?;
    rustix::process::fchdir(get(slots, root)?)?;
    // Puts the old root on top of the new one, see pivot_root(2), from where it is detached.
    rustix::process::pivot_root(c".", c".")?;
    unmount(c".", UnmountFlags::DETACH)?;
    rustix::process::chdir(c"/")
}

pub(crate) fn write_file(
    below: BorrowedFd<'_>,
    name: &CStr,
    content: &[u8],
    mode: u32,
    owner: (u32, u32),
) -> Result<()> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let file = rustix::fs::openat(below, name, flags, Mode::RUSR | Mode::WUSR)?;
    let mut rest = content;
    while !rest.is_empty() {
        let written = rustix::io::retry_on_intr(|| rustix::io::write(&file, rest))?;
        rest = rest.get(written..).unwrap_or_default();
    }
    rustix::fs::fchown(&file, Some(Uid::from_raw(owner.0)), Some(Gid::from_raw(owner.1)))?;
    rustix::fs::fchmod(&file, Mode::from_raw_mode(mode))
}

/// Missing paths need no mask: which ones there are depends on the kernel.
pub(crate) fn mask(slots: &mut Slots, place: &Place, null: Slot, empty: Slot) -> Result<()> {
    let target = match open_place(slots, place, false) {
        Err(Errno::NOENT) => return Ok(()),
        result => result?,
    };
    let stat = rustix::fs::statat(&target, c"", AtFlags::EMPTY_PATH)?;
    let cover = if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
        clone_below(slots, null, c"null")?
    } else if let Ok(first) = get(slots, empty) {
        clone_of(first, false)?
    } else {
        let attributes = MountAttrFlags::from_bits_retain((READ_ONLY | INERT) as u32);
        let first = filesystem(c"tmpfs", &[], None, attributes)?;
        move_onto(first.as_fd(), target.as_fd())?;
        return set(slots, empty, first);
    };
    move_onto(cover.as_fd(), target.as_fd())
}

pub(crate) fn read_only_below(slots: &Slots, place: &Place) -> Result<()> {
    let target = match open_place(slots, place, false) {
        Err(Errno::NOENT) => return Ok(()),
        result => result?,
    };
    let tree = clone_of(target.as_fd(), true)?;
    sys::add_mount_attributes(tree.as_fd(), c"", READ_ONLY | INERT, true)?;
    move_onto(tree.as_fd(), target.as_fd())
}
