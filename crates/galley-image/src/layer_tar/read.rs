//! Reads a layer archive, member by member, without ever holding it: what it means goes to a [`LayerSink`].

mod error;
mod extension;
mod input;

use std::io::Read;

use super::header::Header;
use super::{OPAQUE_NAME, WHITEOUT_PREFIX, has_whiteout_name, padding};
use crate::entry::{Entry, FileContent, Kind};
use crate::path::TreePath;
pub use error::{ArchiveError, ReadError};
use extension::{Extension, Globals};
use input::{Content, Input};

/// Takes in what a layer archive says, in the archive's order. A path may come more than once: the last one counts, and
/// whoever puts something that is not a directory over a directory removes what was put below it.
/// [`crate::DiffBuilder`] does this for values.
///
/// Nothing in an archive limits how much it unpacks to. A sink that writes to disk checks sizes itself; they are known
/// before the first byte comes.
pub trait LayerSink {
    /// What can go wrong on this side.
    type Error;

    /// The next member's name as the archive writes it, before it becomes a path. Sinks of archives that have no business
    /// with absolute names or `..` refuse them here; for others they stay inside the tree.
    ///
    /// # Errors
    /// The sink's own; reading stops.
    fn name(&mut self, _written: &[u8]) -> Result<(), Self::Error> {
        Ok(())
    }

    /// `path` is this entry. For a regular file, `content` gives exactly its size in bytes (and need not be read to the
    /// end); for everything else it is empty. A file's digest and link group are not set.
    ///
    /// # Errors
    /// The sink's own; reading stops.
    fn put(&mut self, path: TreePath, entry: Entry, content: &mut dyn Read) -> Result<(), Self::Error>;

    /// `path` is another name of `target`, which this archive has put, or a layer below it has.
    ///
    /// # Errors
    /// The sink's own; reading stops.
    fn hard_link(&mut self, path: TreePath, target: TreePath) -> Result<(), Self::Error>;

    /// What the layers below have at `path` is gone. Says nothing of what this archive puts there, before or after.
    ///
    /// # Errors
    /// The sink's own; reading stops.
    fn whiteout(&mut self, path: TreePath) -> Result<(), Self::Error>;

    /// What the layers below have inside the directory `path` is gone; this archive's own entries stay.
    ///
    /// # Errors
    /// The sink's own; reading stops.
    fn opaque(&mut self, path: TreePath) -> Result<(), Self::Error>;
}

/// What names that begin with `.wh.` mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whiteouts {
    /// Deletions, as in a layer.
    Decode,
    /// Files like others, as in an archive that is a build context or that ADD unpacks.
    Literal,
}

/// What was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Summary {
    /// Members: entries, links, whiteouts and opaque markers.
    pub entries: u64,
    /// Bytes of all regular files.
    pub content: u64,
    /// Bytes read, to the end of the stream, so that a digest taken on the way is complete.
    pub bytes: u64,
    /// Whether the archive has its end marker. One without may have been cut between two members; docker and tar take
    /// it, and for layers the diff ID decides.
    pub ended: bool,
}

/// Reads an archive to the end of `reader` and tells `sink` what is in it.
///
/// Names are relative to the tree's root, absolute ones too. Refused, each with its own error: names and hard link
/// targets that leave the tree with `..`, whiteouts of nothing, sparse files, types that Linux layers do not have, numbers
/// out of range, headers that contradict each other, and an archive that ends inside a member. Extended attributes that
/// galley does not keep ([`Entry::keeps_xattr`]) are left out.
///
/// # Errors
/// [`ReadError`]: the archive's or the sink's.
pub fn read<S: LayerSink + ?Sized>(
    reader: &mut dyn Read,
    whiteouts: Whiteouts,
    sink: &mut S,
) -> Result<Summary, ReadError<S::Error>> {
    let mut input = Input::new(reader);
    let mut globals = Globals::default();
    let mut summary = Summary::default();
    while let Some(member) = next_member(&mut input, &mut globals, &mut summary.ended)? {
        summary.entries += 1;
        summary.content += member.size();
        sink.name(&member.name).map_err(ReadError::Sink)?;
        deliver(member, &mut input, whiteouts, sink)?;
    }
    input.drain()?;
    summary.bytes = input.offset();
    Ok(summary)
}

