//! What a context's files hashed to when they were last looked at, so that an unchanged one is not read again.
//!
//! ```text
//! "galley context 1\n"
//! count                       8 bytes
//! record*                     100 bytes each, sorted by path: where its path is, the key, the digest
//! paths                       one after the other
//! blake3                      32 bytes, over everything before
//! ```
//! Numbers are little endian. Records have one length, so nothing is decoded before it is asked for.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use galley_image::{ContentDigest, TreePath};
use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, UTIME_NOW};
use rustix::io::Errno;

use crate::failpoint::{FailPoint, reached};
use crate::{Store, StoreError};

const MAGIC: &[u8] = b"galley context 1\n";
const HEADER: usize = MAGIC.len() + 8;
const RECORD: usize = 100;
const CHECKSUM: usize = 32;

/// A file changed within this many nanoseconds before a scan may change again without its ctime showing it.
const SETTLED: i128 = 2_000_000_000;

/// File systems whose times and inode numbers another machine or process makes up (`statfs(2)`, and the kernel's
/// `magic.h`): FUSE, NFS, SMB, CIFS, SMB2, 9P, Ceph, AFS (two), Coda, NCP, VirtualBox's shared folders.
const UNTRUSTED: [u64; 12] = [
    0x6573_5546,
    0x6969,
    0x517B,
    0xFF53_4D42,
    0xFE53_4D42,
    0x0102_1997,
    0x00C3_6400,
    0x5346_414F,
    0x6B41_4653,
    0x7375_7245,
    0x564C,
    0x786F_4256,
];

/// What tells that a file did not change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatKey {
    /// Device of the file system (`st_dev`).
    pub device: u64,
    /// Inode number.
    pub inode: u64,
    /// Bytes.
    pub size: u64,
    /// Modification time in nanoseconds since 1970.
    pub mtime: i128,
    /// Status change time in nanoseconds since 1970.
    pub ctime: i128,
    /// `st_mode`: type and permission bits.
    pub mode: u32,
}

impl StatKey {
    /// The key of a file, as `lstat` gives it.
    #[must_use]
    pub fn of(metadata: &fs::Metadata) -> Self {
        let time =
            |seconds: i64, nanoseconds: i64| i128::from(seconds) * 1_000_000_000 + i128::from(nanoseconds);
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            mtime: time(metadata.mtime(), metadata.mtime_nsec()),
            ctime: time(metadata.ctime(), metadata.ctime_nsec()),
            mode: metadata.mode(),
        }
    }
}

/// The digests of a context's files as of the last scan.
///
/// Several threads may ask at once.
#[derive(Debug)]
pub struct StatCache {
    store: Store,
    path: PathBuf,
    scan_started: i128,
    /// The context's own device; `None` where nothing on it can be trusted. Other mounts below are never trusted.
    device: Option<u64>,
    old: Old,
    new: BTreeMap<Box<[u8]>, (StatKey, ContentDigest)>,
}

