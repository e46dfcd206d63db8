//! One file of a layer: its bytes, by the cheapest way that is right, and its attributes, by the fewest calls.

use std::collections::HashSet;
use std::io::{ErrorKind, Read};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use galley_image::{ContentDigest, Entry, Kind, Mtime, Xattrs};
use rustix::fs::{AtFlags, CWD, Gid, Mode, OFlags, Uid, XattrFlags};
use rustix::io::Errno;

use super::failure::{Failure, target};
use super::source::{Source, SourceKind, open_source};
use super::times_of;
use crate::failpoint::{FailPoint, reached};
use crate::{LayerId, StoreError};

/// Read and written at a time. Large enough for calls not to count, small enough for the processor's cache.
const BUFFER: usize = 256 << 10;

/// Smaller files are copied faster than a reflink is tried.
const SMALLEST_REFLINK: u64 = 64 << 10;

/// What a new file or directory starts out with, so that only what differs is set.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Born {
    uid: u32,
    gid: u32,
    /// Permission bits that this process's umask (or the directory's default ACL) takes away.
    masked: u32,
}

impl Born {
    /// Learns it from a directory that was just made with mode 0777.
    pub(crate) fn probe(directory: &Path) -> Result<Self, StoreError> {
        let stat = rustix::fs::stat(directory).map_err(StoreError::on("read", directory))?;
        if stat.st_mode & 0o7000 != 0 {
            // A set-group-id directory above would hand its group to all that is made in the layer.
            rustix::fs::chmod(directory, Mode::from_raw_mode(stat.st_mode & 0o777))
                .map_err(StoreError::on("change the mode of", directory))?;
        }
        let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
        Ok(Self { uid, gid, masked: !stat.st_mode & 0o777 })
    }

    fn mode(self, wanted: u32) -> u32 {
        wanted & 0o777 & !self.masked
    }

    fn owns(self, uid: u32, gid: u32) -> bool {
        (self.uid, self.gid) == (uid, gid)
    }

    /// Gives a link, node or directory, just made, its owner, mode and time.
    pub(crate) fn set_node(self, parent: &OwnedFd, name: &[u8], entry: &Entry) -> Result<(), Errno> {
        if !self.owns(entry.uid, entry.gid) {
            let (uid, gid) = (Uid::from_raw(entry.uid), Gid::from_raw(entry.gid));
            rustix::fs::chownat(parent, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)?;
        }
        if !matches!(entry.kind, Kind::Symlink(_)) && entry.mode != self.mode(entry.mode) {
            let mode = Mode::from_raw_mode(entry.mode & 0o7777);
            rustix::fs::chmodat(parent, name, mode, AtFlags::empty())?;
        }
        rustix::fs::utimensat(parent, name, &times_of(entry.mtime), AtFlags::SYMLINK_NOFOLLOW)
    }
}

/// What a file gets besides its bytes.
#[derive(Clone, Debug)]
pub(super) struct Attributes {
    mode: u32,
    uid: u32,
    gid: u32,
    mtime: Mtime,
    xattrs: Xattrs,
    /// As far as the caller knows.
    size: u64,
}

impl Attributes {
    pub(super) fn of(entry: &Entry) -> Self {
        Self {
            mode: entry.mode & 0o7777,
            uid: entry.uid,
            gid: entry.gid,
            mtime: entry.mtime,
            xattrs: entry.xattrs.clone(),
            size: entry.file().map_or(0, |file| file.size),
        }
    }

    /// Bytes, as far as the caller knows.
    pub(super) fn size(&self) -> u64 {
        self.size
    }
}

/// What all threads that write one layer know.
#[derive(Debug, Default)]
pub(super) struct SharedState {
    no_reflinks: AtomicBool,
    /// The layers that they are from.
    pub(super) linked_layers: Mutex<HashSet<LayerId>>,
}

/// Writes files, one after the other.
#[derive(Debug)]
pub(super) struct FileWriter {
    born: Born,
    buffer: Vec<u8>,
    shared: Arc<SharedState>,
}

impl FileWriter {
    pub(super) fn new(born: Born) -> Self {
        Self::sharing(born, Arc::default())
    }

    pub(super) fn sharing(born: Born, shared: Arc<SharedState>) -> Self {
        Self { born, buffer: Vec::new(), shared }
    }

