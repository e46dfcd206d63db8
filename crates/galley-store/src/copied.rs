//! A step's root where no overlay can be mounted: a whole tree, copied, and afterwards compared with what it was.
//!
//! Files are reflinks or copies, never hard links: a step may write to any of them. An entry whose ctime is older than
//! the end of the copying was not touched; one whose metadata is as it was and whose ctime is newer is read and compared.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use galley_image::{Change, Diff, Entry, Kind, LinkGroup, Mtime, Tree, TreePath};

use crate::upper::{link_groups, refuse_whiteout_names};
use crate::walk::{Found, What, walk};
use crate::writer::{Born, FileSource, LayerWriter};
use crate::{Snapshot, Store, StoreError};

/// The copied tree of a running step.
#[derive(Debug)]
pub(crate) struct Copied {
    root: PathBuf,
    /// Whatever has an older ctime was not touched since.
    made: Mtime,
}

impl Copied {
    /// Copies `tree`, whose layers are `chain`, to the new directory `root`.
    pub(crate) fn make(
        store: &Store,
        chain: &[Snapshot],
        tree: &Tree,
        root: PathBuf,
    ) -> Result<Self, StoreError> {
        fs::create_dir(&root).map_err(StoreError::on("create", &root))?;
        let mut writer = LayerWriter::of_tree(store, root.clone())?;
        let mut links: HashMap<(u32, LinkGroup), TreePath> = HashMap::new();
        for (path, node) in tree.iter() {
            let Kind::File(file) = &node.entry.kind else {
                writer.put_special(path, &node.entry)?;
                continue;
            };
            let first =
                file.link_group.map(|group| links.entry((node.origin, group)).or_insert(path.clone()));
            match first.filter(|first| *first != path) {
                Some(first) => writer.put_hardlink(path, first)?,
                None => {
                    let snapshot = usize::try_from(node.origin).ok().and_then(|origin| chain.get(origin));
                    let layer = snapshot.ok_or_else(|| StoreError::NotAFile { path: root.clone() })?.layer;
                    let source = FileSource::Layer { layer, path: path.clone() };
                    writer.put_file_from(path, &node.entry, source)?;
                }
            }
        }
        writer.finish()?;
        let made = clock_after(&root)?;
        Ok(Self { root, made })
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// What the step did. The files that it wrote are moved to `files`, which becomes the layer's directory.
    pub(crate) fn take_changes(
        &self,
        store: &Store,
        chain: &[Snapshot],
        before: &Tree,
        stubs: &[TreePath],
        files: &Path,
    ) -> Result<Diff, StoreError> {
        let mut found = walk(&self.root)?;
        found.retain(|found| !matches!(found.what, What::Socket) && !self.is_empty_stub(found, stubs));
        refuse_whiteout_names(&found)?;
        let groups = link_groups(found.iter());
        let mut after: BTreeMap<&TreePath, Entry> = BTreeMap::new();
        for found in &found {
            let mut entry = match &found.what {
                What::Entry(entry, _) => entry.clone(),
                // A step without an overlay made it: as a device it would delete something somewhere else.
                What::Whiteout | What::Socket => continue,
            };
            if let Kind::File(file) = &mut entry.kind {
                file.link_group = groups.get(&found.inode).copied();
            }
            after.insert(&found.path, entry);
        }
        let touched = self.touched(store, chain, before, &found, &after)?;
        let mut changes = deletions(before, &after);
        changes.extend(
            touched.iter().filter_map(|path| Some((path.clone(), Change::put(after.get(path)?.clone())))),
        );
        let diff = with_ancestors(changes, before, &after);
        self.move_files(&diff, files)?;
        Ok(diff)
    }

    fn is_empty_stub(&self, found: &Found, stubs: &[TreePath]) -> bool {
        let empty = match &found.what {
            What::Entry(entry, _) => match &entry.kind {
                Kind::File(file) => file.size == 0,
                Kind::Directory => {
                    fs::read_dir(self.on_disk(&found.path)).is_ok_and(|mut names| names.next().is_none())
                }
                _ => false,
            },
            _ => false,
        };
        empty && stubs.contains(&found.path)
    }

    /// Paths whose entry is new or another one; all names of a file, if one is.
    fn touched(
        &self,
        store: &Store,
        chain: &[Snapshot],
        before: &Tree,
        found: &[Found],
        after: &BTreeMap<&TreePath, Entry>,
    ) -> Result<Vec<TreePath>, StoreError> {
        let mut inodes: HashSet<(u64, u64)> = HashSet::new();
        let mut paths = Vec::new();
        for found in found {
            let Some(entry) = after.get(&found.path) else { continue };
            let was = before.get(&found.path);
            let same = match was {
                Some(node) if equal(&node.entry, entry) => {
                    found.ctime < self.made
                        || entry.file().is_none()
                        || self
                            .same_bytes(&store.source_path(chain, node.origin, &found.path), &found.path)?
                }
                _ => false,
            };
            if !same {
                paths.push(found.path.clone());
                inodes.extend(entry.file().and_then(|file| file.link_group).map(|_| found.inode));
            }
        }
        let linked = found.iter().filter(|found| found.names > 1 && inodes.contains(&found.inode));
        paths.extend(linked.map(|found| found.path.clone()));
        paths.sort();
        paths.dedup();
        Ok(paths)
    }

    fn same_bytes(&self, before: &Option<PathBuf>, path: &TreePath) -> Result<bool, StoreError> {
        let Some(before) = before else { return Ok(false) };
        let after = self.on_disk(path);
        let open = |path: &Path| File::open(path).map_err(StoreError::on("open", path));
        let (mut a, mut b) = (open(before)?, open(&after)?);
        let (mut left, mut right) = (Vec::new(), Vec::new());
        loop {
            left.clear();
            right.clear();
            (&mut a).take(1 << 18).read_to_end(&mut left).map_err(StoreError::on("read", before))?;
            (&mut b).take(1 << 18).read_to_end(&mut right).map_err(StoreError::on("read", &after))?;
            if left != right {
                return Ok(false);
            }
            if left.is_empty() {
                return Ok(true);
            }
        }
    }

    fn move_files(&self, diff: &Diff, files: &Path) -> Result<(), StoreError> {
        let born = Born::probe(files)?;
        let root = File::open(files).map_err(StoreError::on("open", files))?.into();
        let place = |path: &TreePath| files.join(OsStr::from_bytes(path.as_bytes()));
        for (path, change) in diff {
            let Change::Put { entry, .. } = change else { continue };
            let to = place(path);
            if !entry.is_directory() {
                fs::rename(self.on_disk(path), &to).map_err(StoreError::on("move to", &to))?;
            } else if !path.is_root() {
                fs::create_dir(&to).map_err(StoreError::on("create", &to))?;
            }
        }
        for (path, change) in diff.iter().rev() {
            let Change::Put { entry, .. } = change else { continue };
            if entry.is_directory() && !path.is_root() {
                born.set_directory(&root, &place(path), path, entry)?;
            }
        }
        Ok(())
    }

    fn on_disk(&self, path: &TreePath) -> PathBuf {
        if path.is_root() { self.root.clone() } else { self.root.join(OsStr::from_bytes(path.as_bytes())) }
    }
}

/// Equal but for what a walk cannot see (digests) and numbers that mean nothing across layers (link groups).
fn equal(before: &Entry, after: &Entry) -> bool {
    let bare = |entry: &Entry| {
        let mut entry = entry.clone();
        if let Kind::File(file) = &mut entry.kind {
            (file.digest, file.link_group) = (None, None);
        }
        entry
    };
    bare(before) == bare(after)
}

/// Whiteouts of what is gone, the topmost of each subtree.
fn deletions(before: &Tree, after: &BTreeMap<&TreePath, Entry>) -> Vec<(TreePath, Change)> {
    let mut gone: Option<&TreePath> = None;
    let mut changes = Vec::new();
    for (path, _) in before.iter() {
        let covered = gone.is_some_and(|gone| path.below(gone).is_some());
        if covered || after.contains_key(path) {
            continue;
        }
        gone = Some(path);
        // Under what is a directory no more there is nothing to delete.
        let parent = path.parent().unwrap_or_default();
        if after.get(&parent).is_some_and(Entry::is_directory) {
            changes.push((path.clone(), Change::Whiteout));
        }
    }
    changes
}

/// The diff of changes and the directories above them.
fn with_ancestors(
    changes: Vec<(TreePath, Change)>,
    before: &Tree,
    after: &BTreeMap<&TreePath, Entry>,
) -> Diff {
    let mut all: BTreeMap<TreePath, Change> = BTreeMap::new();
    for (path, change) in changes {
        for above in path.ancestors().filter(|above| !above.is_root()) {
            let entry = after.get(&above).or(before.get(&above).map(|node| &node.entry));
            if let Some(entry) = entry {
                all.entry(above).or_insert_with(|| Change::put(entry.clone()));
            }
        }
        all.insert(path, change);
    }
    all.into_iter().collect()
}

/// A time on the file system's clock that is later than that of every change so far: what is touched from now on has
/// this ctime or a later one.
fn clock_after(root: &Path) -> Result<Mtime, StoreError> {
    let marker = root.with_extension("clock");
    let clock = || -> Result<Mtime, StoreError> {
        fs::write(&marker, b"").map_err(StoreError::on("write", &marker))?;
        let stat = rustix::fs::stat(&marker).map_err(StoreError::on("read", &marker))?;
        fs::remove_file(&marker).map_err(StoreError::on("delete", &marker))?;
        let nanoseconds = u32::try_from(stat.st_ctime_nsec).unwrap_or(0);
        Ok(Mtime { seconds: stat.st_ctime, nanoseconds })
    };
    let start = clock()?;
    loop {
        let now = clock()?;
        if now > start {
            return Ok(now);
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}