impl StatCache {
    /// The cache of the context directory `root`. `scan_started` is the time before the first file is looked at, in
    /// nanoseconds since 1970. A cache that is damaged counts as empty.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn open(store: &Store, root: &Path, scan_started: i128) -> Result<Self, StoreError> {
        let root = fs::canonicalize(root).map_err(StoreError::on("find", root))?;
        let system = rustix::fs::statfs(&root).map_err(StoreError::on("read", &root))?;
        let metadata = fs::metadata(&root).map_err(StoreError::on("read", &root))?;
        let kind = u64::try_from(system.f_type).unwrap_or(0);
        let mut hash = blake3::Hasher::new_derive_key("galley context 1");
        let name = hash.update(root.as_os_str().as_bytes()).finalize().to_hex();
        let path = store.inner.root.join("contexts").join(name.as_str());
        let old = match fs::read(&path) {
            Ok(bytes) => Old::new(bytes),
            Err(error) if error.kind() == ErrorKind::NotFound => Old::default(),
            Err(error) => return Err(StoreError::io("read", &path, error)),
        };
        let device = (!UNTRUSTED.contains(&kind)).then(|| metadata.dev());
        Ok(Self { store: store.clone(), path, scan_started, device, old, new: BTreeMap::new() })
    }

    /// The digest of the file at `path` below the context's root, if it is known and nothing says that the file changed.
    #[must_use]
    pub fn get(&self, path: &TreePath, key: &StatKey) -> Option<ContentDigest> {
        if self.device != Some(key.device) {
            return None;
        }
        let at = self.old.find(path.as_bytes())?;
        let (known, digest) = self.old.record(at)?;
        (known == *key).then(|| {
            self.old.mark(at);
            digest
        })
    }

    /// Remembers a digest. One that could not be trusted later is not kept: of a file that changed less than 2 s before
    /// the scan began, or that is on a network or FUSE file system.
    pub fn put(&mut self, path: &TreePath, key: &StatKey, digest: ContentDigest) {
        let settled = key.ctime <= self.scan_started.saturating_sub(SETTLED);
        if settled && self.device == Some(key.device) {
            self.new.insert(path.as_bytes().into(), (*key, digest));
        }
    }

    /// Writes the cache back, if it changed. Files that nobody asked for are kept (another Dockerfile may want them) for
    /// as long as they are not the most.
    ///
    /// # Errors
    /// [`StoreError::Io`] and [`StoreError::NoSpace`].
    pub fn save(self) -> Result<(), StoreError> {
        let used = self.old.used.iter().filter(|used| used.load(Ordering::Relaxed)).count();
        let crowded = self.old.used.len() - used > used + self.new.len();
        if self.new.is_empty() && !crowded {
            return self.note_use();
        }
        let mut all: BTreeMap<&[u8], (StatKey, ContentDigest)> = BTreeMap::new();
        for (at, used) in self.old.used.iter().enumerate() {
            if (used.load(Ordering::Relaxed) || !crowded)
                && let (Some(path), Some(record)) = (self.old.path(at), self.old.record(at))
            {
                all.insert(path, record);
            }
        }
        all.extend(self.new.iter().map(|(path, record)| (&**path, *record)));
        let new = self.store.inner.temporary.path()?;
        fs::write(&new, encode(&all)).map_err(StoreError::on("write", &new))?;
        reached(FailPoint::StatCacheRename);
        fs::rename(&new, &self.path).map_err(StoreError::on("write", &self.path))
    }
}

impl StatCache {
    /// The file's time says when its context was last built, to the day: a prune deletes those of contexts that are no more.
    fn note_use(&self) -> Result<(), StoreError> {
        let written = fs::metadata(&self.path).and_then(|file| file.modified());
        let age = written.ok().and_then(|written| written.elapsed().ok()).unwrap_or_default();
        if age < Duration::from_secs(24 * 3600) {
            return Ok(());
        }
        let now = Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };
        let times = Timestamps { last_access: now, last_modification: now };
        match rustix::fs::utimensat(CWD, &self.path, &times, AtFlags::empty()) {
            // A prune deleted it just now, or a scan of an empty context never wrote it.
            Err(Errno::NOENT) => Ok(()),
            result => result.map_err(StoreError::on("set the time of", &self.path)),
        }
    }
}