    pub(super) fn born(&self) -> Born {
        self.born
    }

    /// Writes a file from a stream.
    pub(super) fn write_from(
        &mut self,
        parent: &OwnedFd,
        name: &[u8],
        attributes: &Attributes,
        content: &mut dyn Read,
    ) -> Result<(ContentDigest, u64), Failure> {
        self.create(parent, name, attributes, |writer, file| {
            let read = |buffer: &mut [u8]| content.read(buffer).map_err(target("unpack"));
            writer.pump(file, None, read)
        })
    }

    /// Copies a file.
    pub(super) fn copy(
        &mut self,
        parent: &OwnedFd,
        name: &[u8],
        attributes: &Attributes,
        source: &Source,
    ) -> Result<(ContentDigest, u64), Failure> {
        match &source.kind {
            SourceKind::Disk(expect) => {
                let from = open_source(&source.path, expect.is_none())?;
                self.create(parent, name, attributes, |writer, file| {
                    let result = writer.verified(file, &from, attributes.size, &source.path)?;
                    match expect {
                        Some(expect) if *expect != result.0 => {
                            Err(Failure::Source(StoreError::ChangedWhileCopied { path: source.path.clone() }))
                        }
                        _ => Ok(result),
                    }
                })
            }
            SourceKind::Layer { digest, link } => {
                if let (Some(digest), Some((layer, family))) = (digest, link)
                    && self.link(parent, name, &source.path, *layer, family)
                {
                    return Ok((*digest, attributes.size));
                }
                let from = open_source(&source.path, false)?;
                self.create(parent, name, attributes, |writer, file| match digest {
                    Some(digest) => writer.unverified(file, &from, &source.path).map(|size| (*digest, size)),
                    None => writer.verified(file, &from, attributes.size, &source.path),
                })
            }
        }
    }

    /// Makes the file, lets `fill` write it, and sets what is not right yet. A failure leaves nothing.
    fn create<T>(
        &mut self,
        parent: &OwnedFd,
        name: &[u8],
        attributes: &Attributes,
        fill: impl FnOnce(&mut Self, &OwnedFd) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = Mode::from_raw_mode(attributes.mode & 0o777);
        let file = rustix::fs::openat(parent, name, flags, mode).map_err(target("create"))?;
        let result = fill(self, &file).and_then(|value| {
            self.set(&file, attributes)?;
            Ok(value)
        });
        if result.is_err() {
            let _ = rustix::fs::unlinkat(parent, name, AtFlags::empty());
        }
        result
    }

