//! The 512-byte header of a member: fields at fixed offsets (POSIX.1-2017, pax, "ustar Interchange Format"; tar(5)).

use super::BLOCK;

/// Field positions in a header block.
pub(super) mod field {
    use std::ops::Range;

    pub const NAME: Range<usize> = 0..100;
    pub const MODE: Range<usize> = 100..108;
    pub const UID: Range<usize> = 108..116;
    pub const GID: Range<usize> = 116..124;
    pub const SIZE: Range<usize> = 124..136;
    pub const MTIME: Range<usize> = 136..148;
    pub const CHECKSUM: Range<usize> = 148..156;
    pub const TYPE: usize = 156;
    pub const LINK: Range<usize> = 157..257;
    pub const MAGIC: Range<usize> = 257..265;
    pub const MAJOR: Range<usize> = 329..337;
    pub const MINOR: Range<usize> = 337..345;
    pub const PREFIX: Range<usize> = 345..500;
}

/// Magic and version of a ustar header; GNU tar writes `ustar  \0` instead, V7 nothing.
pub(super) const USTAR: &[u8; 8] = b"ustar\x0000";

/// What is wrong with a header block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// The sum of the bytes is not the one written down.
    #[error("the header's checksum is wrong")]
    Checksum,
    /// A numeric field is neither octal nor base-256.
    #[error("the {0} field is not a number")]
    Number(&'static str),
    /// A numeric field holds more than galley, or Linux, can take.
    #[error("the {0} field is out of range")]
    Range(&'static str),
}

/// A header block as read.
pub(super) struct Header<'a>(pub &'a [u8; BLOCK]);

impl Header<'_> {
    /// Whether the block is all zeroes: half of an end marker.
    pub fn is_zero(&self) -> bool {
        self.0.iter().all(|byte| *byte == 0)
    }

    /// # Errors
    /// [`HeaderError::Checksum`].
    pub fn verify(&self) -> Result<(), HeaderError> {
        let written = number(&self.0[field::CHECKSUM]).ok_or(HeaderError::Checksum)?;
        let (unsigned, signed) = checksums(self.0);
        // Some early writers summed signed bytes.
        if written == i128::from(unsigned) || written == i128::from(signed) {
            Ok(())
        } else {
            Err(HeaderError::Checksum)
        }
    }

    pub fn kind(&self) -> u8 {
        self.0[field::TYPE]
    }

    /// The name, with the ustar prefix before it. GNU headers use those bytes for times.
    pub fn name(&self) -> Vec<u8> {
        let name = text(&self.0[field::NAME]);
        let prefix = text(&self.0[field::PREFIX]);
        if self.0[field::MAGIC][..6] != USTAR[..6] || prefix.is_empty() {
            return name.to_vec();
        }
        [prefix, b"/", name].concat()
    }

    pub fn link(&self) -> &[u8] {
        text(&self.0[field::LINK])
    }

    pub fn size(&self) -> Result<u64, HeaderError> {
        self.bounded(field::SIZE, "size", i64::MAX as u64)
    }

    pub fn mode(&self) -> Result<u32, HeaderError> {
        // Old writers put the file type into the upper bits.
        let mode = self.bounded(field::MODE, "mode", u64::from(u32::MAX))?;
        Ok((mode & 0o7777) as u32)
    }

    pub fn uid(&self) -> Result<u64, HeaderError> {
        self.bounded(field::UID, "uid", u64::MAX)
    }

    pub fn gid(&self) -> Result<u64, HeaderError> {
        self.bounded(field::GID, "gid", u64::MAX)
    }

    pub fn mtime(&self) -> Result<i64, HeaderError> {
        let value = number(&self.0[field::MTIME]).ok_or(HeaderError::Number("mtime"))?;
        i64::try_from(value).map_err(|_| HeaderError::Range("mtime"))
    }

    /// Major and minor number; only headers with a magic have the fields.
    pub fn device(&self) -> Result<(u32, u32), HeaderError> {
        let part = |range, what| {
            let value = self.bounded(range, what, u64::from(u32::MAX))?;
            u32::try_from(value).map_err(|_| HeaderError::Range(what))
        };
        Ok((part(field::MAJOR, "major device")?, part(field::MINOR, "minor device")?))
    }

    fn bounded(
        &self,
        range: std::ops::Range<usize>,
        what: &'static str,
        most: u64,
    ) -> Result<u64, HeaderError> {
        let value = number(&self.0[range]).ok_or(HeaderError::Number(what))?;
        u64::try_from(value).ok().filter(|value| *value <= most).ok_or(HeaderError::Range(what))
    }
}

/// The sum of the header's bytes, with the checksum field counted as spaces: as unsigned and as signed bytes.
pub(super) fn checksums(block: &[u8; BLOCK]) -> (u32, i32) {
    let mut sums = (0_u32, 0_i32);
    for (at, byte) in block.iter().enumerate() {
        let byte = if field::CHECKSUM.contains(&at) { b' ' } else { *byte };
        sums.0 += u32::from(byte);
        sums.1 += i32::from(byte.cast_signed());
    }
    sums
}

/// The bytes before the first NUL.
fn text(field: &[u8]) -> &[u8] {
    field.split(|byte| *byte == 0).next().unwrap_or_default()
}

/// A numeric field: octal digits between spaces and NULs (an empty field is 0), or GNU's base-256, two's complement with
/// the top bit set.
fn number(field: &[u8]) -> Option<i128> {
    if let Some((first, rest)) = field.split_first().filter(|(first, _)| **first & 0x80 != 0) {
        // Bit 6 of the first byte is the sign; the field has at most 12 bytes, so that an i128 holds it.
        let start =
            if first & 0x40 == 0 { i128::from(first & 0x3f) } else { i128::from(first & 0x3f) - 0x40 };
        return rest
            .iter()
            .try_fold(start, |value, byte| value.checked_mul(256)?.checked_add(i128::from(*byte)));
    }
    let blank = |byte: &u8| *byte == b' ' || *byte == 0;
    let start = field.iter().position(|byte| !blank(byte)).unwrap_or(field.len());
    let digits = field[start..].split(blank).next().unwrap_or_default();
    let rest = &field[start + digits.len()..];
    // A NUL ends the field, whatever stands behind it; a space may only be followed by more blanks.
    if rest.iter().take_while(|byte| **byte != 0).any(|byte| *byte != b' ') {
        return None;
    }
    digits.iter().try_fold(0_i128, |value, digit| match digit {
        b'0'..=b'7' => Some(value * 8 + i128::from(digit - b'0')),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_octal_or_base_256() {
        for (field, value) in [
            (&b"0000644\0"[..], Some(0o644)),
            (b"   644 \0", Some(0o644)),
            (b"\0\0\0\0\0\0\0\0", Some(0)),
            (b"        ", Some(0)),
            (b"77777777", Some(0o7777_7777)),
            (b"644 \0 xx", Some(0o644)),
            (b"\x80\0\0\0\0\0\x01\0", Some(256)),
            (b"\xff\xff\xff\xff\xff\xff\xff\xfe", Some(-2)),
            (b"0000648\0", None),
            (b"644 4  \0", None),
            (b"-000001\0", None),
        ] {
            assert_eq!(number(field), value, "{field:?}");
        }
    }
}
