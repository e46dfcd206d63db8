//! Makes planned stubs on disk: as a layer of their own, or in place and removed again.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Gid, Mode, OFlags, ResolveFlags, Timespec, Timestamps, Uid, XattrFlags};

use super::{Stub, StubAncestor, StubError, StubKind, StubPlan};

impl StubPlan {
    /// Makes the stubs in `layer`, an existing empty directory that then is the topmost lower directory
    /// of the step's overlay. Each existing ancestor appears in it with the image's metadata.
    ///
    /// # Errors
    /// [`StubError::Io`].
    pub fn create_layer(&self, layer: &Path) -> Result<(), StubError> {
        for directory in self.ancestors.keys() {
            if directory.parent().is_some() {
                make(layer, directory, StubKind::Directory)?;
            }
        }
        for stub in &self.stubs {
            make(layer, &stub.path, stub.kind)?;
        }
        // Children before parents: whatever happens in a directory changes its mtime.
        for (directory, metadata) in self.ancestors.iter().rev() {
            let place = place_of(layer, directory);
            let fail = io_error("copy the metadata of the directory above", directory, layer);
            copy_metadata(&place, metadata).map_err(fail)?;
        }
        Ok(())
    }

    /// Makes the stubs inside `root` itself, a snapshot that the step changes in place.
    ///
    /// # Errors
    /// [`StubError::Io`]; what was made before the failure is removed again.
    pub fn create_in_place(&self, root: &Path) -> Result<InPlaceStubs, StubError> {
        let mut made = InPlaceStubs { root: root.into(), stubs: Vec::new(), parents: Vec::new() };
        for stub in &self.stubs {
            if let Err(error) = made.make(stub) {
                // The first failure is the one to report.
                let _ = made.remove();
                return Err(error);
            }
        }
        made.remember_times();
        Ok(made)
    }
}

/// Stubs that stand in a step's root until [`InPlaceStubs::remove`].
#[derive(Debug)]
#[must_use = "the stubs stay in the root until they are removed"]
pub struct InPlaceStubs {
    root: PathBuf,
    /// Parents before children.
    stubs: Vec<Stub>,
    /// Existing directories that a stub was made in.
    parents: Vec<Parent>,
}

#[derive(Debug)]
struct Parent {
    path: PathBuf,
    /// Before the stub was made.
    original: Timespec,
    /// Right after all stubs were made: another value at the end means that the step changed it too.
    with_stubs: Option<Timespec>,
}

impl InPlaceStubs {
    /// Removes the stubs that are still empty; says which ones the step has filled, and thereby kept.
    ///
    /// A directory that a stub was made in gets back the mtime it had, unless the step itself changed the
    /// directory.
    ///
    /// # Errors
    /// [`StubError::Io`].
    pub fn remove(self) -> Result<Vec<Stub>, StubError> {
        let before: Vec<_> = self.parents.iter().map(|parent| mtime(&self.root, &parent.path).ok()).collect();
        let mut kept = Vec::new();
        for stub in self.stubs.iter().rev() {
            match self.remove_one(stub) {
                Ok(true) => {}
                Ok(false) => kept.push(stub.clone()),
                Err(source) => return Err(io_error("remove", &stub.path, &self.root)(source)),
            }
        }
        for (parent, now) in self.parents.iter().zip(before) {
            // Gone, or no directory any more: the step's own doing.
            let Some(now) = now else { continue };
            let time = if Some(now) == parent.with_stubs { parent.original } else { now };
            let restored = set_mtime(&self.root, &parent.path, time);
            restored.map_err(io_error(
                "restore the time of the directory above",
                &parent.path,
                &self.root,
            ))?;
        }
        kept.reverse();
        Ok(kept)
    }

    fn make(&mut self, stub: &Stub) -> Result<(), StubError> {
        let fail = || io_error("make", &stub.path, &self.root);
        let parent = stub.path.parent().unwrap_or(Path::new("/"));
        let is_ours = self.stubs.iter().any(|made| made.path == parent);
        if !is_ours && !self.parents.iter().any(|known| known.path == parent) {
            let original = mtime(&self.root, parent).map_err(fail())?;
            self.parents.push(Parent { path: parent.into(), original, with_stubs: None });
        }
        make(&self.root, &stub.path, stub.kind)?;
        self.stubs.push(stub.clone());
        Ok(())
    }

    fn remember_times(&mut self) {
        for parent in &mut self.parents {
            parent.with_stubs = mtime(&self.root, &parent.path).ok();
        }
    }

