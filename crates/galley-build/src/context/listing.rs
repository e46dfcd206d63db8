//! One directory of a context: its names, what statx(2) says of each, link targets and extended attributes.

use std::ffi::{CStr, CString};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use galley_image::{Entry, FileContent, Kind, Mtime, TreePath, Xattrs};
use galley_store::{StatCache, StatKey};
use galley_syntax::ignore::{DirectoryState, IgnoreFile};
use rustix::fs::{AtFlags, FileType, Statx, StatxFlags, makedev};
use rustix::io::Errno;

use super::ContextError;

/// `PATH_MAX` of Linux, in bytes (path_resolution(7)).
const LONGEST_PATH: usize = 4096;

/// What every directory of one scan is read with.
pub(super) struct Reading<'s> {
    pub root: &'s Path,
    pub patterns: &'s IgnoreFile,
    pub cache: Option<&'s StatCache>,
    /// The root's device: elsewhere digests are not remembered, since nothing is known of that file system.
    pub device: u64,
    /// Set once the file system said that it has no extended attributes.
    pub without_xattrs: &'s AtomicBool,
}

/// One entry of a directory.
pub(super) struct Found {
    pub path: TreePath,
    pub entry: Entry,
    /// Device and inode of a file with more than one name.
    pub inode: Option<(u64, u64)>,
    /// For a directory: what the ignore file says of it.
    pub below: Option<DirectoryState>,
    /// Left out by the ignore file; listed only because something below it may be taken back in.
    pub excluded: bool,
}

/// The entries of one directory, by name, and what to warn of.
#[derive(Default)]
pub(super) struct Listing {
    pub found: Vec<Found>,
    pub warnings: Vec<String>,
}

impl Reading<'_> {
    /// Lists the open directory `directory`, whose path in the context is `path` and whose state is `state`.
    pub fn list(
        &self,
        directory: &OwnedFd,
        path: &TreePath,
        state: &DirectoryState,
    ) -> Result<Listing, ContextError> {
        let mut names = self.names(directory, path)?;
        names.sort_unstable();
        let mut listing = Listing::default();
        listing.found.reserve(names.len());
        for name in &names {
            let child = path.join(name.to_bytes());
            let excluded = self.patterns.excluded_in(state, child.as_bytes()).is_some();
            if !excluded {
                self.refuse_long(&child)?;
            }
            let stat = match self.stat(directory, name) {
                Ok(stat) => stat,
                // Gone since it was listed: then it is not part of the context.
                Err(Errno::NOENT) => continue,
                Err(error) => return Err(self.failed("look at", &child, error)),
            };
            let kind = FileType::from_raw_mode(u32::from(stat.stx_mode));
            if kind == FileType::Directory {
                let below = self.patterns.enter(state, child.as_bytes());
                if excluded && !self.patterns.may_contain_included(&below, child.as_bytes()) {
                    continue;
                }
                let entry = self.entry(&child, &stat, Kind::Directory)?;
                listing.found.push(Found { path: child, entry, inode: None, below: Some(below), excluded });
            } else if !excluded {
                self.leaf(directory, name, child, &stat, kind, &mut listing)?;
            }
        }
        Ok(listing)
    }

    /// Refuses what cannot be opened by its path.
    fn refuse_long(&self, path: &TreePath) -> Result<(), ContextError> {
        // With a slash between them and a NUL behind.
        let length = self.root.as_os_str().len() + path.as_bytes().len() + 2;
        if length <= LONGEST_PATH {
            return Ok(());
        }
        Err(ContextError::TooDeep { path: super::on_disk(self.root, path) })
    }

    fn leaf(
        &self,
        directory: &OwnedFd,
        name: &CStr,
        path: TreePath,
        stat: &Statx,
        kind: FileType,
        listing: &mut Listing,
    ) -> Result<(), ContextError> {
        let (major, minor) = (stat.stx_rdev_major, stat.stx_rdev_minor);
        let kind = match kind {
            FileType::RegularFile => {
                Kind::File(FileContent { size: stat.stx_size, digest: None, link_group: None })
            }
            FileType::Symlink => match rustix::fs::readlinkat(directory, name, Vec::new()) {
                Ok(target) => Kind::Symlink(target.to_bytes().into()),
                Err(Errno::NOENT | Errno::INVAL) => return Ok(()),
                Err(error) => return Err(self.failed("read the link", &path, error)),
            },
            FileType::CharacterDevice => Kind::CharDevice { major, minor },
            FileType::BlockDevice => Kind::BlockDevice { major, minor },
            FileType::Fifo => Kind::Fifo,
            _ => {
                listing.warnings.push(format!("{path:?} is a socket and is left out of the build context"));
                return Ok(());
            }
        };
        let entry = self.entry(&path, stat, kind)?;
        let is_linked = stat.stx_nlink > 1 && entry.file().is_some();
        let inode = is_linked.then(|| (device(stat), stat.stx_ino));
        listing.found.push(Found { path, entry, inode, below: None, excluded: false });
        Ok(())
    }

    fn entry(&self, path: &TreePath, stat: &Statx, mut kind: Kind) -> Result<Entry, ContextError> {
        let mut known = false;
        if let Kind::File(content) = &mut kind {
            content.digest =
                self.cache.filter(|_| device(stat) == self.device).and_then(|c| c.get(path, &key(stat)));
            known = content.digest.is_some();
        }
        // Digests of files with attributes are not remembered, and a change of attributes changes the ctime.
        let may_have_xattrs = !known && matches!(kind, Kind::File(_) | Kind::Directory);
        let xattrs = if may_have_xattrs { self.xattrs(path)? } else { Xattrs::new() };
        let mode = if matches!(kind, Kind::Symlink(_)) { 0o777 } else { u32::from(stat.stx_mode) & 0o7777 };
        let mtime = Mtime { seconds: stat.stx_mtime.tv_sec, nanoseconds: stat.stx_mtime.tv_nsec };
        Ok(Entry { kind, mode, uid: 0, gid: 0, mtime, xattrs })
    }

    fn names(&self, directory: &OwnedFd, path: &TreePath) -> Result<Vec<CString>, ContextError> {
        let failed = |error| self.failed("read the directory", path, error);
        let mut buffer = Vec::with_capacity(64 << 10);
        let mut entries = rustix::fs::RawDir::new(directory, buffer.spare_capacity_mut());
        let mut names = Vec::new();
        while let Some(entry) = entries.next() {
            let entry = entry.map_err(failed)?;
            if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
                names.push(entry.file_name().to_owned());
            }
        }
        Ok(names)
    }

    fn stat(&self, directory: &OwnedFd, name: &CStr) -> Result<Statx, Errno> {
        let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT;
        rustix::fs::statx(directory, name, flags, StatxFlags::BASIC_STATS)
    }

    fn xattrs(&self, path: &TreePath) -> Result<Xattrs, ContextError> {
        if self.without_xattrs.load(Ordering::Relaxed) {
            return Ok(Xattrs::new());
        }
        let on_disk = super::on_disk(self.root, path);
        match read_xattrs(&on_disk) {
            Ok(xattrs) => Ok(xattrs),
            Err(Errno::NOENT) => Ok(Xattrs::new()),
            Err(Errno::NOTSUP | Errno::NOSYS) => {
                self.without_xattrs.store(true, Ordering::Relaxed);
                Ok(Xattrs::new())
            }
            Err(error) => Err(self.failed("read the extended attributes of", path, error)),
        }
    }

    fn failed(&self, action: &'static str, path: &TreePath, error: Errno) -> ContextError {
        ContextError::Io { action, path: super::on_disk(self.root, path), source: error.into() }
    }
}

