//! From bytes to a diff, trusting none of them.

use galley_image::{
    Change, ContentDigest, Diff, Entry, FileContent, Kind, LinkGroup, Mtime, TreePath, Xattrs,
};

use super::{CHECKSUM, MAGIC, tag};

/// What is wrong with the bytes.
type Reason = &'static str;

/// The shortest entry: no shared bytes, an empty path, a whiteout.
const SHORTEST: usize = 3;

pub(super) fn decode(bytes: &[u8]) -> Result<Diff, Reason> {
    let (body, checksum) = bytes.split_last_chunk::<CHECKSUM>().ok_or("it is too short")?;
    let body_checksum = blake3::hash(body);
    let rest = body.strip_prefix(MAGIC).ok_or("it is no manifest of a version that this galley knows")?;
    if body_checksum != blake3::Hash::from_bytes(*checksum) {
        return Err("its checksum is wrong");
    }
    let mut input = Input(rest);
    let count = usize::try_from(input.number()?).map_err(|_| "its count is wrong")?;
    let mut changes: Vec<(TreePath, Change)> = Vec::with_capacity(count.min(rest.len() / SHORTEST));
    let mut path = Vec::new();
    for _ in 0..count {
        let shared = usize::try_from(input.number()?).map_err(|_| "a path is wrong")?;
        if shared > path.len() {
            return Err("a path is wrong");
        }
        path.truncate(shared);
        path.extend_from_slice(input.bytes()?);
        let tree_path = checked(&path)?;
        if changes.last().is_some_and(|(last, _)| *last >= tree_path) {
            return Err("its paths are out of order");
        }
        changes.push((tree_path, input.change()?));
    }
    if !input.0.is_empty() {
        return Err("it has bytes behind its last entry");
    }
    Ok(Diff::new(changes))
}

/// A path that is normalised already: checking is much cheaper than normalising again.
fn checked(path: &[u8]) -> Result<TreePath, Reason> {
    let bad = |component: &[u8]| matches!(component, b"" | b"." | b"..");
    if !path.is_empty() && (path.contains(&0) || path.split(|byte| *byte == b'/').any(bad)) {
        return Err("a path is wrong");
    }
    Ok(TreePath::root().join(path))
}

struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn byte(&mut self) -> Result<u8, Reason> {
        let (first, rest) = self.0.split_first().ok_or("it ends in the middle")?;
        self.0 = rest;
        Ok(*first)
    }

    fn number(&mut self) -> Result<u64, Reason> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if bits << shift >> shift != bits {
                break;
            }
            value |= bits << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err("a number is too large")
    }

    fn small(&mut self) -> Result<u32, Reason> {
        u32::try_from(self.number()?).map_err(|_| "a number is too large")
    }

    fn signed(&mut self) -> Result<i64, Reason> {
        let value = self.number()?;
        Ok((value >> 1).cast_signed() ^ -(value & 1).cast_signed())
    }

    fn bytes(&mut self) -> Result<&'a [u8], Reason> {
        let length = usize::try_from(self.number()?).map_err(|_| "a length is wrong")?;
        let (bytes, rest) = self.0.split_at_checked(length).ok_or("it ends in the middle")?;
        self.0 = rest;
        Ok(bytes)
    }

    fn change(&mut self) -> Result<Change, Reason> {
        let tag = self.byte()?;
        if tag == tag::WHITEOUT {
            return Ok(Change::Whiteout);
        }
        let mode = self.small()?;
        let uid = self.small()?;
        let gid = self.small()?;
        let mtime = Mtime { seconds: self.signed()?, nanoseconds: self.small()? };
        let kind = self.kind(tag)?;
        let mut xattrs = Xattrs::new();
        if tag & tag::XATTRS != 0 {
            for _ in 0..self.number()? {
                let name = self.bytes()?.into();
                xattrs.insert(name, self.bytes()?.into());
            }
        }
        let entry = Entry { kind, mode, uid, gid, mtime, xattrs };
        Ok(Change::Put { entry, opaque: tag & tag::OPAQUE != 0 })
    }

    fn kind(&mut self, tag: u8) -> Result<Kind, Reason> {
        Ok(match tag & tag::KIND {
            tag::FILE => {
                let size = self.number()?;
                let digest = if tag & tag::DIGEST == 0 { None } else { Some(self.digest()?) };
                let link_group =
                    if tag & tag::LINK_GROUP == 0 { None } else { Some(LinkGroup(self.small()?)) };
                Kind::File(FileContent { size, digest, link_group })
            }
            tag::DIRECTORY => Kind::Directory,
            tag::SYMLINK => Kind::Symlink(self.bytes()?.into()),
            tag::CHAR_DEVICE => Kind::CharDevice { major: self.small()?, minor: self.small()? },
            tag::BLOCK_DEVICE => Kind::BlockDevice { major: self.small()?, minor: self.small()? },
            tag::FIFO => Kind::Fifo,
            _ => return Err("an entry is of no known kind"),
        })
    }

    fn digest(&mut self) -> Result<ContentDigest, Reason> {
        let (digest, rest) = self.0.split_first_chunk::<32>().ok_or("it ends in the middle")?;
        self.0 = rest;
        Ok(ContentDigest(*digest))
    }
}
