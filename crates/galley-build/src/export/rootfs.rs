//! An image's root file system, merged: as a tar, as a directory, or a part of it as a directory.

use std::collections::HashMap;
use std::fs::{self, File, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use galley_image::layer_tar::{self, TarProfile, Times};
use galley_image::{Change, Diff, Entry, Kind, LinkGroup, Mtime, Node, Tree, TreePath};
use galley_store::{Image, ImageLayer, Snapshot, SnapshotState, Store};
use rustix::fs::{AtFlags, CWD, FileType, Mode, Timespec, Timestamps, XattrFlags};
use rustix::io::Errno;

use super::{ExportError, on_disk, sparse};
use crate::copy::SourceBytes;

/// Writes the merged tree as a tar in the canonical form of layers, with the times that the image's layers have.
pub(super) fn tar(store: &Store, image: &Image, out: &mut dyn Write) -> Result<(), ExportError> {
    let chain = present_chain(store, image)?;
    let times = times(store, image, &chain)?;
    let tree = store.tree(chain.last().map(|snapshot| snapshot.id))?;
    let origins: HashMap<&TreePath, u32> = tree.iter().map(|(path, node)| (path, node.origin)).collect();
    let mut groups: HashMap<(u32, LinkGroup), LinkGroup> = HashMap::new();
    let merged: Diff = tree
        .iter()
        .map(|(path, node)| {
            let entry = Entry { mtime: at(&times, node), ..regrouped(node, &mut groups) };
            (path.clone(), Change::put(entry))
        })
        .collect();
    let mut open = |path: &TreePath, _: &Entry| -> io::Result<Box<dyn Read>> {
        let origin = origins.get(path).copied().unwrap_or_default();
        let on_disk = store.source_path(&chain, origin, path).ok_or(io::ErrorKind::NotFound)?;
        Ok(Box::new(File::open(on_disk)?))
    };
    layer_tar::pack(&merged, &TarProfile::current(Times::Kept), &mut open, out)?;
    Ok(())
}

/// What became of the times of each layer of `chain` when it was packed; those of bases are as they came.
fn times(store: &Store, image: &Image, chain: &[Snapshot]) -> Result<Vec<Times>, ExportError> {
    let of = |(snapshot, layer): (&Snapshot, &ImageLayer)| {
        let profile = store.profile_of(snapshot.layer, layer.diff_id)?;
        Ok(profile.map_or(Times::Kept, |profile| profile.times))
    };
    chain.iter().zip(&image.layers).map(of).collect()
}

/// The time that the image gives a node.
fn at(times: &[Times], node: &Node) -> Mtime {
    let own = node.entry.mtime;
    let origin = usize::try_from(node.origin).unwrap_or(usize::MAX);
    match times.get(origin).map_or(own.seconds, |times| times.apply(own.seconds)) {
        seconds if seconds == own.seconds => own,
        seconds => Mtime { seconds, nanoseconds: 0 },
    }
}

/// Link groups are counted in each layer by itself; in one archive they need numbers of their own.
fn regrouped(node: &Node, groups: &mut HashMap<(u32, LinkGroup), LinkGroup>) -> Entry {
    let mut entry = node.entry.clone();
    if let Kind::File(content) = &mut entry.kind {
        let next = LinkGroup(u32::try_from(groups.len()).unwrap_or(u32::MAX));
        content.link_group =
            content.link_group.map(|group| *groups.entry((node.origin, group)).or_insert(next));
    }
    entry
}

/// Writes the merged tree into the directory `root`, over what is there, as docker does. Files belong to the caller; returns
/// the bytes of all files.
pub(super) fn directory(store: &Store, image: &Image, root: &Path) -> Result<u64, ExportError> {
    let chain = present_chain(store, image)?;
    let times = times(store, image, &chain)?;
    let tree = store.tree(chain.last().map(|snapshot| snapshot.id))?;
    let bytes = SourceBytes::Layers { store, chain: &chain };
    fs::create_dir_all(root).map_err(ExportError::write(root))?;
    let output = Output { bytes: &bytes, root, times: &times, for_the_caller: true };
    output.write(&tree, &TreePath::root())
}

/// Writes the content of the directory `from` of `tree` into the existing directory `into`, with owners: what a new cache mount is filled with.
///
/// # Errors
/// [`ExportError::Bytes`] and [`ExportError::Write`].
pub fn write_subtree(
    tree: &Tree,
    from: &TreePath,
    bytes: &SourceBytes<'_>,
    into: &Path,
) -> Result<(), ExportError> {
    Output { bytes, root: into, times: &[], for_the_caller: false }.write(tree, from).map(|_| ())
}

fn present_chain(store: &Store, image: &Image) -> Result<Vec<Snapshot>, ExportError> {
    let Some(last) = image.layers.last() else { return Ok(Vec::new()) };
    let gone = || ExportError::MissingLayer(last.diff_id.0);
    let chain = store.chain(Some(last.snapshot.ok_or_else(gone)?))?;
    match chain.iter().all(|snapshot| snapshot.state == SnapshotState::Present) {
        true => Ok(chain),
        false => Err(gone()),
    }
}

/// A directory on disk that a tree is written into.
struct Output<'a> {
    bytes: &'a SourceBytes<'a>,
    root: &'a Path,
    /// What becomes of the times of each layer.
    times: &'a [Times],
    /// Owners become the caller, and attributes that only root may set are left out where the caller may not.
    for_the_caller: bool,
}

