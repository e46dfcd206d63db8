//! Galley runs steps from an executable that none of them can write.
//!
//! Until it executes the image's program, a step's process is a copy of galley. An image whose program is a script with the interpreter
//! `/proc/self/exe` makes the kernel open galley's own file for it there; a program that holds it so can wait for a moment at which the file
//! may be written, and change what the machine executes next (CVE-2019-5736). So galley becomes itself once more from a private read-only
//! mount of its file, which is attached nowhere: whoever comes by the file through a process comes by that mount.

use std::ffi::{CStr, CString, OsString};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use rustix::fs::{AtFlags, CWD, StatVfsMountFlags};
use rustix::io::{Errno, Result};
use rustix::mount::{OpenTreeFlags, open_tree};

use crate::script::StringArray;
use crate::sys;
use crate::userns::Reexec;

const EXECUTABLE: &CStr = c"/proc/self/exe";

/// Executes galley again from a sealed executable; returns where it runs from one already, and where the kernel does not allow it: there
/// it allows no sandbox either, which says so in its own words.
///
/// Call it before any other thread is started and before anything was read or written.
pub fn run_sealed(how: &Reexec) {
    if is_sealed() {
        return;
    }
    let variable = |(name, value): &(OsString, OsString)| {
        CString::new([name.as_bytes(), b"=", value.as_bytes()].concat()).ok()
    };
    let args = how.args.iter().map(|arg| CString::new(arg.clone().into_vec()).ok()).collect::<Option<_>>();
    let env = how.env.iter().map(variable).collect::<Option<_>>();
    // What the kernel has handed over has no NUL bytes in it.
    let (Some(args), Some(env), Some(path)) = (args, env, path()) else { return };
    let (argv, envp) = (StringArray::new(args), StringArray::new(env));
    if let Ok(executable) = executable(&path) {
        // SAFETY: both arrays are NULL-terminated and live on.
        let _ = unsafe { sys::execute_descriptor(executable.as_fd(), argv.as_ptr(), envp.as_ptr()) };
    }
}

/// The path of galley's file, for [`executable`].
pub(crate) fn path() -> Option<CString> {
    CString::new(std::fs::read_link(EXECUTABLE.to_str().ok()?).ok()?.into_os_string().into_vec()).ok()
}

/// A read-only mount of galley's file, found by its path since a mount of another namespace cannot be copied; async-signal-safe.
pub(crate) fn executable(path: &CStr) -> Result<OwnedFd> {
    let tree = open_tree(CWD, path, OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC)?;
    sys::add_mount_attributes(tree.as_fd(), c"", libc::MOUNT_ATTR_RDONLY | libc::MOUNT_ATTR_NODEV, false)?;
    let (sealed, running) =
        (rustix::fs::statat(&tree, c"", AtFlags::EMPTY_PATH)?, rustix::fs::stat(EXECUTABLE)?);
    // It may have been replaced since galley was started.
    if (sealed.st_dev, sealed.st_ino) == (running.st_dev, running.st_ino) {
        Ok(tree)
    } else {
        Err(Errno::STALE)
    }
}

fn is_sealed() -> bool {
    rustix::fs::statvfs(EXECUTABLE).is_ok_and(|found| found.f_flag.contains(StatVfsMountFlags::RDONLY))
}
