//! `tmp/`: what is not finished. Each process has a directory of its own there and a lock on it; what is left of one that
//! died is swept by the next that opens the store.

use std::fs;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::StoreError;
use crate::id::random_bits;
use crate::lock::FileLock;
use crate::remove::remove_tree;

/// This process's part of `tmp/`, made when it is first needed.
#[derive(Debug)]
pub(crate) struct Temporary {
    root: PathBuf,
    process: String,
    own: Mutex<Option<(PathBuf, FileLock)>>,
    count: AtomicU64,
}

impl Temporary {
    /// `root` is the store's `tmp/`.
    pub(crate) fn new(root: PathBuf, process: &str) -> Self {
        Self { root, process: process.into(), own: Mutex::new(None), count: AtomicU64::new(0) }
    }

    /// A path that nothing has yet.
    pub(crate) fn path(&self) -> Result<PathBuf, StoreError> {
        let mut own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        let directory = match own.as_ref() {
            Some((directory, _)) => directory.clone(),
            None => {
                // The lock first: a directory whose lock is free is rubbish.
                let (directory, lock) = FileLock::take_new(&self.process, || {
                    let directory = self.root.join(galley_image::digest::hex(&random_bits()?));
                    let lock = directory.with_extension("lock");
                    Ok((directory, lock))
                })?;
                fs::create_dir(&directory).map_err(StoreError::on("create", &directory))?;
                own.insert((directory, lock)).0.clone()
            }
        };
        Ok(directory.join(self.count.fetch_add(1, Ordering::Relaxed).to_string()))
    }

    /// A new empty directory.
    pub(crate) fn directory(&self) -> Result<PathBuf, StoreError> {
        let path = self.path()?;
        fs::create_dir(&path).map_err(StoreError::on("create", &path))?;
        Ok(path)
    }

    /// Deletes what dead processes left.
    pub(crate) fn sweep(&self) -> Result<(), StoreError> {
        let entries = fs::read_dir(&self.root).map_err(StoreError::on("read", &self.root))?;
        for entry in entries {
            let path = entry.map_err(StoreError::on("read", &self.root))?.path();
            if path.extension().is_none_or(|extension| extension != "lock") {
                continue;
            }
            if let Some(lock) = FileLock::try_take(&path, false, &self.process)? {
                remove_tree(&path.with_extension(""))?;
                drop(lock.removing());
            }
        }
        Ok(())
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let own = self.own.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        if let Some((directory, lock)) = own
            && remove_tree(&directory).is_ok()
        {
            // A tree that cannot be deleted keeps its lock file: that is what the next sweep finds it by.
            drop(lock.removing());
        }
    }
}