/// What tells that a file did not change.
pub(super) fn key(stat: &Statx) -> StatKey {
    let nanoseconds = |seconds: i64, rest: u32| i128::from(seconds) * 1_000_000_000 + i128::from(rest);
    StatKey {
        device: device(stat),
        inode: stat.stx_ino,
        size: stat.stx_size,
        mtime: nanoseconds(stat.stx_mtime.tv_sec, stat.stx_mtime.tv_nsec),
        ctime: nanoseconds(stat.stx_ctime.tv_sec, stat.stx_ctime.tv_nsec),
        mode: u32::from(stat.stx_mode),
    }
}

/// The device that a file is on.
pub(super) fn device(stat: &Statx) -> u64 {
    makedev(stat.stx_dev_major, stat.stx_dev_minor)
}

/// The extended attributes that galley keeps, of the file at `path`; links are not followed.
pub(super) fn read_xattrs(path: &Path) -> Result<Xattrs, Errno> {
    const LARGEST: usize = 64 << 10;
    let mut small = [0; 256];
    let mut large = Vec::new();
    let names = match rustix::fs::llistxattr(path, &mut small[..]) {
        Ok(length) => small.get(..length).unwrap_or_default(),
        Err(Errno::RANGE) => {
            large.resize(LARGEST, 0);
            let length = rustix::fs::llistxattr(path, &mut large[..])?;
            large.get(..length).unwrap_or_default()
        }
        Err(error) => return Err(error),
    };
    let mut xattrs = Xattrs::new();
    for name in names.split(|byte| *byte == 0).filter(|name| Entry::keeps_xattr(name)) {
        let mut value = vec![0; LARGEST];
        let Ok(c_name) = CString::new(name) else { continue };
        match rustix::fs::lgetxattr(path, &c_name, &mut value[..]) {
            Ok(length) => {
                value.truncate(length);
                xattrs.insert(name.into(), value.into());
            }
            Err(Errno::NODATA) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(xattrs)
}
