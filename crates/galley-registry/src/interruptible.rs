//! [`Images`] that stop waiting when they are told to.
//!
//! A call that waits for a silent server cannot be ended from outside. So it waits on a thread of its own, which nobody
//! joins: whoever asked goes on as soon as `stopped` says so, and the thread ends with its time limit or the process.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::Duration;

use galley_image::{Descriptor, Platform, Reference};

use crate::error::RegistryError;
use crate::images::{Images, RemoteImage};

/// How soon a stop is noticed.
const LOOK: Duration = Duration::from_millis(50);

/// Bytes that are read at once, and how many such pieces may wait: what is read ahead of the one who writes.
const PIECE: usize = 128 << 10;
const PIECES: usize = 4;

/// `images`, given up when `stopped` says so.
pub struct Interruptible<I> {
    images: Arc<I>,
    stopped: Stopped,
}

/// Whether to stop.
type Stopped = Arc<dyn Fn() -> bool + Send + Sync>;

impl<I: Images + Send + Sync + 'static> Interruptible<I> {
    /// Hands everything on to `images`.
    pub fn new(images: I, stopped: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self { images: Arc::new(images), stopped: Arc::new(stopped) }
    }

    fn aside<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&I) -> Result<T, RegistryError> + Send + 'static,
    ) -> Result<T, RegistryError> {
        let (sender, answer) = sync_channel(1);
        let images = Arc::clone(&self.images);
        let spawned = std::thread::Builder::new().name("registry".into()).spawn(move || {
            // Nobody listens any more where the build was stopped.
            let _ = sender.send(ask(&images));
        });
        spawned.map_err(RegistryError::Thread)?;
        wait(&answer, &self.stopped)?.unwrap_or(Err(RegistryError::Stopped))
    }
}

impl<I: Images + Send + Sync + 'static> Images for Interruptible<I> {
    fn resolve(&self, reference: &Reference, platform: &Platform) -> Result<RemoteImage, RegistryError> {
        let (reference, platform) = (reference.clone(), platform.clone());
        self.aside(move |images| images.resolve(&reference, &platform))
    }

    fn blob(
        &self,
        reference: &Reference,
        descriptor: &Descriptor,
        offset: u64,
    ) -> Result<Box<dyn Read + Send>, RegistryError> {
        let (reference, descriptor) = (reference.clone(), descriptor.clone());
        let mut reader = self.aside(move |images| images.blob(&reference, &descriptor, offset))?;
        let (sender, pieces) = sync_channel(PIECES);
        let pump = move || loop {
            let mut piece = vec![0; PIECE];
            let read = match reader.read(&mut piece) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                read => read,
            };
            let last = !matches!(read, Ok(1..));
            let sent = sender.send(read.map(|length| {
                piece.truncate(length);
                piece
            }));
            if last || sent.is_err() {
                return;
            }
        };
        std::thread::Builder::new().name("download".into()).spawn(pump).map_err(RegistryError::Thread)?;
        Ok(Box::new(Pieces {
            pieces,
            piece: Vec::new(),
            used: 0,
            end: false,
            stopped: Arc::clone(&self.stopped),
        }))
    }
}

/// The next thing sent; `None` when the sender is gone.
fn wait<T>(receiver: &Receiver<T>, stopped: &Stopped) -> Result<Option<T>, RegistryError> {
    loop {
        match receiver.recv_timeout(LOOK) {
            Ok(value) => return Ok(Some(value)),
            Err(RecvTimeoutError::Disconnected) => return Ok(None),
            Err(RecvTimeoutError::Timeout) if stopped() => return Err(RegistryError::Stopped),
            Err(RecvTimeoutError::Timeout) => {}
        }
    }
}

/// What the pump sends, as a reader.
struct Pieces {
    pieces: Receiver<io::Result<Vec<u8>>>,
    piece: Vec<u8>,
    used: usize,
    end: bool,
    stopped: Stopped,
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.used == self.piece.len() && !self.end && !buffer.is_empty() {
            // An end that was not announced is none: it would pass for a whole blob.
            let next = wait(&self.pieces, &self.stopped)?.ok_or(RegistryError::Stopped)?;
            (self.piece, self.used) = (next?, 0);
            self.end = self.piece.is_empty();
        }
        let rest = self.piece.get(self.used..).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        self.used += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::sync::Mutex;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::mpsc::{Sender, channel};

    use galley_image::{Digest, MediaType};

    use super::*;

    /// Sends what it is given, piece by piece, and else keeps silent.
    struct Silent {
        pieces: Mutex<Option<Receiver<io::Result<Vec<u8>>>>>,
    }

    struct Slow(Receiver<io::Result<Vec<u8>>>);

    impl Read for Slow {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let Ok(piece) = self.0.recv() else { return Ok(0) };
            let piece = piece?;
            buffer[..piece.len()].copy_from_slice(&piece);
            Ok(piece.len())
        }
    }

    impl Images for Silent {
        fn resolve(&self, _: &Reference, _: &Platform) -> Result<RemoteImage, RegistryError> {
            loop {
                std::thread::park();
            }
        }

        fn blob(&self, _: &Reference, _: &Descriptor, _: u64) -> Result<Box<dyn Read + Send>, RegistryError> {
            Ok(Box::new(Slow(self.pieces.lock().unwrap().take().unwrap())))
        }
    }

    fn silent() -> (Interruptible<Silent>, Sender<io::Result<Vec<u8>>>, Arc<AtomicBool>) {
        let (sender, pieces) = channel();
        let stop = Arc::new(AtomicBool::new(false));
        let asked = Arc::clone(&stop);
        let images = Silent { pieces: Mutex::new(Some(pieces)) };
        (Interruptible::new(images, move || asked.load(Ordering::SeqCst)), sender, stop)
    }

    fn blob(images: &Interruptible<Silent>) -> Box<dyn Read + Send> {
        let descriptor = Descriptor::new(MediaType::OCI_LAYER, Digest::of(b""), 0);
        images.blob(&"a:1".parse().unwrap(), &descriptor, 0).unwrap()
    }

    #[test]
    fn a_silent_server_is_left_when_the_build_stops() {
        let (images, _sender, stop) = silent();
        stop.store(true, Ordering::SeqCst);
        let answer = images.resolve(&"a:1".parse().unwrap(), &Platform::host());
        assert!(matches!(answer, Err(RegistryError::Stopped)), "{answer:?}");
    }

    #[test]
    fn a_blob_that_stalls_is_left_too_and_its_beginning_came() {
        let (images, sender, stop) = silent();
        sender.send(Ok(b"abc".to_vec())).unwrap();
        let mut reader = blob(&images);
        let mut start = [0; 3];
        reader.read_exact(&mut start).unwrap();
        assert_eq!(&start, b"abc");
        stop.store(true, Ordering::SeqCst);
        let error = reader.read(&mut start).unwrap_err();
        assert!(matches!(RegistryError::behind(&error), Some(RegistryError::Stopped)), "{error}");
    }

    #[test]
    fn a_blob_passes_with_its_end_and_its_errors() {
        let (images, sender, _) = silent();
        sender.send(Ok(b"abc".to_vec())).unwrap();
        sender.send(Ok(b"de".to_vec())).unwrap();
        drop(sender);
        let mut all = Vec::new();
        blob(&images).read_to_end(&mut all).unwrap();
        assert_eq!(all, b"abcde");

        let (images, sender, _) = silent();
        sender.send(Ok(b"abc".to_vec())).unwrap();
        sender.send(Err(io::ErrorKind::ConnectionReset.into())).unwrap();
        let error = blob(&images).read_to_end(&mut Vec::new()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    }
}
