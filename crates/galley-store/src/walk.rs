//! Reads a directory tree from disk as entries: what a step left, before it is known what it means.
//!
//! One pass, depth first, each directory's names sorted, so that paths come in tree order. A directory is opened by its
//! path below the root without following links, and closed again before those in it are opened.

use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use galley_image::{Entry, FileContent, Kind, Mtime, TreePath, Xattrs};
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;

use crate::StoreError;

/// Something on disk.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) path: TreePath,
    pub(crate) what: What,
    /// `st_dev` and `st_ino`.
    pub(crate) inode: (u64, u64),
    /// Names of the inode, in and out of the tree.
    pub(crate) names: u64,
    /// Status change time.
    pub(crate) ctime: Mtime,
}

/// What it is.
#[derive(Debug)]
pub(crate) enum What {
    /// A directory, and whether an overlay takes it as opaque; or any other entry.
    Entry(Entry, bool),
    /// A character device 0:0: a deletion, as overlay writes it.
    Whiteout,
    /// A socket, which no image can hold.
    Socket,
}

/// Walks a tree. The root comes first.
pub(crate) fn walk(root: &Path) -> Result<Vec<Found>, StoreError> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let descriptor = rustix::fs::open(root, flags, Mode::empty()).map_err(StoreError::on("open", root))?;
    let stat = rustix::fs::stat(root).map_err(StoreError::on("read", root))?;
    let mut walk = Walk { root, descriptor, found: Vec::new(), names: vec![0; 4096], value: vec![0; 65536] };
    let top = walk.entry(TreePath::root(), &stat)?;
    walk.found.push(top);
    walk.below(TreePath::root())?;
    Ok(walk.found)
}

struct Walk<'a> {
    root: &'a Path,
    descriptor: OwnedFd,
    found: Vec<Found>,
    names: Vec<u8>,
    /// The kernel's limit for an attribute's value is 64 KiB.
    value: Vec<u8>,
}

/// A name in a directory, and what lies there.
type Child = (Box<[u8]>, Stat);

