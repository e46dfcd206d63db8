//! Makes an overlay mount, in the child: through the new mount calls, else through mount(2).
//!
//! Directories are handed to the kernel as `/proc/self/fd/N`: fsconfig takes strings of at most 255
//! bytes, mount(2) all options in one page, and overlayfs gives `:`, `,` and `\` meanings of its own.
//! Device nodes in layers are inert (`nodev`): see `dev.rs`.

#![allow(clippy::result_large_err, reason = "the child cannot allocate, so a failure travels by value")]

use std::ffi::CStr;
use std::os::fd::{AsRawFd, OwnedFd};

use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountFlags, OpenTreeFlags, UnmountFlags, fsconfig_create,
    fsconfig_set_flag, fsconfig_set_string, fsmount, fsopen, mount, open_tree, unmount,
};

use crate::report::Failure;
use crate::script::Overlay;

/// Parts of the operation for [`Failure::detail`]; a lower directory is its index plus `LOWER`.
pub(crate) const MOUNT: u32 = 0;
pub(crate) const UPPER: u32 = 1;
pub(crate) const WORK: u32 = 2;
pub(crate) const LOWER: u32 = 3;

/// The most lower directories that overlayfs takes (`OVL_MAX_STACK`).
pub(crate) const MOST_LOWERS: usize = 500;

/// A detached overlay mount.
pub(crate) fn make(overlay: &Overlay) -> Result<OwnedFd, Failure> {
    if overlay.legacy {
        return by_mount(overlay);
    }
    match by_context(overlay) {
        // Linux before 6.7 does not know `lowerdir+`.
        Err(failure) if matches!(failure.errno, Errno::INVAL | Errno::NOSYS) && failure.detail <= LOWER => {
            by_mount(overlay).map_err(|_| failure)
        }
        result => result,
    }
}

fn by_context(overlay: &Overlay) -> Result<OwnedFd, Failure> {
    let context = fsopen(c"overlay", FsOpenFlags::FSOPEN_CLOEXEC)?;
    let result = configure(overlay, &context);
    result.map_err(|failure| with_kernel_text(failure, &context))?;
    Ok(fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::MOUNT_ATTR_NODEV)?)
}

fn configure(overlay: &Overlay, context: &OwnedFd) -> Result<(), Failure> {
    for (lower, index) in overlay.lowers.iter().zip(LOWER..) {
        directory(context, c"lowerdir+", lower).map_err(Failure::at(index))?;
    }
    if let Some((upper, work)) = &overlay.upper {
        directory(context, c"upperdir", upper).map_err(Failure::at(UPPER))?;
        directory(context, c"workdir", work).map_err(Failure::at(WORK))?;
        if overlay.volatile {
            fsconfig_set_flag(context, c"volatile")?;
        }
    }
    if overlay.userxattr {
        // Implies that redirects and metacopy are off.
        fsconfig_set_flag(context, c"userxattr")?;
    } else {
        fsconfig_set_string(context, c"redirect_dir", c"nofollow")?;
        fsconfig_set_string(context, c"metacopy", c"off")?;
    }
    fsconfig_set_string(context, c"index", c"off")?;
    Ok(fsconfig_create(context)?)
}

fn directory(context: &OwnedFd, key: &CStr, path: &CStr) -> Result<(), Errno> {
    let directory = open_directory(path)?;
    let mut name = Text::<32>::default();
    name.push(b"/proc/self/fd/")?;
    name.push_number(directory.as_raw_fd())?;
    fsconfig_set_string(context, key, name.as_c_str()?)
}

