//! Writes a layer as a tar archive in the one canonical form of its profile.

mod encode;

use std::collections::HashMap;
use std::io::{self, Read, Write};

use super::{BLOCK, OPAQUE_NAME, WHITEOUT_PREFIX, has_whiteout_name, padding};
use crate::diff::{Change, Diff};
use crate::entry::{Entry, Kind, LinkGroup};
use crate::path::TreePath;
use encode::{LARGEST_ID, Member, encode, xattr_records};

/// What decides an archive's bytes besides the layer itself. A diff ID is remembered by (layer, profile).
///
/// Version 1: members in path order (the root as `./`); ustar headers with numeric owners, no names; a pax header only
/// where a ustar field cannot hold a value, and for extended attributes, its records sorted by key; times in whole
/// seconds; further names of a file as hard links to its first; whiteouts and opaque markers as empty files of mode 0
/// and time 0, the marker right after its directory; two zero blocks at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TarProfile {
    /// Version of the canonical form. There is one so far.
    pub version: u32,
    /// What becomes of modification times.
    pub times: Times,
}

/// What becomes of modification times. Seconds since 1970 (`SOURCE_DATE_EPOCH`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Times {
    /// They stay.
    Kept,
    /// Later ones become this one: what a step wrote while it ran has this time, what it unpacked keeps its own.
    AtMost(i64),
    /// All become this one: where the times of files are no part of what is built, as in a checkout.
    All(i64),
}

impl Times {
    /// What becomes of `time`.
    #[must_use]
    pub fn apply(self, time: i64) -> i64 {
        match self {
            Self::Kept => time,
            Self::AtMost(latest) => time.min(latest),
            Self::All(one) => one,
        }
    }
}

impl TarProfile {
    /// The version that new layers are packed in.
    pub const CURRENT: u32 = 1;

    /// The current version.
    #[must_use]
    pub const fn current(times: Times) -> Self {
        Self { version: Self::CURRENT, times }
    }
}

/// What was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packed {
    /// Bytes of the whole archive.
    pub bytes: u64,
    /// Members, whiteouts and opaque markers included.
    pub entries: u64,
}

/// Why a layer could not be packed.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// The profile names a form that this galley does not know.
    #[error("layers of tar profile {0} are from a newer galley: this one writes profile {current}", current = TarProfile::CURRENT)]
    Profile(u32),
    /// A file is named like a deletion.
    #[error(
        "{0:?} cannot be stored in a layer: names that begin with `.wh.` mean deletions there; rename it"
    )]
    WhiteoutName(TreePath),
    /// The file's bytes could not be read.
    #[error("cannot read {path:?} to pack it: {error}")]
    Read {
        /// The file.
        path: TreePath,
        /// Why.
        error: io::Error,
    },
    /// There are more or fewer bytes than the layer's manifest says.
    #[error("{path:?} changed after its layer was made: {expected} bytes then, {found} or more now")]
    Size {
        /// The file.
        path: TreePath,
        /// Bytes in the manifest.
        expected: u64,
        /// Bytes found; at least this many where the file grew.
        found: u64,
    },
    /// A device number does not fit into the format.
    #[error("{path:?} has device number {major}:{minor}, which a tar archive cannot hold")]
    Device {
        /// The device.
        path: TreePath,
        /// Major number.
        major: u32,
        /// Minor number.
        minor: u32,
    },
    /// The archive could not be written.
    #[error("cannot write the layer archive: {0}")]
    Write(#[source] io::Error),
}

/// Opens the bytes of a regular file of the layer.
pub type Open<'a> = dyn FnMut(&TreePath, &Entry) -> io::Result<Box<dyn Read>> + 'a;

/// Writes `diff` to `out` in the canonical form of `profile`. `open` gives the bytes of a regular file; it is called once
/// for each file that is not empty, in path order, hard links only for their first name.
///
/// # Errors
/// [`PackError`]; what was written by then is of no use.
pub fn pack(
    diff: &Diff,
    profile: &TarProfile,
    open: &mut Open<'_>,
    out: &mut dyn Write,
) -> Result<Packed, PackError> {
    if profile.version != TarProfile::CURRENT {
        return Err(PackError::Profile(profile.version));
    }
    let mut packer = Packer {
        blocks: Blocks { out, buffer: Vec::with_capacity(BUFFER), flushed: 0 },
        times: profile.times,
        links: HashMap::new(),
        entries: 0,
    };
    for (path, change) in diff {
        if has_whiteout_name(path) {
            return Err(PackError::WhiteoutName(path.clone()));
        }
        match change {
            Change::Put { entry, opaque } => {
                packer.entry(path, entry, open)?;
                if *opaque && entry.is_directory() {
                    packer.marker(&path.join(OPAQUE_NAME))?;
                }
            }
            Change::Whiteout => {
                let name = [WHITEOUT_PREFIX, path.name().unwrap_or_default()].concat();
                packer.marker(&path.parent().unwrap_or_default().join(&name))?;
            }
        }
    }
    let bytes = packer.blocks.finish()?;
    Ok(Packed { bytes, entries: packer.entries })
}

/// Large enough that hashing and writing are not called for every small file.
const BUFFER: usize = 256 << 10;

struct Packer<'a> {
    blocks: Blocks<'a>,
    times: Times,
    links: HashMap<LinkGroup, TreePath>,
    entries: u64,
}