impl Walk<'_> {
    fn on_disk(&self, path: &TreePath) -> PathBuf {
        match path.is_root() {
            true => self.root.into(),
            false => self.root.join(OsStr::from_bytes(path.as_bytes())),
        }
    }

    fn error(&self, path: &TreePath) -> impl FnOnce(Errno) -> StoreError + use<> {
        let (path, root, on_disk) = (path.clone(), self.root.to_path_buf(), self.on_disk(path));
        move |error| match error {
            Errno::NAMETOOLONG => StoreError::path_too_long(&path, &root),
            error => StoreError::io("read", on_disk, error),
        }
    }

    /// Everything below `top`, depth first. No recursion: a step may nest directories as deep as it likes.
    fn below(&mut self, top: TreePath) -> Result<(), StoreError> {
        let mut open = vec![(self.children(&top)?.into_iter(), top)];
        while let Some((children, path)) = open.last_mut() {
            let Some((name, stat)) = children.next() else {
                open.pop();
                continue;
            };
            let child = path.join(&name);
            let found = self.entry(child.clone(), &stat)?;
            let directory = matches!(&found.what, What::Entry(entry, _) if entry.is_directory());
            self.found.push(found);
            if directory {
                open.push((self.children(&child)?.into_iter(), child));
            }
        }
        Ok(())
    }

    fn children(&self, path: &TreePath) -> Result<Vec<Child>, StoreError> {
        let name: &[u8] = if path.is_root() { b"." } else { path.as_bytes() };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        let directory = rustix::fs::openat2(&self.descriptor, name, flags, Mode::empty(), resolve)
            .map_err(self.error(path))?;
        let mut children = Vec::new();
        for entry in Dir::read_from(&directory).map_err(self.error(path))? {
            let entry = entry.map_err(self.error(path))?;
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            let stat = rustix::fs::statat(&directory, name, AtFlags::SYMLINK_NOFOLLOW);
            let stat = stat.map_err(self.error(&path.join(name.to_bytes())))?;
            children.push((name.to_bytes().into(), stat));
        }
        children.sort_by(|(a, _): &(Box<[u8]>, Stat), (b, _)| a.cmp(b));
        Ok(children)
    }

    fn entry(&mut self, path: TreePath, stat: &Stat) -> Result<Found, StoreError> {
        let device = || (rustix::fs::major(stat.st_rdev), rustix::fs::minor(stat.st_rdev));
        let kind = match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => {
                let size = stat.st_size.cast_unsigned();
                Some(Kind::File(FileContent { size, digest: None, link_group: None }))
            }
            FileType::Directory => Some(Kind::Directory),
            FileType::Symlink => {
                let target = rustix::fs::readlinkat(&self.descriptor, path.as_bytes(), Vec::new());
                Some(Kind::Symlink(target.map_err(self.error(&path))?.to_bytes().into()))
            }
            FileType::CharacterDevice if stat.st_rdev == 0 => None,
            FileType::CharacterDevice => Some(Kind::CharDevice { major: device().0, minor: device().1 }),
            FileType::BlockDevice => Some(Kind::BlockDevice { major: device().0, minor: device().1 }),
            FileType::Fifo => Some(Kind::Fifo),
            FileType::Socket | FileType::Unknown => {
                return Ok(found(path, What::Socket, stat));
            }
        };
        let Some(kind) = kind else { return Ok(found(path, What::Whiteout, stat)) };
        let (xattrs, opaque) = match kind {
            Kind::File(_) | Kind::Directory => self.xattrs(&path)?,
            _ => Default::default(),
        };
        let mode = if matches!(kind, Kind::Symlink(_)) { 0o777 } else { stat.st_mode & 0o7777 };
        let mtime = time(stat.st_mtime, stat.st_mtime_nsec);
        let entry = Entry { kind, mode, uid: stat.st_uid, gid: stat.st_gid, mtime, xattrs };
        Ok(found(path, What::Entry(entry, opaque), stat))
    }

    /// The attributes that count, and whether an overlay's own say that the directory is opaque.
    fn xattrs(&mut self, path: &TreePath) -> Result<(Xattrs, bool), StoreError> {
        let on_disk = self.on_disk(path);
        let length = loop {
            match rustix::fs::llistxattr(&on_disk, self.names.as_mut_slice()) {
                Ok(length) => break length,
                Err(Errno::RANGE) => self.names.resize(self.names.len() * 4, 0),
                Err(Errno::OPNOTSUPP) => break 0,
                Err(error) => return Err(self.error(path)(error)),
            }
        };
        let (mut xattrs, mut opaque) = (Xattrs::new(), false);
        let names = self.names.get(..length).unwrap_or_default();
        for name in names.split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
            let overlay = name.strip_prefix(b"trusted.overlay.").or(name.strip_prefix(b"user.overlay."));
            let wanted = overlay == Some(b"opaque") || Entry::keeps_xattr(name);
            if matches!(overlay, Some(b"metacopy" | b"redirect")) {
                let xattr = String::from_utf8_lossy(name).into_owned();
                return Err(StoreError::OverlayFeature { path: path.clone(), xattr });
            }
            if !wanted {
                continue;
            }
            let length = rustix::fs::lgetxattr(&on_disk, name, self.value.as_mut_slice())
                .map_err(StoreError::on("read", &on_disk))?;
            let value = self.value.get(..length).unwrap_or_default();
            match overlay {
                Some(_) => opaque |= value == b"y",
                None => drop(xattrs.insert(name.into(), value.into())),
            }
        }
        Ok((xattrs, opaque))
    }
}

fn found(path: TreePath, what: What, stat: &Stat) -> Found {
    Found {
        path,
        what,
        inode: (stat.st_dev, stat.st_ino),
        names: stat.st_nlink,
        ctime: time(stat.st_ctime, stat.st_ctime_nsec),
    }
}

fn time(seconds: i64, nanoseconds: u64) -> Mtime {
    Mtime { seconds, nanoseconds: u32::try_from(nanoseconds).unwrap_or(0) }
}