/// A member with its extended headers worked in. Its content has not been read.
struct Member {
    /// As written.
    name: Vec<u8>,
    what: What,
}

enum What {
    Entry { path: TreePath, entry: Entry, size: u64 },
    HardLink { path: TreePath, target: TreePath },
}

impl Member {
    fn size(&self) -> u64 {
        match self.what {
            What::Entry { size, .. } => size,
            What::HardLink { .. } => 0,
        }
    }
}

fn next_member(
    input: &mut Input<'_>,
    globals: &mut Globals,
    ended: &mut bool,
) -> Result<Option<Member>, ArchiveError> {
    let mut extension = Extension::default();
    loop {
        let at = input.offset();
        let Some(block) = input.block()? else {
            return if extension.is_empty() { Ok(None) } else { Err(ArchiveError::Truncated { offset: at }) };
        };
        let header = Header(&block);
        if header.is_zero() {
            if !extension.is_empty() {
                return Err(ArchiveError::Truncated { offset: at });
            }
            if input.block()?.is_some_and(|second| !Header(&second).is_zero()) {
                return Err(ArchiveError::LoneZeroBlock { offset: at });
            }
            *ended = true;
            return Ok(None);
        }
        let malformed = |error| ArchiveError::Header { offset: at, error };
        header.verify().map_err(malformed)?;
        match header.kind() {
            b'x' => extension.add_pax(&input.extended(header.size().map_err(malformed)?, at)?, at)?,
            b'g' => globals.add_pax(&input.extended(header.size().map_err(malformed)?, at)?, at)?,
            b'L' => extension.add_long_name(&input.extended(header.size().map_err(malformed)?, at)?, at)?,
            b'K' => extension.add_long_link(&input.extended(header.size().map_err(malformed)?, at)?, at)?,
            _ => return member(&header, extension, globals, at).map(Some),
        }
    }
}

fn member(
    header: &Header<'_>,
    extension: Extension,
    globals: &Globals,
    offset: u64,
) -> Result<Member, ArchiveError> {
    let malformed = |error| ArchiveError::Header { offset, error };
    let name = extension.path.clone().unwrap_or_else(|| header.name());
    let shown = || String::from_utf8_lossy(&name).into_owned();
    if name.is_empty() {
        return Err(ArchiveError::NoName { offset });
    }
    let path = TreePath::strict(&name).map_err(ArchiveError::Name)?;
    let link = extension.link.as_deref().unwrap_or_else(|| header.link());
    if header.kind() == b'1' && !extension.sparse {
        let what = hard_link(path, link)?;
        return Ok(Member { name, what });
    }
    let (kind, size) = kind(header, &extension, &name, link, offset)?;
    if path.is_root() && kind != Kind::Directory {
        return Err(ArchiveError::Root { offset });
    }
    let owner = |own: Option<u64>, global: Option<u64>, header: u64, what| {
        let id = own.or(global).unwrap_or(header);
        // The largest number means "no owner" to chown(2).
        u32::try_from(id).ok().filter(|id| *id != u32::MAX).ok_or_else(|| ArchiveError::Owner {
            name: shown(),
            what,
            id,
        })
    };
    let seconds = header.mtime().map_err(malformed)?;
    let entry = Entry {
        mode: if matches!(kind, Kind::Symlink(_)) { 0o777 } else { header.mode().map_err(malformed)? },
        uid: owner(extension.uid, globals.uid, header.uid().map_err(malformed)?, "uid")?,
        gid: owner(extension.gid, globals.gid, header.gid().map_err(malformed)?, "gid")?,
        mtime: extension.mtime.or(globals.mtime).unwrap_or(crate::Mtime { seconds, nanoseconds: 0 }),
        xattrs: extension.xattrs,
        kind,
    };
    Ok(Member { name, what: What::Entry { path, entry, size } })
}

