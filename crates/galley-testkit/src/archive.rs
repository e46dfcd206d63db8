//! Tar archives made byte by byte, so that they can be wrong: no library writes a name with `..`, a negative size or a
//! header that lies.

use std::ops::Range;

const BLOCK: usize = 512;

/// Field positions in a header (POSIX.1-2017, pax, "ustar Interchange Format").
pub mod field {
    use std::ops::Range;

    /// The name.
    pub const NAME: Range<usize> = 0..100;
    /// Permission bits, octal.
    pub const MODE: Range<usize> = 100..108;
    /// The owner, octal.
    pub const UID: Range<usize> = 108..116;
    /// The group, octal.
    pub const GID: Range<usize> = 116..124;
    /// Bytes of the content, octal.
    pub const SIZE: Range<usize> = 124..136;
    /// Seconds since 1970, octal.
    pub const MTIME: Range<usize> = 136..148;
    /// The sum of the header's bytes, octal.
    pub const CHECKSUM: Range<usize> = 148..156;
    /// The type.
    pub const TYPE: usize = 156;
    /// The target of a link.
    pub const LINK: Range<usize> = 157..257;
    /// `ustar`, NUL, `00`.
    pub const MAGIC: Range<usize> = 257..265;
    /// Major device number, octal.
    pub const MAJOR: Range<usize> = 329..337;
    /// Minor device number, octal.
    pub const MINOR: Range<usize> = 337..345;
}

/// An archive in the making.
#[derive(Clone, Debug, Default)]
pub struct Archive {
    bytes: Vec<u8>,
}

impl Archive {
    /// An empty archive.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A regular file of mode 0644, owned by root.
    #[must_use]
    pub fn file(self, name: impl AsRef<[u8]>, content: impl AsRef<[u8]>) -> Self {
        self.member(b'0', name, "", content)
    }

    /// A directory of mode 0755.
    #[must_use]
    pub fn directory(self, name: impl AsRef<[u8]>) -> Self {
        self.edited(b'5', name, "", "", |header| put(header, field::MODE, b"0000755"))
    }

    /// A symbolic link.
    #[must_use]
    pub fn symlink(self, name: impl AsRef<[u8]>, target: impl AsRef<[u8]>) -> Self {
        self.member(b'2', name, target, "")
    }

    /// A hard link.
    #[must_use]
    pub fn hard_link(self, name: impl AsRef<[u8]>, target: impl AsRef<[u8]>) -> Self {
        self.member(b'1', name, target, "")
    }

    /// A member of any type. Names and targets longer than 100 bytes are cut: give them by [`Archive::pax`].
    #[must_use]
    pub fn member(
        self,
        kind: u8,
        name: impl AsRef<[u8]>,
        link: impl AsRef<[u8]>,
        content: impl AsRef<[u8]>,
    ) -> Self {
        self.edited(kind, name, link, content, |_| {})
    }

    /// A member whose header `edit` may change; the checksum is made afterwards.
    #[must_use]
    pub fn edited(
        mut self,
        kind: u8,
        name: impl AsRef<[u8]>,
        link: impl AsRef<[u8]>,
        content: impl AsRef<[u8]>,
        edit: impl FnOnce(&mut [u8; BLOCK]),
    ) -> Self {
        let content = content.as_ref();
        let mut header = [0; BLOCK];
        put(&mut header, field::NAME, name.as_ref());
        for field in [field::UID, field::GID, field::MAJOR, field::MINOR] {
            put(&mut header, field, b"0000000");
        }
        put(&mut header, field::MODE, b"0000644");
        put(&mut header, field::SIZE, format!("{:011o}", content.len()).as_bytes());
        put(&mut header, field::MTIME, b"00000000001");
        header[field::TYPE] = kind;
        put(&mut header, field::LINK, link.as_ref());
        put(&mut header, field::MAGIC, b"ustar\x0000");
        edit(&mut header);
        header[field::CHECKSUM].fill(b' ');
        let sum: u32 = header.iter().copied().map(u32::from).sum();
        put(&mut header, field::CHECKSUM, format!("{sum:06o}\0").as_bytes());
        self.bytes.extend_from_slice(&header);
        self.bytes.extend_from_slice(content);
        self.bytes.resize(self.bytes.len().next_multiple_of(BLOCK), 0);
        self
    }

    /// A pax extended header for the next member.
    #[must_use]
    pub fn pax<V: AsRef<[u8]>>(self, records: &[(&str, V)]) -> Self {
        let mut content = Vec::new();
        for (key, value) in records {
            let value = value.as_ref();
            let fixed = key.len() + value.len() + 3;
            // The length counts its own digits.
            let length =
                (fixed..).find(|length| length.to_string().len() + fixed == *length).unwrap_or(fixed);
            content.extend_from_slice(format!("{length} {key}=").as_bytes());
            content.extend_from_slice(value);
            content.push(b'\n');
        }
        self.member(b'x', "pax", "", content)
    }

    /// Bytes as they are.
    #[must_use]
    pub fn raw(mut self, bytes: &[u8]) -> Self {
        self.bytes.extend_from_slice(bytes);
        self
    }

    /// The archive with its end marker.
    #[must_use]
    pub fn end(self) -> Vec<u8> {
        self.raw(&[0; 2 * BLOCK]).bytes
    }

    /// The archive as far as it got.
    #[must_use]
    pub fn cut(self) -> Vec<u8> {
        self.bytes
    }
}

/// Writes `value` into a field, cut to it, and fills the rest with NULs.
pub fn put(header: &mut [u8; BLOCK], field: Range<usize>, value: &[u8]) {
    let place = &mut header[field];
    place.fill(0);
    let length = value.len().min(place.len());
    place[..length].copy_from_slice(&value[..length]);
}
