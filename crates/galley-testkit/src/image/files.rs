//! Layers merged into one tree (OCI image-spec, layer.md).

use std::collections::{BTreeMap, HashSet};
use std::io::Read;

use tar::EntryType;

use super::ImageError;

/// A tree of files by path, without a slash in front.
#[derive(Debug, Clone, Default)]
pub struct Files {
    /// What is at each path. The root itself is the empty path, where a layer has it.
    pub nodes: BTreeMap<Vec<u8>, Node>,
    /// The number that the next file gets.
    next: usize,
}

/// One entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// What it is.
    pub content: Content,
    /// Permission bits with setuid, setgid and sticky.
    pub mode: u32,
    /// User and group.
    pub owner: (u64, u64),
    /// Seconds since 1970.
    pub mtime: u64,
    /// Extended attributes.
    pub xattrs: BTreeMap<String, Vec<u8>>,
}

/// What an entry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// A directory.
    Directory,
    /// A regular file. Paths with the same number are one file.
    File {
        /// Tells hard links of one file from files that look the same.
        number: usize,
        /// The bytes.
        bytes: Vec<u8>,
    },
    /// A symbolic link to this.
    Symlink(Vec<u8>),
    /// A named pipe.
    Fifo,
    /// A character or block device: its letter (`c` or `b`), major and minor number.
    Device(char, u32, u32),
}

impl Files {
    /// Puts a layer on top.
    ///
    /// # Errors
    /// A tar that is damaged, an entry of a strange kind, or a hard link to what is not there.
    pub fn apply(&mut self, layer: &[u8]) -> Result<(), ImageError> {
        let failed = |error: std::io::Error| format!("layer: {error}");
        let mut own = HashSet::new();
        let mut gone = Vec::new();
        for entry in tar::Archive::new(layer).entries().map_err(failed)? {
            let mut entry = entry.map_err(failed)?;
            let path = clean(&entry.path_bytes());
            let (parent, name) = split(&path);
            if name == b".wh..wh..opq" {
                gone.push((parent.to_vec(), true));
            } else if let Some(hidden) = name.strip_prefix(b".wh.") {
                gone.push((join(parent, hidden), false));
            } else {
                self.put(path.clone(), &mut entry, &own)?;
                own.insert(path);
            }
        }
        for (path, content_only) in gone {
            self.nodes
                .retain(|at, _| own.contains(at) || !(below(at, &path) || !content_only && *at == path));
        }
        Ok(())
    }

    fn put(
        &mut self,
        path: Vec<u8>,
        entry: &mut tar::Entry<'_, &[u8]>,
        own: &HashSet<Vec<u8>>,
    ) -> Result<(), ImageError> {
        let name = String::from_utf8_lossy(&path).into_owned();
        let failed = |error: std::io::Error| format!("{name}: {error}");
        if own.contains(&path) {
            return Err(format!("{name}: twice in one layer"));
        }
        let node = match entry.header().entry_type() {
            EntryType::Link => {
                let target = clean(&entry.link_name_bytes().unwrap_or_default());
                let linked = self.nodes.get(&target).cloned();
                linked.ok_or_else(|| format!("{name}: linked to what is not there"))?
            }
            _ => self.node(entry).map_err(failed)?,
        };
        if node.content != Content::Directory {
            self.nodes.retain(|at, _| !below(at, &path));
        }
        self.nodes.insert(path, node);
        Ok(())
    }

    fn node(&mut self, entry: &mut tar::Entry<'_, &[u8]>) -> std::io::Result<Node> {
        let mut xattrs = BTreeMap::new();
        if let Some(extensions) = entry.pax_extensions()? {
            for extension in extensions {
                let extension = extension?;
                let name = String::from_utf8_lossy(extension.key_bytes()).into_owned();
                if let Some(name) = name.strip_prefix("SCHILY.xattr.") {
                    xattrs.insert(name.to_owned(), extension.value_bytes().to_vec());
                }
            }
        }
        let header = entry.header();
        let device = |letter| -> std::io::Result<Content> {
            let (major, minor) = (header.device_major()?, header.device_minor()?);
            Ok(Content::Device(letter, major.unwrap_or(0), minor.unwrap_or(0)))
        };
        let content = match header.entry_type() {
            EntryType::Directory => Content::Directory,
            EntryType::Symlink => Content::Symlink(entry.link_name_bytes().unwrap_or_default().into_owned()),
            EntryType::Fifo => Content::Fifo,
            EntryType::Char => device('c')?,
            EntryType::Block => device('b')?,
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
                let mut bytes = Vec::new();
                entry.read_to_end(&mut bytes)?;
                self.next += 1;
                Content::File { number: self.next, bytes }
            }
            other => return Err(std::io::Error::other(format!("{other:?} is no entry of a layer"))),
        };
        let header = entry.header();
        Ok(Node {
            content,
            mode: header.mode()? & 0o7777,
            owner: (header.uid()?, header.gid()?),
            mtime: header.mtime()?,
            xattrs,
        })
    }
}

fn clean(path: &[u8]) -> Vec<u8> {
    let parts = path.split(|byte| *byte == b'/').filter(|part| !matches!(*part, b"" | b"."));
    parts.collect::<Vec<_>>().join(&b'/')
}

fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|byte| *byte == b'/') {
        Some(at) => (path.get(..at).unwrap_or_default(), path.get(at + 1..).unwrap_or_default()),
        None => (&[], path),
    }
}

fn join(parent: &[u8], name: &[u8]) -> Vec<u8> {
    if parent.is_empty() { name.to_vec() } else { [parent, b"/", name].concat() }
}

/// Whether `path` lies below `directory`; everything but the root lies below the root.
fn below(path: &[u8], directory: &[u8]) -> bool {
    match path.strip_prefix(directory) {
        Some(rest) if directory.is_empty() => !rest.is_empty(),
        Some(rest) => rest.first() == Some(&b'/'),
        None => false,
    }
}
