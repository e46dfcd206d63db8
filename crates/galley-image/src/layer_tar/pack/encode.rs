//! A member's header, as bytes: one ustar block, and pax records for what it cannot hold.

use crate::entry::Entry;
use crate::layer_tar::header::{USTAR, checksums, field};
use crate::layer_tar::{BLOCK, pax};

/// The largest value of an octal field of 12 bytes: 11 digits and a NUL.
const LARGEST_SIZE: u64 = (1 << 33) - 1;

/// The largest value of an octal field of 8 bytes: 7 digits and a NUL.
pub(super) const LARGEST_ID: u32 = (1 << 21) - 1;

/// What a header says. Paths and targets are bytes as they are to be read back.
pub(super) struct Member<'a> {
    pub name: &'a [u8],
    pub kind: u8,
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    pub size: u64,
    pub mtime: i64,
    pub link: &'a [u8],
    pub device: (u32, u32),
}

pub(super) fn xattr_records(entry: &Entry) -> Vec<(Vec<u8>, &[u8])> {
    entry.xattrs.iter().map(|(name, value)| (pax::encode_xattr_name(name), &**value)).collect()
}

/// The ustar block of a member, and the pax records for what does not fit into it.
pub(super) fn encode(member: &Member<'_>, xattrs: &[(Vec<u8>, &[u8])]) -> ([u8; BLOCK], Vec<u8>) {
    let mut block = [0; BLOCK];
    let mut records: Vec<(Vec<u8>, Vec<u8>)> =
        xattrs.iter().map(|(key, value)| (key.clone(), value.to_vec())).collect();
    let mut record = |key: &[u8], value: Vec<u8>| records.push((key.to_vec(), value));

    match split_name(member.name) {
        Some((prefix, name)) => {
            put_text(&mut block, field::NAME, name);
            put_text(&mut block, field::PREFIX, prefix);
        }
        None => {
            put_text(&mut block, field::NAME, &readable(member.name));
            record(b"path", member.name.to_vec());
        }
    }
    if member.link.len() > field::LINK.len() || !member.link.is_ascii() {
        put_text(&mut block, field::LINK, &readable(member.link));
        record(b"linkpath", member.link.to_vec());
    } else {
        put_text(&mut block, field::LINK, member.link);
    }
    let mut numeric = |range: std::ops::Range<usize>, key: &[u8], value: i128, largest: i128| {
        let fits = (0..=largest).contains(&value);
        put_octal(&mut block, range, if fits { value.cast_unsigned() as u64 } else { 0 });
        if !fits {
            record(key, value.to_string().into_bytes());
        }
    };
    numeric(field::UID, b"uid", member.uid.into(), LARGEST_ID.into());
    numeric(field::GID, b"gid", member.gid.into(), LARGEST_ID.into());
    numeric(field::SIZE, b"size", member.size.into(), LARGEST_SIZE.into());
    numeric(field::MTIME, b"mtime", member.mtime.into(), LARGEST_SIZE.into());
    put_octal(&mut block, field::MODE, member.mode.into());
    put_octal(&mut block, field::MAJOR, member.device.0.into());
    put_octal(&mut block, field::MINOR, member.device.1.into());
    block[field::TYPE] = member.kind;
    block[field::MAGIC].copy_from_slice(USTAR);
    let sum = checksums(&block).0;
    // Six digits, NUL, blank: the one field with this form.
    block[field::CHECKSUM].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());

    records.sort();
    let mut encoded = Vec::new();
    for (key, value) in &records {
        pax::write_record(&mut encoded, key, value);
    }
    (block, encoded)
}

/// Prefix and name for the two ustar fields; `None` when they cannot hold `name`.
fn split_name(name: &[u8]) -> Option<(&[u8], &[u8])> {
    if !name.is_ascii() {
        return None;
    }
    if name.len() <= field::NAME.len() {
        return Some((&[], name));
    }
    // The last slash that leaves a prefix short enough; a directory's final slash cannot be the cut.
    let reach = (field::PREFIX.len() + 1).min(name.len() - 1);
    let cut = name[..reach].iter().rposition(|byte| *byte == b'/')?;
    let (prefix, rest) = (&name[..cut], &name[cut + 1..]);
    (rest.len() <= field::NAME.len()).then_some((prefix, rest))
}

/// What programs that do not know pax headers see: the end of the text, with `_` for what is not ASCII.
fn readable(text: &[u8]) -> Vec<u8> {
    let start = text.len().saturating_sub(field::NAME.len());
    let ascii = |byte: &u8| if byte.is_ascii() { *byte } else { b'_' };
    text[start..].iter().map(ascii).collect()
}

fn put_text(block: &mut [u8; BLOCK], range: std::ops::Range<usize>, text: &[u8]) {
    for (to, from) in block[range].iter_mut().zip(text) {
        *to = *from;
    }
}

/// Octal digits with leading zeroes and a NUL at the end.
fn put_octal(block: &mut [u8; BLOCK], range: std::ops::Range<usize>, mut value: u64) {
    let digits = range.len() - 1;
    for to in block[range].iter_mut().take(digits).rev() {
        *to = b'0' + (value & 7) as u8;
        value >>= 3;
    }
}