    /// Whether the stub is gone now.
    fn remove_one(&self, stub: &Stub) -> io::Result<bool> {
        use rustix::io::Errno;
        let (Some(parent), Some(name)) = (stub.path.parent(), stub.path.file_name()) else {
            return Ok(false);
        };
        let parent = match open_inside(&self.root, parent) {
            Ok(parent) => parent,
            // The step has put something else there: nothing of ours is left.
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(true),
            Err(error) => return Err(error.into()),
        };
        let removed = match stub.kind {
            StubKind::Directory => rustix::fs::unlinkat(&parent, name, AtFlags::REMOVEDIR),
            StubKind::File if is_empty_file(&parent, name) => {
                rustix::fs::unlinkat(&parent, name, AtFlags::empty())
            }
            StubKind::File => return Ok(false),
        };
        match removed {
            Ok(()) | Err(Errno::NOENT) => Ok(true),
            Err(Errno::NOTEMPTY | Errno::EXIST | Errno::NOTDIR | Errno::ISDIR) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

fn is_empty_file(parent: &OwnedFd, name: &OsStr) -> bool {
    rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW).is_ok_and(|stat| {
        rustix::fs::FileType::from_raw_mode(stat.st_mode) == rustix::fs::FileType::RegularFile
            && stat.st_size == 0
    })
}

/// Opens a directory inside the root without following any link: the step may have left some.
fn open_inside(root: &Path, path: &Path) -> rustix::io::Result<OwnedFd> {
    let root = rustix::fs::openat(CWD, root, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
    let relative = path.strip_prefix("/").unwrap_or(path);
    if relative.as_os_str().is_empty() {
        return Ok(root);
    }
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    rustix::fs::openat2(&root, relative, flags, Mode::empty(), resolve)
}

fn mtime(root: &Path, path: &Path) -> io::Result<Timespec> {
    let stat = rustix::fs::statat(open_inside(root, path)?, "", AtFlags::EMPTY_PATH)?;
    Ok(Timespec { tv_sec: stat.st_mtime, tv_nsec: stat.st_mtime_nsec.cast_signed() })
}

fn set_mtime(root: &Path, path: &Path, mtime: Timespec) -> io::Result<()> {
    let directory = open_inside(root, path)?;
    // `.` of an O_PATH descriptor: futimens wants a descriptor opened for reading.
    Ok(rustix::fs::utimensat(&directory, ".", &only_mtime(mtime), AtFlags::SYMLINK_NOFOLLOW)?)
}

fn only_mtime(mtime: Timespec) -> Timestamps {
    let omit = Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_OMIT };
    Timestamps { last_access: omit, last_modification: mtime }
}

fn make(directory: &Path, path: &Path, kind: StubKind) -> Result<(), StubError> {
    let place = place_of(directory, path);
    let made = match kind {
        StubKind::Directory => fs::create_dir(&place).and_then(|()| chmod(&place, 0o755)),
        StubKind::File => fs::File::create_new(&place).and_then(|_| chmod(&place, 0o644)),
    };
    made.map_err(io_error("make", path, directory))
}

fn chmod(place: &Path, mode: u32) -> io::Result<()> {
    Ok(rustix::fs::chmod(place, Mode::from_raw_mode(mode))?)
}

fn copy_metadata(place: &Path, metadata: &StubAncestor) -> io::Result<()> {
    let owner = (Uid::from_raw(metadata.uid), Gid::from_raw(metadata.gid));
    rustix::fs::chown(place, Some(owner.0), Some(owner.1))?;
    // After chown, which clears set-id bits.
    chmod(place, metadata.mode & 0o7777)?;
    for (name, value) in &metadata.xattrs {
        rustix::fs::setxattr(place, name.as_os_str(), value, XattrFlags::empty())?;
    }
    let mtime = Timespec { tv_sec: metadata.mtime.seconds, tv_nsec: metadata.mtime.nanoseconds.into() };
    Ok(rustix::fs::utimensat(CWD, place, &only_mtime(mtime), AtFlags::SYMLINK_NOFOLLOW)?)
}

fn place_of(directory: &Path, path: &Path) -> PathBuf {
    directory.join(path.strip_prefix("/").unwrap_or(path))
}

fn io_error<'a>(
    action: &'static str,
    path: &'a Path,
    directory: &'a Path,
) -> impl FnOnce(io::Error) -> StubError + use<'a> {
    move |source| StubError::Io { action, path: path.into(), directory: directory.into(), source }
}
