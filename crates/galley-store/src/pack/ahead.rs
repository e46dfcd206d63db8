//! Reads the small files of a layer while the ones before them are hashed.
//!
//! Opening a small file costs more than hashing it, so a layer of many small files is packed in half the time on two processors. Large
//! files are left alone: the kernel reads ahead within them.

use std::collections::{HashSet, VecDeque};
use std::fs::File;
use std::io::{self, Cursor, Read};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::Scope;

use crossbeam_channel::{Receiver, Sender};
use galley_image::{Change, Diff, Entry, LinkGroup, TreePath};
use rustix::fs::{Mode, OFlags};

/// Files of at most this many bytes are read ahead.
const SMALL: u64 = 64 << 10;

/// With fewer small files than this, starting threads is not worth it.
const FEWEST: usize = 64;

/// Files and bytes that are handed over at once.
const BATCH: usize = 64;
const BATCH_BYTES: u64 = 256 << 10;

/// Batches of one thread that may wait.
const QUEUE: usize = 2;

/// Threads that read.
const THREADS: usize = 2;

/// A small file and what reading it gave.
type ReadFile = (TreePath, io::Result<Vec<u8>>);

/// Where a path of the layer lies on disk.
pub(super) type Place<'p> = dyn Fn(&TreePath) -> PathBuf + Sync + 'p;

/// The files of one layer, in the order in which they are packed.
pub(super) struct Files<'f> {
    place: &'f Place<'f>,
    /// What the threads read, whose batches take turns.
    ahead: Vec<Receiver<Vec<ReadFile>>>,
    turn: usize,
    read: VecDeque<ReadFile>,
}

impl<'f> Files<'f> {
    /// The files of `diff`, which lie where `place` says. The threads that read them end with `scope`, or when this is dropped.
    pub(super) fn new<'s>(scope: &'s Scope<'s, 'f>, diff: &'f Diff, place: &'f Place<'f>) -> Self {
        let batches = batches(diff);
        let mut ahead = Vec::new();
        if batches.iter().map(Vec::len).sum::<usize>() >= FEWEST {
            let batches = Arc::new(batches);
            for thread in 0..THREADS {
                let (sender, receiver) = crossbeam_channel::bounded(QUEUE);
                let batches = Arc::clone(&batches);
                scope.spawn(move || read(batches.iter().skip(thread).step_by(THREADS), place, &sender));
                ahead.push(receiver);
            }
        }
        Self { place, ahead, turn: 0, read: VecDeque::new() }
    }

    /// The bytes of the next file.
    pub(super) fn open(&mut self, path: &TreePath, entry: &Entry) -> io::Result<Box<dyn Read>> {
        if is_small(entry) && !self.ahead.is_empty() {
            if self.read.is_empty() {
                let next = self.ahead.get(self.turn % THREADS).and_then(|ahead| ahead.recv().ok());
                self.turn += 1;
                self.read.extend(next.into_iter().flatten());
            }
            if self.read.front().is_some_and(|(read, _)| read == path)
                && let Some((_, content)) = self.read.pop_front()
            {
                return content.map(|bytes| Box::new(Cursor::new(bytes)) as Box<dyn Read>);
            }
        }
        File::open((self.place)(path)).map(|file| Box::new(file) as Box<dyn Read>)
    }
}

fn is_small(entry: &Entry) -> bool {
    entry.file().is_some_and(|file| (1..=SMALL).contains(&file.size))
}

/// The small files of a layer with their sizes, as packing asks for them: only the first name of each.
fn batches(diff: &Diff) -> Vec<Vec<(&TreePath, u64)>> {
    let mut seen: HashSet<LinkGroup> = HashSet::new();
    let mut batches = Vec::new();
    let mut batch = Vec::new();
    let mut bytes = 0;
    for (path, change) in diff {
        let Change::Put { entry, .. } = change else { continue };
        let Some(file) = entry.file().filter(|_| is_small(entry)) else { continue };
        if file.link_group.is_none_or(|group| seen.insert(group)) {
            bytes += file.size;
            batch.push((path, file.size));
        }
        if batch.len() == BATCH || bytes >= BATCH_BYTES {
            bytes = 0;
            batches.push(std::mem::take(&mut batch));
        }
    }
    batches.push(batch);
    batches
}

fn read<'b>(
    batches: impl Iterator<Item = &'b Vec<(&'b TreePath, u64)>>,
    place: &Place<'_>,
    sender: &Sender<Vec<ReadFile>>,
) {
    let mut directory = Directory { place, open: None };
    for batch in batches {
        let read = |(path, size): &(&TreePath, u64)| ((*path).clone(), directory.read(path, *size));
        // Nobody listens any more when packing has failed.
        if sender.send(batch.iter().map(read).collect()).is_err() {
            return;
        }
    }
}

/// The directory of the file that was read last, open: most files lie in the same one as the file before.
struct Directory<'d> {
    place: &'d Place<'d>,
    open: Option<(PathBuf, File)>,
}

impl Directory<'_> {
    /// Reads a file of `size` bytes, or one byte more, so that a file that grew shows.
    fn read(&mut self, path: &TreePath, size: u64) -> io::Result<Vec<u8>> {
        let on_disk = (self.place)(path);
        let parent = on_disk.parent().unwrap_or(&on_disk);
        let open = match self.open.take() {
            Some(open) if open.0 == parent => open,
            _ => (parent.to_owned(), File::open(parent)?),
        };
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&open.1, path.name().unwrap_or_default(), flags, Mode::empty());
        self.open = Some(open);
        let mut file = File::from(file?);
        let mut bytes = vec![0; usize::try_from(size).unwrap_or_default() + 1];
        let mut filled = 0;
        loop {
            match file.read(&mut bytes[filled..]) {
                Ok(count) => {
                    filled += count;
                    // A short read of a regular file is its end (read(2)).
                    if count == 0 || filled as u64 == size || filled == bytes.len() {
                        bytes.truncate(filled);
                        return Ok(bytes);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}
