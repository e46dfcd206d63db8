//! A tar on standard input as a build context: unpacked into a directory that belongs to the build alone.
//!
//! The archive may come from anywhere. Each name is resolved by the kernel with the directory as its root
//! (`RESOLVE_IN_ROOT`, openat2(2)), so links in the archive lead nowhere else, and its last component is never followed.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use galley_image::layer_tar::{self, LayerSink, Whiteouts};
use galley_image::{Entry, Kind, Mtime, TreePath};
use galley_store::Decompressed;
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, ResolveFlags, Timespec, Timestamps};
use rustix::io::Errno;

/// Why a tar cannot become a build context.
#[derive(Debug, thiserror::Error)]
pub enum TarContextError {
    /// The bytes cannot be read or decompressed.
    #[error("the build context on standard input cannot be read: {0}")]
    Read(#[source] io::Error),
    /// The archive is damaged or hostile.
    #[error("the build context on standard input is not an archive that galley takes in: {0}")]
    Archive(layer_tar::ArchiveError),
    /// The store's disk is full.
    #[error(
        "no space left in the store for the build context on standard input, at {path:?}: free some with `galley prune`, \
         or choose another disk with `--store`"
    )]
    NoSpace {
        /// The entry.
        path: TreePath,
    },
    /// An entry cannot be written.
    #[error("cannot unpack {path:?} of the build context into {}: {source}", directory.display())]
    Write {
        /// The entry.
        path: TreePath,
        /// Where to.
        directory: PathBuf,
        /// The kernel's answer.
        source: io::Error,
    },
}

/// Unpacks the tar in `reader`, compressed or not, into the existing, empty directory `directory`. Owners are not kept, since
/// a context has none; devices are left out. Returns what the user should be warned of.
///
/// # Errors
/// [`TarContextError`]. What was unpacked by then stays: the caller removes the directory.
pub fn unpack_tar(reader: Box<dyn Read + '_>, directory: &Path) -> Result<Vec<String>, TarContextError> {
    let mut reader = Decompressed::open(reader).map_err(TarContextError::Read)?;
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = rustix::fs::open(directory, flags, Mode::empty()).map_err(|error| TarContextError::Write {
        path: TreePath::root(),
        directory: directory.into(),
        source: error.into(),
    })?;
    let mut sink = Unpack { root, directory, directories: Vec::new(), warnings: Vec::new() };
    match layer_tar::read(&mut reader, Whiteouts::Literal, &mut sink) {
        Ok(_) => sink.finish(),
        Err(layer_tar::ReadError::Sink(error)) => Err(error),
        Err(layer_tar::ReadError::Archive(error)) => Err(TarContextError::Archive(error)),
    }
}

struct Unpack<'d> {
    root: OwnedFd,
    directory: &'d Path,
    /// Their modes and times are set last: what is made inside changes the time, and a mode may forbid making it.
    directories: Vec<(TreePath, u32, Mtime)>,
    warnings: Vec<String>,
}

impl LayerSink for Unpack<'_> {
    type Error = TarContextError;

    fn put(&mut self, path: TreePath, entry: Entry, content: &mut dyn Read) -> Result<(), TarContextError> {
        if matches!(entry.kind, Kind::CharDevice { .. } | Kind::BlockDevice { .. }) {
            self.warnings.push(format!("{path:?} is a device and is left out of the build context"));
            return Ok(());
        }
        let made = if path.is_root() { Ok(()) } else { self.make(&path, &entry, content) };
        made.map_err(|source| self.failed(&path, source))?;
        if entry.is_directory() {
            self.directories.push((path, entry.mode, entry.mtime));
        }
        Ok(())
    }

    fn hard_link(&mut self, path: TreePath, target: TreePath) -> Result<(), TarContextError> {
        let link = || {
            let (parent, name) = self.parent(&path)?;
            let (target_parent, target_name) = self.parent(&target)?;
            remove(parent.as_fd(), name)?;
            Ok(rustix::fs::linkat(&target_parent, target_name, &parent, name, AtFlags::empty())?)
        };
        link().map_err(|source| self.failed(&path, source))
    }

    // Whiteouts::Literal gives neither of these.
    fn whiteout(&mut self, path: TreePath) -> Result<(), TarContextError> {
        Err(self.failed(&path, io::ErrorKind::InvalidData.into()))
    }

    fn opaque(&mut self, path: TreePath) -> Result<(), TarContextError> {
        Err(self.failed(&path, io::ErrorKind::InvalidData.into()))
    }
}

