//! Jobs side by side that can be left at any moment.
//!
//! A read from a silent server cannot be ended from outside. So jobs run on threads that nobody joins: who waits for them goes on as soon as it is told to
//! stop, and they end with their time limits or with the process.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use super::error::ArchiveError;

/// How soon a stop is noticed, and how often progress is told.
const LOOK: Duration = Duration::from_millis(50);

/// What runs.
pub(super) type Job<T> = Box<dyn FnOnce() -> Result<T, ArchiveError> + Send>;

/// Runs the jobs, `at_once` of them side by side, and gives their results in the jobs' order. `tick` is called again and again meanwhile; what it fails with ends the wait.
///
/// The first failure ends it too, and no further job begins then.
pub(super) fn all<T: Send + 'static>(
    jobs: Vec<Job<T>>,
    at_once: usize,
    mut tick: impl FnMut() -> Result<(), ArchiveError>,
) -> Result<Vec<T>, ArchiveError> {
    let count = jobs.len();
    let jobs: Arc<Vec<Mutex<Option<Job<T>>>>> =
        Arc::new(jobs.into_iter().map(|job| Mutex::new(Some(job))).collect());
    let (next, left) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
    let (sender, results) = channel();
    for _ in 0..at_once.max(1).min(count) {
        let (jobs, next, left, sender) =
            (Arc::clone(&jobs), Arc::clone(&next), Arc::clone(&left), sender.clone());
        let work = move || {
            while !left.load(Ordering::Relaxed) {
                let at = next.fetch_add(1, Ordering::Relaxed);
                let Some(job) = jobs.get(at) else { return };
                let Some(job) = job.lock().unwrap_or_else(PoisonError::into_inner).take() else { continue };
                let result = job();
                if result.is_err() {
                    left.store(true, Ordering::Relaxed);
                }
                // Nobody listens any more where another job failed.
                let _ = sender.send((at, result));
            }
        };
        let spawned = thread::Builder::new().name("packages".into()).spawn(work);
        spawned.map_err(ArchiveError::disk("start a thread for", "downloads"))?;
    }
    drop(sender);
    let mut done: Vec<Option<T>> = (0..count).map(|_| None).collect();
    let outcome = loop {
        if let Err(error) = tick() {
            break Err(error);
        }
        match results.recv_timeout(LOOK) {
            Ok((at, Ok(result))) => done[at] = Some(result),
            Ok((_, Err(error))) => break Err(error),
            Err(RecvTimeoutError::Timeout) => {}
            // All have sent what they had. A job that is missing has panicked.
            Err(RecvTimeoutError::Disconnected) => {
                break done.into_iter().collect::<Option<Vec<T>>>().ok_or(ArchiveError::Stopped);
            }
        }
    };
    left.store(true, Ordering::Relaxed);
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_order_and_failures_end_it() {
        let jobs = |fails: Option<usize>| -> Vec<Job<usize>> {
            let job = move |at| -> Job<usize> {
                Box::new(move || if Some(at) == fails { Err(ArchiveError::Stopped) } else { Ok(at) })
            };
            (0..20).map(job).collect()
        };
        assert_eq!(all(jobs(None), 3, || Ok(())).unwrap(), (0..20).collect::<Vec<_>>());
        assert!(all(jobs(Some(7)), 3, || Ok(())).is_err());
        assert!(all::<()>(Vec::new(), 3, || Ok(())).unwrap().is_empty());
    }

    #[test]
    fn a_job_that_hangs_is_left() {
        let hang: Job<()> = Box::new(|| {
            loop {
                thread::park();
            }
        });
        let mut ticks = 0;
        let left = all(vec![hang], 1, || {
            ticks += 1;
            if ticks > 1 { Err(ArchiveError::Stopped) } else { Ok(()) }
        });
        assert!(matches!(left, Err(ArchiveError::Stopped)));
    }
}
