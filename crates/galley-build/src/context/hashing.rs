//! Content digests of a context's files.

use std::fs::File;
use std::io::{self, Read};
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};

use galley_image::{ContentDigest, TreePath};
use galley_store::StatKey;
use rustix::fs::{AtFlags, StatxFlags};

use super::listing::key;
use super::{Context, ContextError};

/// Below this many files a second thread costs more than it saves.
const FEW: usize = 16;
/// How many threads read. More do not help: one hashes faster than a disk reads, the second hides its waits.
const READERS: usize = 2;
const BUFFER: usize = 256 << 10;

impl Context {
    /// The content digests of regular files of the tree, in the same order. A file is read once in a build: whatever asks
    /// again gets the same answer, so that all keys of a build are made of one state of the context.
    ///
    /// # Errors
    /// [`ContextError::Io`] for a file that cannot be read, [`ContextError::Changed`] for one that is not what the scan saw.
    pub fn digests(&self, paths: &[&TreePath]) -> Result<Vec<ContentDigest>, ContextError> {
        let unknown: Vec<&TreePath> = {
            let learned = self.learned.lock().unwrap_or_else(PoisonError::into_inner);
            paths.iter().copied().filter(|path| !learned.contains_key(*path)).collect()
        };
        let hashed = self.hash_all(&unknown)?;
        let mut learned = self.learned.lock().unwrap_or_else(PoisonError::into_inner);
        for (path, digest) in unknown.into_iter().zip(hashed) {
            // Another step may have been faster.
            learned.entry(path.clone()).or_insert(digest);
        }
        let lost = |path: &TreePath| ContextError::Changed { path: self.disk_path(path) };
        paths.iter().map(|path| learned.get(*path).copied().ok_or_else(|| lost(path))).collect()
    }

    fn hash_all(&self, paths: &[&TreePath]) -> Result<Vec<ContentDigest>, ContextError> {
        let next = AtomicUsize::new(0);
        let work = || {
            let mut buffer = vec![0; BUFFER];
            let mut found = Vec::new();
            loop {
                let at = next.fetch_add(1, Ordering::Relaxed);
                let Some(path) = paths.get(at) else { return Ok(found) };
                match self.hash(path, &mut buffer) {
                    Ok(hashed) => found.push((at, hashed)),
                    Err(error) => {
                        next.store(paths.len(), Ordering::Relaxed);
                        return Err(error);
                    }
                }
            }
        };
        let others = if paths.len() < FEW { 0 } else { READERS - 1 };
        let results: Vec<Result<Vec<(usize, Hashed)>, ContextError>> = std::thread::scope(|scope| {
            let handles: Vec<_> = (0..others).map(|_| scope.spawn(work)).collect();
            let own = work();
            handles.into_iter().filter_map(|handle| handle.join().ok()).chain([own]).collect()
        });
        let mut hashed = Vec::with_capacity(paths.len());
        for result in results {
            hashed.extend(result?);
        }
        hashed.sort_unstable_by_key(|(at, _)| *at);
        self.remember(paths, &hashed);
        Ok(hashed.into_iter().map(|(_, hashed)| hashed.digest).collect())
    }

    fn hash(&self, path: &TreePath, buffer: &mut [u8]) -> Result<Hashed, ContextError> {
        let failed = |source| ContextError::Io { action: "read", path: self.disk_path(path), source };
        let changed = || ContextError::Changed { path: self.disk_path(path) };
        let mut file = self.open(path)?;
        let before = stat(&file).map_err(failed)?;
        let scanned = self.tree.get(path).and_then(|node| node.entry.file());
        if scanned.is_none_or(|content| content.size != before.size) {
            return Err(changed());
        }
        let digest = content_digest(&mut file, buffer).map_err(failed)?;
        if stat(&file).map_err(failed)? != before {
            return Err(changed());
        }
        Ok(Hashed { digest, key: before })
    }

    /// Files with extended attributes are not remembered, so that a remembered digest says that there are none.
    fn remember(&self, paths: &[&TreePath], hashed: &[(usize, Hashed)]) {
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(cache) = cache.as_mut() else { return };
        for (at, Hashed { digest, key }) in hashed {
            let Some(path) = paths.get(*at) else { continue };
            let has_xattrs = self.tree.get(path).is_none_or(|node| !node.entry.xattrs.is_empty());
            if !has_xattrs && key.device == self.device {
                cache.put(path, key, *digest);
            }
        }
    }
}

struct Hashed {
    digest: ContentDigest,
    key: StatKey,
}

fn stat(file: &File) -> io::Result<StatKey> {
    let stat = rustix::fs::statx(file, c"", AtFlags::EMPTY_PATH, StatxFlags::BASIC_STATS)?;
    Ok(key(&stat))
}

fn content_digest(file: &mut File, buffer: &mut [u8]) -> io::Result<ContentDigest> {
    let mut hash = blake3::Hasher::new();
    loop {
        match file.read(buffer) {
            Ok(0) => return Ok(ContentDigest(*hash.finalize().as_bytes())),
            Ok(length) => {
                hash.update(buffer.get(..length).unwrap_or_default());
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