impl Output<'_> {
    fn write(&self, tree: &Tree, from: &TreePath) -> Result<u64, ExportError> {
        let mut size = 0;
        let mut linked: HashMap<(u32, LinkGroup), PathBuf> = HashMap::new();
        let mut directories: Vec<(PathBuf, &Node)> = Vec::new();
        for (path, node) in tree.subtree(from) {
            let Some(below) = path.below(from).filter(|below| !below.is_empty()) else { continue };
            let target = on_disk(self.root, &TreePath::root().join(below));
            let failed = |source| ExportError::Write { path: target.clone(), source };
            if node.entry.is_directory() {
                make_directory(&target).map_err(failed)?;
                directories.push((target, node));
                continue;
            }
            remove(&target).map_err(failed)?;
            let group = node.entry.file().and_then(|file| file.link_group).map(|group| (node.origin, group));
            if let Some(first) = group.and_then(|group| linked.get(&group)) {
                fs::hard_link(first, &target).map_err(failed)?;
                continue;
            }
            match node.entry.file() {
                Some(content) => {
                    let mut reader = self.bytes.open(path, node.origin)?;
                    sparse::copy(&mut reader, &target).map_err(failed)?;
                    size += content.size;
                }
                None if !make_node(&target, &node.entry).map_err(failed)? => continue,
                None => {}
            }
            self.attributes(&target, node).map_err(failed)?;
            if let Some(group) = group {
                linked.insert(group, target);
            }
        }
        // Children first: what is made inside a directory changes its time, and its mode may forbid making it.
        for (path, node) in directories.iter().rev() {
            self.attributes(path, node).map_err(ExportError::write(path))?;
        }
        Ok(size)
    }

    /// Owners first: a new owner takes setuid bits and capabilities away.
    fn attributes(&self, path: &Path, node: &Node) -> io::Result<()> {
        let entry = &node.entry;
        if !self.for_the_caller {
            std::os::unix::fs::lchown(path, Some(entry.uid), Some(entry.gid))?;
        }
        if !matches!(entry.kind, Kind::Symlink(_)) {
            fs::set_permissions(path, Permissions::from_mode(entry.mode))?;
        }
        for (name, value) in &entry.xattrs {
            match rustix::fs::lsetxattr(path, &**name, value, XattrFlags::empty()) {
                Err(Errno::PERM | Errno::NOTSUP) if self.for_the_caller => {}
                set => set?,
            }
        }
        let mtime = at(self.times, node);
        let time = Timespec { tv_sec: mtime.seconds, tv_nsec: mtime.nanoseconds.into() };
        let times = Timestamps { last_access: time, last_modification: time };
        Ok(rustix::fs::utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW)?)
    }
}

/// Makes a directory, also in place of something else: a link there would lead what follows out of the output.
fn make_directory(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        // Writable for as long as files are made in it; its own mode comes last.
        Ok(metadata) if metadata.is_dir() => fs::set_permissions(path, Permissions::from_mode(0o700)),
        Ok(_) => fs::remove_file(path).and_then(|()| fs::create_dir(path)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => fs::create_dir(path),
        Err(error) => Err(error),
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::IsADirectory => fs::remove_dir_all(path),
        removed => removed,
    }
}

/// Makes a link, pipe or device; `false` for a device that the caller may not make, which docker leaves out too.
fn make_node(path: &Path, entry: &Entry) -> io::Result<bool> {
    let node = |kind, device| match rustix::fs::mknodat(CWD, path, kind, Mode::RUSR | Mode::WUSR, device) {
        Err(rustix::io::Errno::PERM) => Ok(false),
        made => made.map(|()| true).map_err(io::Error::from),
    };
    match &entry.kind {
        Kind::Symlink(target) => symlink(std::ffi::OsStr::from_bytes(target), path).map(|()| true),
        Kind::CharDevice { major, minor } => {
            node(FileType::CharacterDevice, rustix::fs::makedev(*major, *minor))
        }
        Kind::BlockDevice { major, minor } => {
            node(FileType::BlockDevice, rustix::fs::makedev(*major, *minor))
        }
        Kind::Fifo => node(FileType::Fifo, 0),
        Kind::File(_) | Kind::Directory => Ok(true),
    }
}