impl Packer<'_> {
    fn entry(&mut self, path: &TreePath, entry: &Entry, open: &mut Open<'_>) -> Result<(), PackError> {
        let mut directory_name = Vec::new();
        let mut member = Member {
            name: path.as_bytes(),
            kind: b'0',
            mode: entry.mode & 0o7777,
            uid: entry.uid,
            gid: entry.gid,
            size: 0,
            mtime: self.times.apply(entry.mtime.seconds),
            link: &[],
            device: (0, 0),
        };
        let first_name;
        match &entry.kind {
            Kind::File(file) => {
                let first = file.link_group.and_then(|group| self.links.get(&group).cloned());
                if let Some(first) = first {
                    first_name = first;
                    member.kind = b'1';
                    member.link = first_name.as_bytes();
                    // The first name carries the attributes.
                    return self.header(&member, &[]);
                }
                if let Some(group) = file.link_group {
                    self.links.insert(group, path.clone());
                }
                member.size = file.size;
                self.header(&member, &xattr_records(entry))?;
                return match file.size {
                    0 => Ok(()),
                    size => self.content(path, size, || open(path, entry)),
                };
            }
            Kind::Directory => {
                directory_name.extend_from_slice(if path.is_root() { b"." } else { path.as_bytes() });
                directory_name.push(b'/');
                (member.kind, member.name) = (b'5', &directory_name);
            }
            Kind::Symlink(target) => (member.kind, member.link) = (b'2', target),
            Kind::CharDevice { major, minor } => (member.kind, member.device) = (b'3', (*major, *minor)),
            Kind::BlockDevice { major, minor } => (member.kind, member.device) = (b'4', (*major, *minor)),
            Kind::Fifo => member.kind = b'6',
        }
        let (major, minor) = member.device;
        if major > LARGEST_ID || minor > LARGEST_ID {
            return Err(PackError::Device { path: path.clone(), major, minor });
        }
        self.header(&member, &xattr_records(entry))
    }

    /// An empty file whose name alone says something.
    fn marker(&mut self, path: &TreePath) -> Result<(), PackError> {
        let name = path.as_bytes();
        let member = Member {
            name,
            kind: b'0',
            mode: 0,
            uid: 0,
            gid: 0,
            size: 0,
            mtime: 0,
            link: &[],
            device: (0, 0),
        };
        self.header(&member, &[])
    }

    fn content(
        &mut self,
        path: &TreePath,
        size: u64,
        open: impl FnOnce() -> io::Result<Box<dyn Read>>,
    ) -> Result<(), PackError> {
        let unreadable = |error| PackError::Read { path: path.clone(), error };
        let mut reader = open().map_err(unreadable)?;
        let mut left = size;
        while left > 0 {
            let count = self.blocks.fill_from(&mut *reader, left, &unreadable)?;
            if count == 0 {
                return Err(PackError::Size { path: path.clone(), expected: size, found: size - left });
            }
            left -= count;
        }
        if read_some(&mut *reader, &mut [0]).map_err(unreadable)? != 0 {
            return Err(PackError::Size { path: path.clone(), expected: size, found: size + 1 });
        }
        self.blocks.write(&[0; BLOCK][..padding(size)])
    }

    fn header(&mut self, member: &Member<'_>, xattrs: &[(Vec<u8>, &[u8])]) -> Result<(), PackError> {
        self.entries += 1;
        let (block, records) = encode(member, xattrs);
        if !records.is_empty() {
            let size = records.len() as u64;
            let name = b"PaxHeaders.0/x";
            let extended = Member {
                name,
                kind: b'x',
                mode: 0o644,
                uid: 0,
                gid: 0,
                size,
                mtime: 0,
                link: &[],
                device: (0, 0),
            };
            self.blocks.write(&encode(&extended, &[]).0)?;
            self.blocks.write(&records)?;
            self.blocks.write(&[0; BLOCK][..padding(size)])?;
        }
        self.blocks.write(&block)
    }
}

fn read_some(reader: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match reader.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// The archive on its way out, in large pieces.
struct Blocks<'a> {
    out: &'a mut dyn Write,
    buffer: Vec<u8>,
    flushed: u64,
}

impl Blocks<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<(), PackError> {
        if self.buffer.len() + bytes.len() > BUFFER {
            self.flush()?;
        }
        // An extended header with large attributes may exceed the buffer, which then grows once.
        self.buffer.extend_from_slice(bytes);
        Ok(())
    }

    /// Reads up to `most` bytes straight into the buffer; 0 at the end of `reader`.
    fn fill_from(
        &mut self,
        reader: &mut dyn Read,
        most: u64,
        unreadable: &dyn Fn(io::Error) -> PackError,
    ) -> Result<u64, PackError> {
        if self.buffer.len() >= BUFFER {
            self.flush()?;
        }
        let start = self.buffer.len();
        let room = (BUFFER - start).min(usize::try_from(most).unwrap_or(usize::MAX));
        self.buffer.resize(start + room, 0);
        let count = read_some(reader, &mut self.buffer[start..]).map_err(unreadable)?;
        self.buffer.truncate(start + count);
        Ok(count as u64)
    }

    fn flush(&mut self) -> Result<(), PackError> {
        self.out.write_all(&self.buffer).map_err(PackError::Write)?;
        self.flushed += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    fn finish(&mut self) -> Result<u64, PackError> {
        self.write(&[0; 2 * BLOCK])?;
        self.flush()?;
        self.out.flush().map_err(PackError::Write)?;
        Ok(self.flushed)
    }
}