fn encode(all: &BTreeMap<&[u8], (StatKey, ContentDigest)>) -> Vec<u8> {
    let paths: usize = all.keys().map(|path| path.len()).sum();
    let mut out = Vec::with_capacity(HEADER + all.len() * RECORD + paths + CHECKSUM);
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&(all.len() as u64).to_le_bytes());
    let mut offset = 0_u64;
    for (path, (key, digest)) in all {
        out.extend_from_slice(&offset.to_le_bytes()[..6]);
        // A path has at most 4,096 bytes (limits.h, PATH_MAX).
        out.extend_from_slice(&(path.len() as u64).to_le_bytes()[..2]);
        for number in [key.device, key.inode, key.size] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        out.extend_from_slice(&key.mtime.to_le_bytes());
        out.extend_from_slice(&key.ctime.to_le_bytes());
        out.extend_from_slice(&key.mode.to_le_bytes());
        out.extend_from_slice(&digest.0);
        offset += path.len() as u64;
    }
    for path in all.keys() {
        out.extend_from_slice(path);
    }
    let checksum = blake3::hash(&out);
    out.extend_from_slice(checksum.as_bytes());
    out
}

/// The file as it was read.
#[derive(Debug, Default)]
struct Old {
    bytes: Vec<u8>,
    /// Which records were asked for and held.
    used: Vec<AtomicBool>,
    /// The record after the one that was found last: scans go in order, nearly.
    next: AtomicUsize,
}

impl Old {
    fn new(bytes: Vec<u8>) -> Self {
        let count = valid_count(&bytes).unwrap_or(0);
        let used = std::iter::repeat_with(AtomicBool::default).take(count).collect();
        Self { bytes, used, next: AtomicUsize::new(0) }
    }

    fn raw(&self, at: usize) -> Option<&[u8; RECORD]> {
        let start = HEADER + at.checked_mul(RECORD)?;
        self.bytes.get(start..start + RECORD)?.try_into().ok()
    }

    fn path(&self, at: usize) -> Option<&[u8]> {
        let raw = self.raw(at)?;
        let number = |range: std::ops::Range<usize>| {
            raw.get(range)
                .into_iter()
                .flatten()
                .rev()
                .fold(0, |number, byte| number << 8 | usize::from(*byte))
        };
        let start = HEADER + self.used.len() * RECORD + number(0..6);
        self.bytes.get(start..start.checked_add(number(6..8))?)
    }

    fn record(&self, at: usize) -> Option<(StatKey, ContentDigest)> {
        let raw = self.raw(at)?;
        let eight = |start: usize| Some(u64::from_le_bytes(raw.get(start..start + 8)?.try_into().ok()?));
        let key = StatKey {
            device: eight(8)?,
            inode: eight(16)?,
            size: eight(24)?,
            mtime: i128::from_le_bytes(raw.get(32..48)?.try_into().ok()?),
            ctime: i128::from_le_bytes(raw.get(48..64)?.try_into().ok()?),
            mode: u32::from_le_bytes(raw.get(64..68)?.try_into().ok()?),
        };
        Some((key, ContentDigest(raw.get(68..100)?.try_into().ok()?)))
    }

    fn find(&self, path: &[u8]) -> Option<usize> {
        let count = self.used.len();
        let guess = self.next.load(Ordering::Relaxed);
        let at = if guess < count && self.path(guess) == Some(path) {
            guess
        } else {
            let (mut low, mut high) = (0, count);
            while low < high {
                let middle = usize::midpoint(low, high);
                if self.path(middle)? < path { low = middle + 1 } else { high = middle }
            }
            (low < count && self.path(low) == Some(path)).then_some(low)?
        };
        self.next.store(at + 1, Ordering::Relaxed);
        Some(at)
    }

    fn mark(&self, at: usize) {
        if let Some(used) = self.used.get(at) {
            used.store(true, Ordering::Relaxed);
        }
    }
}

/// How many records there are, if the file is whole.
fn valid_count(bytes: &[u8]) -> Option<usize> {
    let (body, checksum) = bytes.split_last_chunk::<CHECKSUM>()?;
    let rest = body.strip_prefix(MAGIC)?;
    let (count, records) = rest.split_first_chunk::<8>()?;
    let count = usize::try_from(u64::from_le_bytes(*count)).ok()?;
    let fits = count.checked_mul(RECORD)? <= records.len();
    (fits && blake3::hash(body) == blake3::Hash::from_bytes(*checksum)).then_some(count)
}
