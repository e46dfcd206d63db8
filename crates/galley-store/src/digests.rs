//! Digests of files that a RUN step wrote: hashed when a later step selects them, then kept in the layer's manifest.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use galley_image::{Change, ContentDigest, Diff, Kind, TreePath};

use crate::{LayerId, Store, StoreError};

/// More threads only wait for the same disk.
const MOST_THREADS: usize = 4;

impl Store {
    /// The digests of files, in order: from the manifests where they are known; else hashed, on a few threads, and then
    /// kept in the manifests.
    ///
    /// # Errors
    /// [`StoreError::NotAFile`] for a path that is no regular file of its layer; [`StoreError::Corrupt`] where a file does
    /// not have the size that the manifest says; [`StoreError::Io`] and [`StoreError::NoSpace`].
    pub fn digest_files(&self, files: &[(LayerId, TreePath)]) -> Result<Vec<ContentDigest>, StoreError> {
        let mut digests: Vec<Option<ContentDigest>> = Vec::with_capacity(files.len());
        for (layer, path) in files {
            let diff = self.diff(*layer)?;
            let Some(file) = file_of(&diff, path) else {
                return Err(StoreError::NotAFile { path: self.file_path(*layer, path) });
            };
            digests.push(file.digest);
        }
        let missing: Vec<&(LayerId, TreePath)> =
            files.iter().zip(&digests).filter(|(_, digest)| digest.is_none()).map(|(file, _)| file).collect();
        let hashed = self.hash_all(&missing)?;
        let mut learned: BTreeMap<LayerId, BTreeMap<&TreePath, ContentDigest>> = BTreeMap::new();
        for ((layer, path), digest) in missing.into_iter().zip(&hashed) {
            learned.entry(*layer).or_default().insert(path, *digest);
        }
        for (layer, digests) in learned {
            let diff = self.diff(layer)?;
            let diff = diff.iter().map(|(path, change)| {
                let mut change = change.clone();
                if let Change::Put { entry, .. } = &mut change
                    && let Kind::File(file) = &mut entry.kind
                {
                    file.digest = file.digest.or(digests.get(path).copied());
                }
                (path.clone(), change)
            });
            self.reseal(layer, diff.collect())?;
        }
        let mut hashed = hashed.into_iter();
        Ok(digests.into_iter().filter_map(|digest| digest.or_else(|| hashed.next())).collect())
    }

    /// Hashes files on a few threads.
    fn hash_all(&self, files: &[&(LayerId, TreePath)]) -> Result<Vec<ContentDigest>, StoreError> {
        let next = AtomicUsize::new(0);
        let work = || -> Result<Vec<(usize, ContentDigest)>, StoreError> {
            let mut results = Vec::new();
            while let Some((at, (layer, path))) =
                Some(next.fetch_add(1, Ordering::Relaxed)).and_then(|at| Some((at, *files.get(at)?)))
            {
                let size = file_of(&*self.diff(*layer)?, path).map_or(0, |file| file.size);
                results.push((at, hash_file(&self.file_path(*layer, path), size)?));
            }
            Ok(results)
        };
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let threads = cores.min(MOST_THREADS).min(files.len() / 8 + 1);
        let mut results = std::thread::scope(|scope| -> Result<Vec<_>, StoreError> {
            let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
            let mut all = work()?;
            for other in others {
                all.extend(other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?);
            }
            Ok(all)
        })?;
        results.sort_by_key(|(at, _)| *at);
        Ok(results.into_iter().map(|(_, digest)| digest).collect())
    }
}

/// The digest of a file of a layer, which must have this size.
pub(crate) fn hash_file(path: &Path, size: u64) -> Result<ContentDigest, StoreError> {
    let file = File::open(path).map_err(StoreError::on("open", path))?;
    let mut hash = blake3::Hasher::new();
    hash.update_reader(&file).map_err(StoreError::on("read", path))?;
    if hash.count() != size {
        let reason = format!("it has {} bytes and its layer's manifest says {size}", hash.count());
        return Err(StoreError::Corrupt { path: path.into(), reason });
    }
    Ok(ContentDigest(*hash.finalize().as_bytes()))
}

fn file_of<'a>(diff: &'a Diff, path: &TreePath) -> Option<&'a galley_image::FileContent> {
    match diff.get(path)? {
        Change::Put { entry, .. } => entry.file(),
        Change::Whiteout => None,
    }
}
