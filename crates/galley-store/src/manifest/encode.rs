//! From a diff to bytes.

use galley_image::{Change, Diff, Entry, Kind};

use super::{CHECKSUM, MAGIC, tag};

pub(super) fn encode(diff: &Diff) -> Vec<u8> {
    let mut out = Vec::with_capacity(MAGIC.len() + 64 * diff.len() + CHECKSUM);
    out.extend_from_slice(MAGIC);
    number(&mut out, diff.len() as u64);
    let mut before: &[u8] = &[];
    for (path, change) in diff {
        let path = path.as_bytes();
        let shared = before.iter().zip(path).take_while(|(a, b)| a == b).count();
        number(&mut out, shared as u64);
        bytes(&mut out, path.get(shared..).unwrap_or_default());
        before = path;
        match change {
            Change::Whiteout => out.push(tag::WHITEOUT),
            Change::Put { entry: put, opaque } => entry(&mut out, put, *opaque),
        }
    }
    let checksum = blake3::hash(&out);
    out.extend_from_slice(checksum.as_bytes());
    out
}

fn entry(out: &mut Vec<u8>, entry: &Entry, opaque: bool) {
    let mut tag = match &entry.kind {
        Kind::File(_) => tag::FILE,
        Kind::Directory => tag::DIRECTORY,
        Kind::Symlink(_) => tag::SYMLINK,
        Kind::CharDevice { .. } => tag::CHAR_DEVICE,
        Kind::BlockDevice { .. } => tag::BLOCK_DEVICE,
        Kind::Fifo => tag::FIFO,
    };
    let file = entry.file();
    for (has, flag) in [
        (!entry.xattrs.is_empty(), tag::XATTRS),
        (opaque, tag::OPAQUE),
        (file.is_some_and(|file| file.digest.is_some()), tag::DIGEST),
        (file.is_some_and(|file| file.link_group.is_some()), tag::LINK_GROUP),
    ] {
        if has {
            tag |= flag;
        }
    }
    out.push(tag);
    number(out, u64::from(entry.mode));
    number(out, u64::from(entry.uid));
    number(out, u64::from(entry.gid));
    signed(out, entry.mtime.seconds);
    number(out, u64::from(entry.mtime.nanoseconds));
    match &entry.kind {
        Kind::File(file) => {
            number(out, file.size);
            if let Some(digest) = &file.digest {
                out.extend_from_slice(&digest.0);
            }
            if let Some(group) = file.link_group {
                number(out, u64::from(group.0));
            }
        }
        Kind::Symlink(target) => bytes(out, target),
        Kind::CharDevice { major, minor } | Kind::BlockDevice { major, minor } => {
            number(out, u64::from(*major));
            number(out, u64::from(*minor));
        }
        Kind::Directory | Kind::Fifo => {}
    }
    if !entry.xattrs.is_empty() {
        number(out, entry.xattrs.len() as u64);
        for (name, value) in &entry.xattrs {
            bytes(out, name);
            bytes(out, value);
        }
    }
}

fn number(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    out.push(value.to_le_bytes()[0]);
}

/// Zigzag: small numbers of either sign stay short.
fn signed(out: &mut Vec<u8>, value: i64) {
    number(out, ((value << 1) ^ (value >> 63)).cast_unsigned());
}

fn bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    number(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}