fn open_directory(path: &CStr) -> Result<OwnedFd, Errno> {
    rustix::fs::openat(CWD, path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
}

fn by_mount(overlay: &Overlay) -> Result<OwnedFd, Failure> {
    let mut options = Text::<4096>::default();
    let number_of = |path, failure: u32, options: &mut Text<4096>| -> Result<(), Failure> {
        // Has to stay open until the mount; the child closes it with all others later.
        let number = std::os::fd::IntoRawFd::into_raw_fd(open_directory(path).map_err(Failure::at(failure))?);
        options.push(b"/proc/self/fd/").map_err(Failure::at(failure))?;
        options.push_number(number).map_err(Failure::at(failure))
    };
    for (lower, index) in overlay.lowers.iter().zip(LOWER..) {
        options.push(if index == LOWER { b"lowerdir=" } else { b":" })?;
        number_of(lower, index, &mut options)?;
    }
    if let Some((upper, work)) = &overlay.upper {
        options.push(b",upperdir=")?;
        number_of(upper, UPPER, &mut options)?;
        options.push(b",workdir=")?;
        number_of(work, WORK, &mut options)?;
        if overlay.volatile {
            options.push(b",volatile")?;
        }
    }
    options.push(if overlay.userxattr { b",userxattr" } else { b",redirect_dir=nofollow,metacopy=off" })?;
    options.push(b",index=off")?;
    // mount(2) attaches at once: on the lowest lower directory, in the sandbox's namespace only. A copy
    // of the mount is detached again, as the other way gives it.
    let Some(at) = overlay.lowers.last() else { return Err(Errno::INVAL.into()) };
    mount(c"overlay", at.as_c_str(), c"overlay", MountFlags::NODEV, Some(options.as_c_str()?))?;
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    let tree = open_tree(CWD, at.as_c_str(), flags)?;
    unmount(at.as_c_str(), UnmountFlags::DETACH)?;
    Ok(tree)
}

/// Adds what the kernel wrote about the failure: overlayfs explains itself only there.
fn with_kernel_text(mut failure: Failure, context: &OwnedFd) -> Failure {
    // Each read gives one message, the oldest first, with a prefix such as "e ".
    let mut text = failure.text;
    while let Ok(length @ 1..) = rustix::io::read(context, &mut text) {
        failure.text = [0; _];
        for (to, from) in failure.text.iter_mut().zip(text.iter().take(length)) {
            *to = *from;
        }
    }
    failure
}

/// A C string built in place, without allocating.
struct Text<const N: usize> {
    bytes: [u8; N],
    length: usize,
}

impl<const N: usize> Default for Text<N> {
    fn default() -> Self {
        Self { bytes: [0; N], length: 0 }
    }
}

impl<const N: usize> Text<N> {
    /// `E2BIG` when it does not fit with its final NUL.
    fn push(&mut self, bytes: &[u8]) -> Result<(), Errno> {
        let end = self.length + bytes.len();
        match self.bytes.get_mut(self.length..end) {
            Some(place) if end < N => place.copy_from_slice(bytes),
            _ => return Err(Errno::TOOBIG),
        }
        self.length = end;
        Ok(())
    }

    fn push_number(&mut self, number: i32) -> Result<(), Errno> {
        let mut digits = [0_u8; 10];
        let mut rest = number.unsigned_abs();
        let mut used = 0;
        for digit in digits.iter_mut().rev() {
            *digit = b'0' + (rest % 10) as u8;
            rest /= 10;
            used += 1;
            if rest == 0 {
                break;
            }
        }
        self.push(digits.get(digits.len() - used..).unwrap_or_default())
    }

    fn as_c_str(&self) -> Result<&CStr, Errno> {
        CStr::from_bytes_until_nul(&self.bytes).map_err(|_| Errno::TOOBIG)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_built_in_place() {
        let mut text = Text::<16>::default();
        text.push(b"fd/").unwrap();
        text.push_number(0).unwrap();
        text.push_number(i32::MAX).unwrap();
        assert_eq!(text.as_c_str().unwrap(), c"fd/02147483647");
        assert_eq!(text.push(b"ab"), Err(Errno::TOOBIG));
        assert_eq!(text.as_c_str().unwrap(), c"fd/02147483647");
    }
}
