//! The threads that copy files into a layer. They start with the first copy and end with the layer.

use std::os::fd::OwnedFd;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender};
use galley_image::{ContentDigest, TreePath};

use super::file::{Attributes, Born, FileWriter, SharedState};
use super::source::Source;
use crate::{LayerId, StoreError};

/// Files are handed over in batches: with small ones, waking a thread for each would cost more than copying it. A batch ends where
/// a directory does, once it is large enough: two threads that make files in one directory wait for each other.
const BATCH: usize = 128;

/// Fewer files than this are no batch of their own.
const SMALL_BATCH: usize = 32;

/// A batch is handed over early when its files have this many bytes together, so that a large one is begun at once.
const BATCH_BYTES: u64 = 1 << 20;

/// Batches that may wait; each job in them holds a descriptor of its directory.
const QUEUE: usize = 4;

/// More threads than this only wait for the same disk.
const MOST_THREADS: usize = 4;

/// A file to copy.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) directory: Arc<OwnedFd>,
    /// Where it goes, for its name and for messages.
    pub(super) path: TreePath,
    pub(super) attributes: Attributes,
    pub(super) source: Source,
}

/// Jobs with their numbers.
type Batch = Vec<(usize, Job)>;

/// The threads and what they did.
#[derive(Debug)]
pub(super) struct Pool {
    born: Born,
    batches: Option<Sender<Batch>>,
    next: Batch,
    next_bytes: u64,
    threads: Vec<JoinHandle<()>>,
    sent: usize,
    progress: Arc<Progress>,
}

#[derive(Debug, Default)]
struct Progress {
    done: Mutex<Done>,
    changed: Condvar,
    shared: Arc<SharedState>,
}

#[derive(Debug, Default)]
struct Done {
    count: usize,
    results: Vec<Option<(ContentDigest, u64)>>,
    error: Option<StoreError>,
}

impl Pool {
    pub(super) fn new(born: Born) -> Self {
        Self {
            born,
            batches: None,
            next: Vec::new(),
            next_bytes: 0,
            threads: Vec::new(),
            sent: 0,
            progress: Arc::default(),
        }
    }

    /// Copies a file some time; returns the number under which the result will be found.
    pub(super) fn copy(&mut self, job: Job) -> Result<usize, StoreError> {
        let number = self.sent;
        self.sent += 1;
        let elsewhere = |(_, last): &(usize, Job)| !Arc::ptr_eq(&last.directory, &job.directory);
        if self.next.len() >= SMALL_BATCH && self.next.last().is_some_and(elsewhere) {
            self.hand_over();
        }
        self.next_bytes = self.next_bytes.saturating_add(job.attributes.size());
        self.next.push((number, job));
        if self.next.len() >= BATCH || self.next_bytes >= BATCH_BYTES {
            self.hand_over();
        }
        Ok(number)
    }

    fn hand_over(&mut self) {
        self.next_bytes = 0;
        let batch = std::mem::take(&mut self.next);
        if batch.is_empty() {
            return;
        }
        let batches = match &self.batches {
            Some(batches) => batches.clone(),
            None => self.start(),
        };
        // Threads end only when the sender is dropped; if one panicked, the others go on.
        let _ = batches.send(batch);
    }

    /// Fails with what a copy failed with.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        if self.batches.is_none() {
            return Ok(());
        }
        match self.progress.done().error.take() {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    /// Waits until all copies are made.
    pub(super) fn drain(&mut self) -> Result<(), StoreError> {
        self.hand_over();
        let mut done = self.progress.done();
        while done.count < self.sent && done.error.is_none() {
            done = self.progress.changed.wait(done).unwrap_or_else(PoisonError::into_inner);
        }
        match done.error.take() {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    /// Waits, and gives the results by number, and the layers that files were linked from.
    #[expect(clippy::type_complexity, reason = "two plain lists, taken apart at once")]
    pub(super) fn finish(mut self) -> Result<(Vec<Option<(ContentDigest, u64)>>, Vec<LayerId>), StoreError> {
        self.drain()?;
        self.stop();
        let results = std::mem::take(&mut self.progress.done().results);
        let linked = self.progress.shared.linked_layers.lock().unwrap_or_else(PoisonError::into_inner);
        Ok((results, linked.iter().copied().collect()))
    }

    fn start(&mut self) -> Sender<Batch> {
        let (sender, receiver) = crossbeam_channel::bounded(QUEUE);
        let threads = std::thread::available_parallelism().map_or(2, usize::from).min(MOST_THREADS);
        for _ in 0..threads {
            let (receiver, progress) = (receiver.clone(), Arc::clone(&self.progress));
            let files = FileWriter::sharing(self.born, Arc::clone(&progress.shared));
            self.threads.push(std::thread::spawn(move || work(files, &receiver, &progress)));
        }
        self.batches = Some(sender.clone());
        sender
    }

    fn stop(&mut self) {
        self.batches = None;
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Progress {
    fn done(&self) -> MutexGuard<'_, Done> {
        self.done.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn work(mut files: FileWriter, batches: &Receiver<Batch>, progress: &Progress) {
    let mut failed = false;
    for batch in batches {
        let mut results = Vec::with_capacity(batch.len());
        let count = batch.len();
        let mut error = None;
        for (number, job) in batch {
            // After a failure the layer is lost: the rest of the queue is only emptied.
            if failed {
                break;
            }
            let name = job.path.name().unwrap_or_default();
            match files.copy(&job.directory, name, &job.attributes, &job.source) {
                Ok(result) => results.push((number, result)),
                Err(failure) => {
                    failed = true;
                    error = Some(failure.at(&job.path));
                }
            }
        }
        let mut done = progress.done();
        done.count += count;
        for (number, result) in results {
            if done.results.len() <= number {
                done.results.resize(number + 1, None);
            }
            if let Some(slot) = done.results.get_mut(number) {
                *slot = Some(result);
            }
        }
        if let Some(error) = error {
            done.error.get_or_insert(error);
        }
        drop(done);
        progress.changed.notify_all();
    }
}
