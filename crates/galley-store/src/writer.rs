//! Writes the files of a layer and keeps account of them, for every step that runs nothing: COPY, ADD, WORKDIR, pulled layers.
//!
//! The caller's thread makes directories, links and nodes, and hands copies of files to a few worker threads. What the
//! layer contains is the account, not what lies on disk: [`seal`] makes the one fit the other at the end.
//!
//! No path is ever resolved through a symbolic link of the layer: directories are opened one component at a time, without
//! following links, and stay open while files are put into them.

mod directory;
mod failure;
pub(crate) mod file;
mod held;
mod link;
mod pool;
mod seal;
mod source;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;

use galley_image::layer_tar::WHITEOUT_PREFIX;
use galley_image::{ContentDigest, Entry, FileContent, Kind, LinkGroup, Mtime, TreePath};
use rustix::fs::{AtFlags, FileType, Mode, Timestamps};
use rustix::io::Errno;

use crate::view::View;
use crate::{LayerId, Snapshotter, Store, StoreError};
use directory::Directories;
pub(crate) use file::Born;
use file::{Attributes, FileWriter};
use link::{Family, Links};
use pool::Pool;
use source::Source;

/// Where a copied file's bytes come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileSource {
    /// A file on disk that may change at any time, such as one of a build context.
    Disk {
        /// Where it is. The last component is not followed if it is a symbolic link.
        path: PathBuf,
        /// The digest that its bytes must have: the one that the step's key was made of.
        expect: Option<ContentDigest>,
    },
    /// A file of a layer of this store. Its bytes never change.
    Layer {
        /// The layer that lists it; a snapshot with this layer must be held by a lease.
        layer: LayerId,
        /// Its path there.
        path: TreePath,
    },
}

/// Writes the files of one layer.
///
/// Of several calls for one path the last one counts. Directories above a path that the layer lacks are made as the
/// parent has them, so that no layer changes a directory by holding a file in it.
#[derive(Debug)]
pub struct LayerWriter {
    store: Store,
    parent: View,
    overlay: Option<Snapshotter>,
    directories: Directories,
    puts: BTreeMap<TreePath, Put>,
    whiteouts: BTreeSet<TreePath>,
    opaques: BTreeSet<TreePath>,
    groups: u32,
    files: FileWriter,
    pool: Pool,
    links: Links,
    /// The layer whose files those are that are held back.
    held_of: Option<LayerId>,
}

/// What the layer has at a path.
#[derive(Clone, Debug)]
struct Put {
    entry: Entry,
    bytes: Bytes,
}

/// Where the bytes of a put file are.
#[derive(Clone, Debug)]
enum Bytes {
    /// In place, as is all that is no file.
    Here,
    /// In the hands of the worker whose job has this number, and will tell size and digest.
    Copied(usize),
    /// At the same path in a layer of this family.
    Held(Arc<Family>),
}

impl LayerWriter {
    /// A writer into the empty directory `files`, for a layer on `parent`.
    pub(crate) fn new(store: &Store, files: PathBuf, parent: View) -> Result<Self, StoreError> {
        let overlay = match store.snapshotter() {
            Snapshotter::Copy => None,
            overlay @ Snapshotter::Overlay { .. } => Some(overlay),
        };
        let directories = Directories::new(files)?;
        let born = directories.born()?;
        Ok(Self {
            links: Links::new(parent.layer_ids()),
            store: store.clone(),
            parent,
            overlay,
            directories,
            puts: BTreeMap::new(),
            whiteouts: BTreeSet::new(),
            opaques: BTreeSet::new(),
            groups: 0,
            files: FileWriter::new(born),
            pool: Pool::new(born),
            held_of: None,
        })
    }

    /// A writer of a whole tree that no layer will share files with.
    pub(crate) fn of_tree(store: &Store, files: PathBuf) -> Result<Self, StoreError> {
        let mut writer = Self::new(store, files, View::new(Vec::new()))?;
        writer.overlay = None;
        writer.links.forbid();
        Ok(writer)
    }

    /// Puts a directory. On a directory that is there already, its attributes become these and its content stays; they
    /// are set on disk when the layer is sealed.
    ///
    /// # Errors
    /// [`StoreError::WhiteoutName`], [`StoreError::NotADirectory`], [`StoreError::Io`], [`StoreError::NoSpace`], and whatever
    /// an earlier copy failed with.
    pub fn put_directory(&mut self, path: &TreePath, entry: &Entry) -> Result<(), StoreError> {
        if path.is_root() {
            self.puts.insert(path.clone(), Put { entry: entry.clone(), bytes: Bytes::Here });
            return Ok(());
        }
        let parent = self.begin(path, true)?;
        if !self.puts.contains_key(path) {
            self.directories.make(&parent, path, entry.mode)?;
        }
        self.puts.insert(path.clone(), Put { entry: entry.clone(), bytes: Bytes::Here });
        Ok(())
    }

