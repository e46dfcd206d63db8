//! Locks between processes: flock on close-on-exec files, so that a lock ends with its holder, however that ends.
//!
//! The holder's name stands in the file, for those who wait. A lock file that its last holder removes may be opened by
//! the next one just before; so after flock the path is looked up again, and only the file that still has it counts.

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use crate::{Store, StoreError};

/// How often somebody who waits looks again.
const POLL: Duration = Duration::from_millis(20);

/// Who has a lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Process id in the holder's own pid namespace: for people, not for programs.
    pub pid: u32,
    /// What it runs, such as `galley build -t app .`; empty if it did not say.
    pub process: String,
}

/// How to wait for a lock.
pub struct Wait<'a> {
    /// Asked several times a second; `true` ends the wait with [`StoreError::Interrupted`].
    pub interrupted: &'a dyn Fn() -> bool,
    /// Told once for each lock that is not free at once.
    pub waiting: &'a mut dyn FnMut(&Holder),
}

/// The right to run a step. Released on drop, or when the process dies.
#[derive(Debug)]
#[must_use = "dropped at once, it locks nothing"]
pub struct StepLock {
    _lock: FileLock,
}

impl Store {
    /// Waits for the right to run the step with this key. Look its record up again afterwards: the one waited for may
    /// have made it.
    ///
    /// # Errors
    /// [`StoreError::Interrupted`] and [`StoreError::Io`].
    pub fn lock_step(&self, key: &[u8; 32], wait: &mut Wait<'_>) -> Result<StepLock, StoreError> {
        let name = format!("step-{}", galley_image::digest::hex(key));
        let path = self.inner.locks().join(name);
        let mut request =
            Request { path: &path, what: "a step that another build runs", shared: false, wait };
        FileLock::wait(&mut request, &self.inner.process).map(|lock| StepLock { _lock: lock.removing() })
    }
}

/// What is to be locked, and how.
pub(crate) struct Request<'a, 'w> {
    pub(crate) path: &'a Path,
    /// For the message of an interrupted wait.
    pub(crate) what: &'static str,
    pub(crate) shared: bool,
    pub(crate) wait: &'a mut Wait<'w>,
}

/// A held lock file.
#[derive(Debug)]
pub(crate) struct FileLock {
    _file: File,
    path: PathBuf,
    remove: bool,
}

impl FileLock {
    /// Takes the lock if it is free.
    pub(crate) fn try_take(path: &Path, shared: bool, process: &str) -> Result<Option<Self>, StoreError> {
        loop {
            let mut file = open(path)?;
            if !flock_now(&file, shared).map_err(StoreError::on("lock", path))? {
                return Ok(None);
            }
            if same_file(&file, path)? {
                // Of several who share it, the last one is named.
                write_holder(&mut file, process).map_err(StoreError::on("write", path))?;
                return Ok(Some(Self { _file: file, path: path.into(), remove: false }));
            }
        }
    }

    /// Takes a lock that nobody else can know. `name` makes up what it is for, and its path. Somebody who sweeps may hold a
    /// new lock file before its maker does, and deletes it: then another name is made up.
    pub(crate) fn take_new<T>(
        process: &str,
        mut name: impl FnMut() -> Result<(T, PathBuf), StoreError>,
    ) -> Result<(T, Self), StoreError> {
        loop {
            let (value, path) = name()?;
            if let Some(lock) = Self::try_take(&path, false, process)? {
                return Ok((value, lock));
            }
        }
    }

    /// Takes the lock, waiting for as long as it takes and nobody interrupts.
    pub(crate) fn wait(request: &mut Request<'_, '_>, process: &str) -> Result<Self, StoreError> {
        let mut told = false;
        loop {
            if let Some(lock) = Self::try_take(request.path, request.shared, process)? {
                return Ok(lock);
            }
            if !told {
                told = true;
                (request.wait.waiting)(&read_holder(request.path));
            }
            if (request.wait.interrupted)() {
                return Err(StoreError::Interrupted(request.what.into()));
            }
            std::thread::sleep(POLL);
        }
    }

    /// Takes the lock, waiting without end: for short critical sections.
    pub(crate) fn block(path: &Path, process: &str) -> Result<Self, StoreError> {
        let mut wait = Wait { interrupted: &|| false, waiting: &mut |_| {} };
        Self::wait(&mut Request { path, what: "", shared: false, wait: &mut wait }, process)
    }

    /// The lock file goes with the lock.
    pub(crate) fn removing(mut self) -> Self {
        self.remove = true;
        self
    }
}

impl Drop for FileLock {
    fn drop(&mut self) {
        if self.remove {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Opens a directory and locks it as such: no lock file is needed.
pub(crate) fn lock_directory(path: &Path, shared: bool, block: bool) -> Result<Option<File>, StoreError> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file =
        File::from(rustix::fs::open(path, flags, Mode::empty()).map_err(StoreError::on("open", path))?);
    if block {
        let operation = if shared { FlockOperation::LockShared } else { FlockOperation::LockExclusive };
        flock(&file, operation).map_err(StoreError::on("lock", path))?;
        return Ok(Some(file));
    }
    Ok(flock_now(&file, shared).map_err(StoreError::on("lock", path))?.then_some(file))
}

fn open(path: &Path) -> Result<File, StoreError> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::open(path, flags, Mode::from_raw_mode(0o600))
        .map(File::from)
        .map_err(StoreError::on("open the lock file", path))
}

fn flock(file: &File, operation: FlockOperation) -> Result<(), Errno> {
    loop {
        match rustix::fs::flock(file, operation) {
            Err(Errno::INTR) => {}
            result => return result,
        }
    }
}

/// Whether the lock was free, and now is ours.
fn flock_now(file: &File, shared: bool) -> Result<bool, Errno> {
    let operation = match shared {
        true => FlockOperation::NonBlockingLockShared,
        false => FlockOperation::NonBlockingLockExclusive,
    };
    match flock(file, operation) {
        Ok(()) => Ok(true),
        Err(Errno::WOULDBLOCK) => Ok(false),
        Err(error) => Err(error),
    }
}

fn same_file(file: &File, path: &Path) -> Result<bool, StoreError> {
    let held = rustix::fs::fstat(file).map_err(StoreError::on("read", path))?;
    match rustix::fs::stat(path) {
        Ok(named) => Ok((named.st_dev, named.st_ino) == (held.st_dev, held.st_ino)),
        Err(Errno::NOENT) => Ok(false),
        Err(error) => Err(StoreError::io("read", path, error)),
    }
}

fn write_holder(file: &mut File, process: &str) -> std::io::Result<()> {
    let text = format!("{}\n{process}\n", std::process::id());
    file.rewind()?;
    file.write_all(text.as_bytes())?;
    file.set_len(text.len() as u64)
}

fn read_holder(path: &Path) -> Holder {
    let mut text = String::new();
    if let Ok(file) = File::open(path) {
        let _ = file.take(4096).read_to_string(&mut text);
    }
    let (pid, process) = text.split_once('\n').unwrap_or((&text, ""));
    Holder { pid: pid.parse().unwrap_or(0), process: process.trim_end().into() }
}
