//! Reads the small files of a layer while the ones before them are hashed.
//!
//! Opening a file and hashing it cost about the same when it is small, so a layer of many small files is packed in half the time on two
//! processors. Large files are left alone: the kernel reads ahead within them.

use std::collections::HashSet;
use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Cursor, Read};
use std::path::PathBuf;
use std::thread::Scope;

use crossbeam_channel::Receiver;
use galley_image::{Change, Diff, Entry, LinkGroup, TreePath};

/// Files of at most this many bytes are read ahead.
const SMALL: u64 = 64 << 10;

/// With fewer small files than this, starting a thread is not worth it.
const FEWEST: usize = 64;

/// Files and bytes that are handed over at once.
const BATCH: usize = 64;
const BATCH_BYTES: usize = 256 << 10;

/// Batches that may wait.
const QUEUE: usize = 2;

/// A small file and what reading it gave.
type ReadFile = (TreePath, io::Result<Vec<u8>>);

/// The files of one layer, in the order in which they are packed.
pub(super) struct Files<'f> {
    place: &'f (dyn Fn(&TreePath) -> PathBuf + Sync),
    ahead: Option<Receiver<Vec<ReadFile>>>,
    read: VecDeque<ReadFile>,
}

impl<'f> Files<'f> {
    /// The files of `diff`, which lie where `place` says. The thread that reads them ends with `scope`, or when this is dropped.
    pub(super) fn new<'s>(
        scope: &'s Scope<'s, '_>,
        diff: &'s Diff,
        place: &'s (dyn Fn(&TreePath) -> PathBuf + Sync),
    ) -> Self
    where
        's: 'f,
    {
        let enough = small_files(diff).nth(FEWEST - 1).is_some();
        let ahead = enough.then(|| {
            let (sender, receiver) = crossbeam_channel::bounded(QUEUE);
            scope.spawn(move || {
                let mut batch = Vec::with_capacity(BATCH);
                let mut bytes = 0;
                for (path, size) in small_files(diff) {
                    let content = read_small(&place(path), size);
                    bytes += content.as_ref().map_or(0, Vec::len);
                    batch.push((path.clone(), content));
                    if batch.len() == BATCH || bytes >= BATCH_BYTES {
                        bytes = 0;
                        // Nobody listens any more when packing has failed.
                        if sender.send(std::mem::take(&mut batch)).is_err() {
                            return;
                        }
                    }
                }
                let _ = sender.send(batch);
            });
            receiver
        });
        Self { place, ahead, read: VecDeque::new() }
    }

    /// The bytes of the next file.
    pub(super) fn open(&mut self, path: &TreePath, entry: &Entry) -> io::Result<Box<dyn Read>> {
        if let Some(ahead) = self.ahead.as_ref().filter(|_| is_small(entry)) {
            if self.read.is_empty() {
                self.read.extend(ahead.recv().into_iter().flatten());
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

/// The small files of a layer as packing asks for them: only the first name of each.
fn small_files(diff: &Diff) -> impl Iterator<Item = (&TreePath, u64)> {
    let mut seen: HashSet<LinkGroup> = HashSet::new();
    diff.iter().filter_map(move |(path, change)| {
        let Change::Put { entry, .. } = change else { return None };
        let file = entry.file().filter(|_| is_small(entry))?;
        let first = file.link_group.is_none_or(|group| seen.insert(group));
        first.then_some((path, file.size))
    })
}

/// Reads one byte more than there should be, so that a file that grew shows.
fn read_small(path: &std::path::Path, size: u64) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
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