impl Unpack<'_> {
    fn failed(&self, path: &TreePath, source: io::Error) -> TarContextError {
        if matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) {
            return TarContextError::NoSpace { path: path.clone() };
        }
        TarContextError::Write { path: path.clone(), directory: self.directory.into(), source }
    }

    fn make(&self, path: &TreePath, entry: &Entry, content: &mut dyn Read) -> io::Result<()> {
        let (parent, name) = self.parent(path)?;
        if entry.is_directory() {
            return match rustix::fs::mkdirat(&parent, name, Mode::RWXU) {
                Err(Errno::EXIST) if is_directory(parent.as_fd(), name) => Ok(()),
                Err(Errno::EXIST) => {
                    remove(parent.as_fd(), name)?;
                    Ok(rustix::fs::mkdirat(&parent, name, Mode::RWXU)?)
                }
                made => Ok(made?),
            };
        }
        remove(parent.as_fd(), name)?;
        match &entry.kind {
            Kind::Symlink(target) => rustix::fs::symlinkat(OsStr::from_bytes(target), &parent, name)?,
            Kind::Fifo => {
                rustix::fs::mknodat(&parent, name, FileType::Fifo, Mode::from_raw_mode(entry.mode), 0)?;
            }
            _ => {
                let flags =
                    OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let file = rustix::fs::openat(&parent, name, flags, Mode::RUSR | Mode::WUSR)?;
                let mut file = File::from(file);
                io::copy(content, &mut file)?;
                for (name, value) in entry.xattrs.iter().filter(|(name, _)| name.starts_with(b"user.")) {
                    match rustix::fs::fsetxattr(&file, &**name, value, rustix::fs::XattrFlags::empty()) {
                        Ok(()) | Err(Errno::NOTSUP) => {}
                        Err(error) => return Err(error.into()),
                    }
                }
                rustix::fs::fchmod(&file, Mode::from_raw_mode(entry.mode))?;
            }
        }
        Ok(rustix::fs::utimensat(&parent, name, &times(entry.mtime), AtFlags::SYMLINK_NOFOLLOW)?)
    }

    /// The directory that holds `path`, made where it is missing, and the last component.
    fn parent<'p>(&self, path: &'p TreePath) -> io::Result<(OwnedFd, &'p OsStr)> {
        let parent = path.parent().unwrap_or_default();
        let name = path.name().ok_or(io::ErrorKind::InvalidInput)?;
        let parent = match self.open(&parent) {
            Err(Errno::NOENT) => {
                for directory in parent.ancestors().skip(1).chain([parent.clone()]) {
                    if matches!(self.open(&directory), Err(Errno::NOENT)) {
                        let above = self.open(&directory.parent().unwrap_or_default())?;
                        let name = OsStr::from_bytes(directory.name().unwrap_or_default());
                        rustix::fs::mkdirat(above, name, Mode::from_raw_mode(0o755))?;
                    }
                }
                self.open(&parent)?
            }
            opened => opened?,
        };
        Ok((parent, OsStr::from_bytes(name)))
    }

    fn open(&self, directory: &TreePath) -> Result<OwnedFd, Errno> {
        let name = if directory.is_root() { b"." } else { directory.as_bytes() };
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        rustix::fs::openat2(&self.root, OsStr::from_bytes(name), flags, Mode::empty(), ResolveFlags::IN_ROOT)
    }

    fn finish(self) -> Result<Vec<String>, TarContextError> {
        for (path, mode, mtime) in self.directories.iter().rev() {
            let set = || {
                let directory = match self.open(path) {
                    // Replaced by something else later in the archive.
                    Err(Errno::NOENT | Errno::NOTDIR) => return Ok(()),
                    opened => opened?,
                };
                let fd_path = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&directory));
                rustix::fs::chmodat(CWD, fd_path.as_str(), Mode::from_raw_mode(*mode), AtFlags::empty())?;
                Ok(rustix::fs::utimensat(CWD, fd_path.as_str(), &times(*mtime), AtFlags::empty())?)
            };
            set().map_err(|source| self.failed(path, source))?;
        }
        Ok(self.warnings)
    }
}

fn times(mtime: Mtime) -> Timestamps {
    let time = Timespec { tv_sec: mtime.seconds, tv_nsec: mtime.nanoseconds.into() };
    Timestamps { last_access: time, last_modification: time }
}

fn is_directory(parent: BorrowedFd<'_>, name: &OsStr) -> bool {
    rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW)
        .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Directory)
}

/// Removes what an entry replaces; of directories only empty ones.
fn remove(parent: BorrowedFd<'_>, name: &OsStr) -> io::Result<()> {
    match rustix::fs::unlinkat(parent, name, AtFlags::empty()) {
        Err(Errno::NOENT) => Ok(()),
        Err(Errno::ISDIR) => Ok(rustix::fs::unlinkat(parent, name, AtFlags::REMOVEDIR)?),
        removed => Ok(removed?),
    }
}