    /// Puts a symbolic link, a fifo, a device node, or a directory, by the entry's kind. A regular file is put empty.
    ///
    /// # Errors
    /// As [`LayerWriter::put_directory`], and [`StoreError::DeviceRefused`].
    pub fn put_special(&mut self, path: &TreePath, entry: &Entry) -> Result<(), StoreError> {
        match &entry.kind {
            Kind::Directory => return self.put_directory(path, entry),
            Kind::File(_) => return self.put_file(path, entry, &mut std::io::empty()).map(|_| ()),
            _ => {}
        }
        let parent = self.begin(path, false)?;
        let name = path.name().unwrap_or_default();
        let refused = |error| self.directories.error("create", path, error);
        let mode = Mode::from_raw_mode(entry.mode & 0o7777);
        let node = |kind, device| rustix::fs::mknodat(&parent, name, kind, mode, device);
        let device = |kind, major, minor| match node(kind, rustix::fs::makedev(major, minor)) {
            Err(Errno::PERM) => Err(StoreError::DeviceRefused { path: path.clone() }),
            result => result.map_err(refused),
        };
        match &entry.kind {
            Kind::Symlink(target) => rustix::fs::symlinkat(&**target, &parent, name).map_err(refused)?,
            Kind::CharDevice { major, minor } => device(FileType::CharacterDevice, *major, *minor)?,
            Kind::BlockDevice { major, minor } => device(FileType::BlockDevice, *major, *minor)?,
            _ => node(FileType::Fifo, 0).map_err(refused)?,
        }
        self.files.born().set_node(&parent, name, entry).map_err(refused)?;
        self.puts.insert(path.clone(), Put { entry: entry.clone(), bytes: Bytes::Here });
        Ok(())
    }

    /// Puts a file whose bytes come from `content`; returns their digest. The entry's own size, digest and link group are
    /// not looked at.
    ///
    /// # Errors
    /// As [`LayerWriter::put_directory`].
    pub fn put_file(
        &mut self,
        path: &TreePath,
        entry: &Entry,
        content: &mut dyn Read,
    ) -> Result<ContentDigest, StoreError> {
        let parent = self.begin(path, false)?;
        let attributes = Attributes::of(entry);
        let name = path.name().unwrap_or_default();
        let written = self.files.write_from(&parent, name, &attributes, content);
        let (digest, size) = written.map_err(|failure| failure.at(path))?;
        let content = FileContent { size, digest: Some(digest), link_group: None };
        let entry = Entry { kind: Kind::File(content), ..entry.clone() };
        self.puts.insert(path.clone(), Put { entry, bytes: Bytes::Here });
        Ok(digest)
    }

    /// Puts a copy of a file: the file of a layer that may show through, else a reflink where the file system can, else a hard link
    /// to a file of a layer where nobody can tell, else its bytes. A worker thread makes it; a later call, or the commit, says if it failed.
    ///
    /// # Errors
    /// As [`LayerWriter::put_directory`]. Later: [`StoreError::ChangedWhileCopied`], [`StoreError::NotAFile`],
    /// [`StoreError::Io`] and [`StoreError::NoSpace`].
    pub fn put_file_from(
        &mut self,
        path: &TreePath,
        entry: &Entry,
        source: FileSource,
    ) -> Result<(), StoreError> {
        let parent = self.begin(path, false)?;
        let size = entry.file().map_or(0, |file| file.size);
        let content = FileContent { size, digest: None, link_group: None };
        let mut entry = Entry { kind: Kind::File(content), ..entry.clone() };
        let bytes = match source {
            FileSource::Disk { path: from, expect } => {
                self.copy(parent, path, &entry, Source::disk(from, expect))?
            }
            FileSource::Layer { layer, path: from } => {
                self.take_from_layer(parent, path, &mut entry, layer, &from)?
            }
        };
        self.puts.insert(path.clone(), Put { entry, bytes });
        Ok(())
    }

    /// Makes `path` another name of `target`: a file that was put before, or one of the parent, whose bytes are then
    /// copied into this layer first.
    ///
    /// # Errors
    /// As [`LayerWriter::put_directory`], and [`StoreError::HardLink`].
    pub fn put_hardlink(&mut self, path: &TreePath, target: &TreePath) -> Result<(), StoreError> {
        let refuse = |reason| StoreError::HardLink { path: path.clone(), target: target.clone(), reason };
        if path == target {
            return Err(refuse("it names itself"));
        }
        if !self.puts.contains_key(target) {
            let found = self.below(target).ok_or_else(|| refuse("there is no such file"))?;
            self.copy_up(target, &found)?;
        }
        if self.puts.get(target).is_some_and(|put| put.entry.is_directory()) {
            return Err(refuse("that is a directory"));
        }
        let parent = self.begin(path, false)?;
        self.release(target)?;
        // Making room for `path` may have removed the target with a directory above it.
        let group = LinkGroup(self.groups);
        let put = self.puts.get_mut(target).ok_or_else(|| refuse("it replaces that file"))?;
        if let Kind::File(file) = &mut put.entry.kind {
            self.groups += u32::from(file.link_group.is_none());
            file.link_group.get_or_insert(group);
        }
        let put = put.clone();
        if let Bytes::Copied(_) = put.bytes {
            self.pool.drain()?;
        }
        let directory = self.directories.open(&target.parent().unwrap_or_default())?;
        let (from, to) = (target.name().unwrap_or_default(), path.name().unwrap_or_default());
        rustix::fs::linkat(&directory, from, &parent, to, AtFlags::empty())
            .map_err(|error| self.directories.error("link", path, error))?;
        self.puts.insert(path.clone(), put);
        Ok(())
    }

