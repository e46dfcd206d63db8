//! What a tree holds at one path.

use std::collections::BTreeMap;

use crate::digest::ContentDigest;

/// Extended attributes by full name (`user.x`, `security.capability`). Galley keeps `security.capability` and `user.*`
/// and no others, as COPY does.
pub type Xattrs = BTreeMap<Box<[u8]>, Box<[u8]>>;

/// A modification time: seconds since 1970 and nanoseconds below one second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Mtime {
    /// Seconds since 1970-01-01 UTC; negative before it.
    pub seconds: i64,
    /// Nanoseconds, 0 to 999,999,999.
    pub nanoseconds: u32,
}

/// Names files of one layer that are one inode: equal numbers, same file. Numbers mean nothing across layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkGroup(pub u32);

/// What is known of a regular file's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FileContent {
    /// Bytes.
    pub size: u64,
    /// The digest of the bytes where it is known: files that galley copied have it, files that a RUN step wrote get it
    /// when a later step selects them.
    pub digest: Option<ContentDigest>,
    /// Set when the file has more than one name in its layer.
    pub link_group: Option<LinkGroup>,
}

/// The type of an entry and what belongs to that type alone.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A regular file.
    File(FileContent),
    /// A directory.
    Directory,
    /// A symbolic link and its target, as stored.
    Symlink(Box<[u8]>),
    /// A character device.
    CharDevice {
        /// Major number.
        major: u32,
        /// Minor number.
        minor: u32,
    },
    /// A block device.
    BlockDevice {
        /// Major number.
        major: u32,
        /// Minor number.
        minor: u32,
    },
    /// A named pipe.
    Fifo,
}

/// A file, directory or other object of a tree, without its name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Entry {
    /// Type, and what belongs to it.
    pub kind: Kind,
    /// Permission bits, setuid, setgid and sticky: `0o7777`. 0o777 for symbolic links.
    pub mode: u32,
    /// Numeric owner, as the image sees it.
    pub uid: u32,
    /// Numeric group, as the image sees it.
    pub gid: u32,
    /// Modification time. Never part of a digest.
    pub mtime: Mtime,
    /// Extended attributes that are kept.
    pub xattrs: Xattrs,
}

impl Entry {
    /// A directory owned by root with these permission bits and no extended attributes.
    #[must_use]
    pub fn directory(mode: u32, mtime: Mtime) -> Self {
        Self { kind: Kind::Directory, mode, uid: 0, gid: 0, mtime, xattrs: Xattrs::new() }
    }

    /// Whether this is a directory.
    #[must_use]
    pub fn is_directory(&self) -> bool {
        matches!(self.kind, Kind::Directory)
    }

    /// The content of a regular file; `None` for everything else.
    #[must_use]
    pub fn file(&self) -> Option<&FileContent> {
        match &self.kind {
            Kind::File(content) => Some(content),
            _ => None,
        }
    }

    /// The target of a symbolic link; `None` for everything else.
    #[must_use]
    pub fn symlink_target(&self) -> Option<&[u8]> {
        match &self.kind {
            Kind::Symlink(target) => Some(target),
            _ => None,
        }
    }

    /// Whether COPY, diffs and digests treat an extended attribute of this name as part of the file.
    #[must_use]
    pub fn keeps_xattr(name: &[u8]) -> bool {
        name == b"security.capability" || (name.starts_with(b"user.") && !name.starts_with(b"user.overlay."))
    }
}
