//! The destination of a copy as it fills up: the tree that was there, with everything planned so far on top.

use std::collections::HashMap;

use galley_image::tree::ResolveError;
use galley_image::{Entry, Kind, Tree, TreePath};
use galley_store::Compression;

use super::place::{Action, FileFrom, PlaceError, PlaceOptions, Put};

/// As many links as Linux follows in one path (path_resolution(7)).
const MAX_LINKS: usize = 40;

/// What is planned, by path, over the tree that was there.
pub(super) struct Placement<'t, 'o> {
    below: &'t Tree,
    planned: HashMap<TreePath, Put<'t>>,
    options: &'o PlaceOptions<'o>,
}

impl<'t, 'o> Placement<'t, 'o> {
    pub fn new(below: &'t Tree, options: &'o PlaceOptions<'o>) -> Self {
        Self { below, planned: HashMap::new(), options }
    }

    /// A placement in which `actions` have been done.
    pub fn after(below: &'t Tree, options: &'o PlaceOptions<'o>, actions: &[Action<'t>]) -> Self {
        let planned = actions.iter().map(|action| (action.path.clone(), action.put.clone())).collect();
        Self { below, planned, options }
    }

    /// The entry at `path`, whose parent has been resolved.
    pub fn entry(&self, path: &TreePath) -> Option<&Entry> {
        match self.planned.get(path) {
            Some(put) => Some(put.entry()),
            None => self.below.get(path).map(|node| &node.entry),
        }
    }

    pub fn is_directory(&self, path: &TreePath) -> bool {
        self.entry(path).is_some_and(Entry::is_directory)
    }

    /// Where `path` leads when links are followed, also the last one. Nothing leads out of the tree, and components that
    /// do not exist are taken as written.
    pub fn resolve(&self, path: &[u8]) -> Result<TreePath, PlaceError> {
        let mut resolved = TreePath::root();
        let mut pending: Vec<Vec<u8>> = path.split(|byte| *byte == b'/').rev().map(<[u8]>::to_vec).collect();
        let mut links = 0;
        while let Some(component) = pending.pop() {
            match component.as_slice() {
                b"" | b"." => continue,
                b".." => {
                    resolved = resolved.parent().unwrap_or_default();
                    continue;
                }
                _ => {}
            }
            let next = resolved.join(&component);
            match self.entry(&next).map(|entry| &entry.kind) {
                Some(Kind::Symlink(target)) => {
                    links += 1;
                    if links > MAX_LINKS {
                        let path = TreePath::clean(path).unwrap_or_default();
                        return Err(PlaceError::Unreachable(ResolveError::Loop(path)));
                    }
                    if target.first() == Some(&b'/') {
                        resolved = TreePath::root();
                    }
                    pending.extend(target.split(|byte| *byte == b'/').rev().map(<[u8]>::to_vec));
                }
                Some(Kind::Directory) | None => resolved = next,
                Some(_) if pending.iter().all(Vec::is_empty) => resolved = next,
                Some(_) => return Err(PlaceError::Unreachable(ResolveError::NotADirectory(next))),
            }
        }
        Ok(resolved)
    }

    /// Plans `path` and the missing directories above it as new directories: 0755, owned by `--chown` or root.
    /// `path` has been resolved. Returns those that it made.
    pub fn make_directories(&mut self, path: &TreePath) -> Result<Vec<TreePath>, PlaceError> {
        let mut made = Vec::new();
        for directory in path.ancestors().chain([path.clone()]) {
            match self.entry(&directory) {
                Some(entry) if entry.is_directory() => {}
                Some(_) => return Err(PlaceError::Unreachable(ResolveError::NotADirectory(directory))),
                None => {
                    let mut entry = Entry::directory(0o755, self.options.created);
                    (entry.uid, entry.gid) = self.options.chown.unwrap_or((0, 0));
                    self.planned.insert(directory.clone(), Put::Entry(entry));
                    made.push(directory);
                }
            }
        }
        Ok(made)
    }

    /// Plans a copied directory: new, or merged with the one that is there, which takes over mode, owner and attributes.
    pub fn directory(&mut self, path: TreePath, mut entry: Entry) -> Result<(), PlaceError> {
        match self.entry(&path) {
            None => {}
            Some(there) if there.is_directory() => {
                for (name, value) in &there.xattrs {
                    entry.xattrs.entry(name.clone()).or_insert_with(|| value.clone());
                }
            }
            Some(there) => {
                let link = there.symlink_target().map(|target| String::from_utf8_lossy(target).into_owned());
                return Err(PlaceError::DirectoryOntoFile { path, link });
            }
        }
        let archives = self.archives(&path);
        let put = if archives.is_empty() { Put::Entry(entry) } else { Put::Archive { entry, archives } };
        self.planned.insert(path, put);
        Ok(())
    }

    /// Plans anything that is not a directory. It replaces what is there, unless that is a directory.
    pub fn leaf(&mut self, path: TreePath, put: Put<'t>) -> Result<(), PlaceError> {
        if path.is_root() || self.is_directory(&path) {
            return Err(PlaceError::FileOntoDirectory { path });
        }
        self.planned.insert(path, put);
        Ok(())
    }

    /// The archives that are planned for the directory `path`.
    pub fn archives(&self, path: &TreePath) -> Vec<(FileFrom<'t>, Compression)> {
        match self.planned.get(path) {
            Some(Put::Archive { archives, .. }) => archives.clone(),
            _ => Vec::new(),
        }
    }

    /// Plans what replaces anything that is there, as unpacking an archive does.
    pub fn replace(&mut self, path: TreePath, put: Put<'t>) {
        self.planned.insert(path, put);
    }

    /// Everything planned, in path order, parents before children.
    pub fn finish(self) -> Vec<Action<'t>> {
        let mut actions: Vec<_> = self.planned.into_iter().map(|(path, put)| Action { path, put }).collect();
        actions.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        actions
    }
}

/// `entry` as it is copied: with the owner and mode that the flags ask for.
pub(super) fn as_copied(entry: &Entry, options: &PlaceOptions<'_>) -> Entry {
    let mut copied = entry.clone();
    if let Some((uid, gid)) = options.chown {
        (copied.uid, copied.gid) = (uid, gid);
    }
    if let (Some(mode), false) = (options.chmod, matches!(entry.kind, Kind::Symlink(_))) {
        copied.mode = mode.apply(entry.mode, entry.is_directory());
    }
    copied
}