    /// Owner before mode (a change of owner clears set-user-id) and before capabilities; the time last.
    fn set(&self, file: &OwnedFd, attributes: &Attributes) -> Result<(), Failure> {
        let Attributes { mode, uid, gid, mtime, .. } = *attributes;
        let refused = target("set the attributes of");
        let set = || -> Result<(), Errno> {
            if !self.born.owns(uid, gid) {
                rustix::fs::fchown(file, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))?;
            }
            if mode != self.born.mode(mode) {
                rustix::fs::fchmod(file, Mode::from_raw_mode(mode))?;
            }
            Ok(())
        };
        set().map_err(refused)?;
        for (name, value) in &attributes.xattrs {
            rustix::fs::fsetxattr(file, &**name, value, XattrFlags::empty())
                .map_err(|error| Failure::Attribute(name.clone(), value.len(), error.into()))?;
        }
        rustix::fs::futimens(file, &times_of(mtime)).map_err(target("set the attributes of"))
    }

    /// Copies bytes that may change meanwhile, and hashes exactly what was copied.
    fn verified(
        &mut self,
        file: &OwnedFd,
        from: &OwnedFd,
        size: u64,
        path: &Path,
    ) -> Result<(ContentDigest, u64), Failure> {
        if size >= SMALLEST_REFLINK && self.reflink(file, from) {
            // The clone cannot change any more: it is what is hashed.
            let read = |buffer: &mut [u8]| rustix::io::read(file, buffer).map_err(target("read"));
            return self.pump_to(None, Some(size), read);
        }
        let unreadable = |error| {
            Failure::Source(match error {
                // It can be opened, and that is all.
                Errno::ISDIR => StoreError::NotAFile { path: path.into() },
                error => StoreError::io("read", path, error),
            })
        };
        self.pump(file, Some(size), |buffer| rustix::io::read(from, buffer).map_err(unreadable))
    }

    /// Copies bytes whose digest is known.
    fn unverified(&mut self, file: &OwnedFd, from: &OwnedFd, path: &Path) -> Result<u64, Failure> {
        if self.reflink(file, from) {
            return Ok(rustix::fs::fstat(file).map_err(target("read"))?.st_size.cast_unsigned());
        }
        let mut copied = 0;
        loop {
            match rustix::fs::copy_file_range(from, None, file, None, 1 << 30) {
                Ok(0) => return Ok(copied),
                Ok(count) => {
                    reached(FailPoint::WriteFile);
                    copied += count as u64;
                }
                Err(Errno::INTR) => {}
                // Between file systems, or where the kernel does not know it; nothing was copied yet.
                Err(Errno::XDEV | Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) if copied == 0 => {
                    let unreadable = |error| Failure::Source(StoreError::io("read", path, error));
                    let read = |buffer: &mut [u8]| rustix::io::read(from, buffer).map_err(unreadable);
                    return self.pump(file, None, read).map(|(_, size)| size);
                }
                Err(error) => return Err(Failure::Target("write", error.into())),
            }
        }
    }

    fn pump(
        &mut self,
        file: &OwnedFd,
        size: Option<u64>,
        read: impl FnMut(&mut [u8]) -> Result<usize, Failure>,
    ) -> Result<(ContentDigest, u64), Failure> {
        self.pump_to(Some(file), size, read)
    }

    /// Reads to the end, hashing, and writing to `file` if there is one. Where the size was right, a short read is the
    /// end, and a call is saved.
    fn pump_to(
        &mut self,
        file: Option<&OwnedFd>,
        size: Option<u64>,
        mut read: impl FnMut(&mut [u8]) -> Result<usize, Failure>,
    ) -> Result<(ContentDigest, u64), Failure> {
        self.buffer.resize(BUFFER, 0);
        let mut hash = blake3::Hasher::new();
        let mut total = 0;
        loop {
            let count = match read(&mut self.buffer) {
                Err(Failure::Target(_, error)) if error.kind() == ErrorKind::Interrupted => continue,
                count => count?,
            };
            let bytes = self.buffer.get(..count).unwrap_or_default();
            if count > 0 {
                hash.update(bytes);
                if let Some(file) = file {
                    write_all(file, bytes).map_err(target("write"))?;
                }
                total += count as u64;
                reached(FailPoint::WriteFile);
            }
            if count == 0 || (count < BUFFER && size == Some(total)) {
                return Ok((ContentDigest(*hash.finalize().as_bytes()), total));
            }
        }
    }

    fn reflink(&self, file: &OwnedFd, from: &OwnedFd) -> bool {
        if self.shared.no_reflinks.load(Ordering::Relaxed) {
            return false;
        }
        match rustix::fs::ioctl_ficlone(file, from) {
            Ok(()) => true,
            Err(error) => {
                if matches!(error, Errno::OPNOTSUPP | Errno::NOTTY | Errno::NOSYS) {
                    self.shared.no_reflinks.store(true, Ordering::Relaxed);
                }
                false
            }
        }
    }

    /// Links the file of another layer, if nobody can tell; any refusal means to copy bytes instead.
    fn link(
        &self,
        parent: &OwnedFd,
        name: &[u8],
        source: &Path,
        layer: LayerId,
        family: &super::link::Family,
    ) -> bool {
        if family.is_below(source) {
            return false;
        }
        if rustix::fs::linkat(CWD, source, parent, name, AtFlags::empty()).is_err() {
            return false;
        }
        self.shared.linked_layers.lock().unwrap_or_else(PoisonError::into_inner).insert(layer);
        true
    }
}

fn write_all(file: &OwnedFd, mut bytes: &[u8]) -> Result<(), Errno> {
    while !bytes.is_empty() {
        match rustix::io::write(file, bytes) {
            Ok(0) => return Err(Errno::NOSPC),
            Ok(count) => bytes = bytes.get(count..).unwrap_or_default(),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