/// What kind of thing a header other than a hard link's stands for, and how many bytes of content follow it.
fn kind(
    header: &Header<'_>,
    extension: &Extension,
    name: &[u8],
    link: &[u8],
    offset: u64,
) -> Result<(Kind, u64), ArchiveError> {
    let malformed = |error| ArchiveError::Header { offset, error };
    let shown = || String::from_utf8_lossy(name).into_owned();
    let size = || extension.size.map_or_else(|| header.size(), Ok).map_err(malformed);
    let device = || match extension.device {
        (Some(major), Some(minor)) => Ok((major, minor)),
        _ => header.device().map_err(malformed),
    };
    let kind = match header.kind() {
        _ if extension.sparse => return Err(ArchiveError::Sparse { name: shown() }),
        b'S' => return Err(ArchiveError::Sparse { name: shown() }),
        // V7 had no type for directories: their names end in a slash. Whatever else has such a name is one as well.
        0 | b'0' | b'7' if name.ends_with(b"/") => return Ok((Kind::Directory, size()?)),
        0 | b'0' | b'7' => {
            let size = size()?;
            return Ok((Kind::File(FileContent { size, digest: None, link_group: None }), size));
        }
        b'2' if link.is_empty() || link.contains(&0) => {
            return Err(ArchiveError::SymlinkTarget { name: shown() });
        }
        b'2' => Kind::Symlink(link.into()),
        b'3' => device().map(|(major, minor)| Kind::CharDevice { major, minor })?,
        b'4' => device().map(|(major, minor)| Kind::BlockDevice { major, minor })?,
        b'5' => Kind::Directory,
        b'6' => Kind::Fifo,
        other => {
            return Err(ArchiveError::Unsupported { name: shown(), kind: other.escape_ascii().to_string() });
        }
    };
    Ok((kind, 0))
}

fn hard_link(path: TreePath, link: &[u8]) -> Result<What, ArchiveError> {
    let refused =
        || ArchiveError::HardLink { path: path.clone(), target: String::from_utf8_lossy(link).into_owned() };
    let target = TreePath::strict(link).map_err(|_| refused())?;
    if target.is_root() || target == path || path.is_root() {
        return Err(refused());
    }
    Ok(What::HardLink { path, target })
}

fn deliver<S: LayerSink + ?Sized>(
    member: Member,
    input: &mut Input<'_>,
    whiteouts: Whiteouts,
    sink: &mut S,
) -> Result<(), ReadError<S::Error>> {
    let size = member.size();
    let mut content = Content::new(input, size);
    let delivered = match member.what {
        What::Entry { path, entry, .. } => {
            match if whiteouts == Whiteouts::Decode { marker(&path, &entry)? } else { Marker::None } {
                Marker::Whiteout(path) => sink.whiteout(path),
                Marker::Opaque(path) => sink.opaque(path),
                Marker::None => sink.put(path, entry, &mut content),
            }
        }
        What::HardLink { path, target } => {
            for name in [&path, &target] {
                if whiteouts == Whiteouts::Decode && has_whiteout_name(name) {
                    return Err(ArchiveError::Whiteout { path: name.clone() }.into());
                }
            }
            sink.hard_link(path, target)
        }
    };
    // A sink that failed because the archive broke off under its hands reports the effect; this is the cause.
    content.finish(delivered.is_ok())?;
    delivered.map_err(ReadError::Sink)?;
    input.skip(padding(size) as u64)?;
    Ok(())
}

enum Marker {
    None,
    Whiteout(TreePath),
    Opaque(TreePath),
}

/// What a `.wh.` name means.
fn marker(path: &TreePath, entry: &Entry) -> Result<Marker, ArchiveError> {
    if !has_whiteout_name(path) {
        return Ok(Marker::None);
    }
    let refused = || ArchiveError::Whiteout { path: path.clone() };
    let parent = path.parent().unwrap_or_default();
    if has_whiteout_name(&parent) || entry.file().is_none() {
        return Err(refused());
    }
    match path.name() {
        Some(name) if name == OPAQUE_NAME => Ok(Marker::Opaque(parent)),
        Some(name) => match name.strip_prefix(WHITEOUT_PREFIX) {
            // A second prefix marks the book-keeping of a file system that no longer exists (aufs).
            None | Some(b"" | b"." | b"..") => Err(refused()),
            Some(hidden) if hidden.starts_with(WHITEOUT_PREFIX) => Err(refused()),
            Some(hidden) => Ok(Marker::Whiteout(parent.join(hidden))),
        },
        None => Err(refused()),
    }
}