    /// Deletes `path` of the parent. Nothing happens if the parent has none. What this writer puts there, before or after,
    /// stays; a directory then hides the parent's content.
    ///
    /// # Errors
    /// [`StoreError::WhiteoutName`].
    pub fn whiteout(&mut self, path: &TreePath) -> Result<(), StoreError> {
        refuse_whiteout_name(path)?;
        self.whiteouts.insert(path.clone());
        Ok(())
    }

    /// Hides what the parent has inside the directory `path`.
    ///
    /// # Errors
    /// [`StoreError::WhiteoutName`].
    pub fn opaque(&mut self, path: &TreePath) -> Result<(), StoreError> {
        refuse_whiteout_name(path)?;
        self.opaques.insert(path.clone());
        Ok(())
    }

    /// Makes everything ready to put something at `path`: the directories above it, and nothing at it but, with
    /// `directory`, a directory. Returns the directory above.
    fn begin(&mut self, path: &TreePath, directory: bool) -> Result<Arc<OwnedFd>, StoreError> {
        refuse_whiteout_name(path)?;
        if path.is_root() {
            return Err(StoreError::NotADirectory { path: path.clone(), at: path.clone() });
        }
        self.directories.refuse_long(path)?;
        self.pool.check()?;
        let parent = path.parent().unwrap_or_default();
        self.ensure_directory(&parent, path)?;
        match self.puts.get(path) {
            Some(put) if directory && put.entry.is_directory() => {}
            Some(_) => self.displace(path)?,
            None => {}
        }
        self.directories.open(&parent)
    }

    /// Makes `directory` and those above it, where this layer lacks them, as the parent has them.
    fn ensure_directory(&mut self, directory: &TreePath, path: &TreePath) -> Result<(), StoreError> {
        let mut missing = Vec::new();
        let mut at = directory.clone();
        while !at.is_root() {
            match self.puts.get(&at) {
                Some(put) if put.entry.is_directory() => break,
                Some(_) => return Err(StoreError::NotADirectory { path: path.clone(), at }),
                None => {}
            }
            let above = at.parent().unwrap_or_default();
            missing.push(std::mem::replace(&mut at, above));
        }
        for directory in missing.into_iter().rev() {
            let below = self.parent.get(&directory).filter(|entry| entry.is_directory()).cloned();
            let entry = below.unwrap_or_else(|| Entry::directory(0o755, Mtime::default()));
            let parent = self.directories.open(&directory.parent().unwrap_or_default())?;
            self.directories.make(&parent, &directory, entry.mode)?;
            self.puts.insert(directory, Put { entry, bytes: Bytes::Here });
        }
        Ok(())
    }

    /// Removes what this writer put at `path` and below.
    fn displace(&mut self, path: &TreePath) -> Result<(), StoreError> {
        self.pool.drain()?;
        self.directories.remove(path)?;
        let gone: Vec<TreePath> = self
            .puts
            .range(path.clone()..)
            .map(|(other, _)| other)
            .take_while(|other| other.below(path).is_some())
            .cloned()
            .collect();
        for path in gone {
            self.puts.remove(&path);
        }
        Ok(())
    }

    /// What the parent has at `path`, unless this layer hides it.
    fn below(&self, path: &TreePath) -> Option<Below> {
        let hidden = |at: &TreePath| self.whiteouts.contains(at) || self.opaques.contains(at);
        if self.whiteouts.contains(path) || path.ancestors().any(|above| hidden(&above)) {
            return None;
        }
        let (entry, layer) = self.parent.find(path)?;
        Some(Below { entry: entry.clone(), layer: layer? })
    }

    /// Copies something of the parent into this layer.
    fn copy_up(&mut self, path: &TreePath, found: &Below) -> Result<(), StoreError> {
        match &found.entry.kind {
            Kind::File(_) => {
                let source = FileSource::Layer { layer: found.layer, path: path.clone() };
                self.put_file_from(path, &found.entry, source)
            }
            _ => self.put_special(path, &found.entry),
        }
    }
}

/// Something of the parent.
struct Below {
    entry: Entry,
    layer: LayerId,
}

/// Only the last component: the ones above it were put, or refused, themselves.
fn refuse_whiteout_name(path: &TreePath) -> Result<(), StoreError> {
    let bad = path.components().any(|component| component.starts_with(WHITEOUT_PREFIX));
    if bad { Err(StoreError::WhiteoutName { path: path.clone() }) } else { Ok(()) }
}

/// An entry's times, for utimensat(2): the access time is the modification time.
pub(crate) fn times_of(mtime: Mtime) -> Timestamps {
    let time = rustix::fs::Timespec { tv_sec: mtime.seconds, tv_nsec: i64::from(mtime.nanoseconds) };
    Timestamps { last_access: time, last_modification: time }
}
