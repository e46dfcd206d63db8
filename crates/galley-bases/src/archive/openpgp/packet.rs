//! Packets and what they are made of (RFC 9580, sections 3 and 4).

/// Bytes that are no sequence of OpenPGP packets.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is not made of whole OpenPGP packets")]
pub struct MalformedPacket;

/// One packet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Packet<'a> {
    pub tag: u8,
    pub body: &'a [u8],
}

/// The packets one after the other. Partial lengths, which keys and signatures never have, are refused.
pub(super) fn packets(bytes: &[u8]) -> Result<Vec<Packet<'_>>, MalformedPacket> {
    let mut reader = Reader(bytes);
    let mut packets = Vec::new();
    while !reader.0.is_empty() {
        packets.push(packet(&mut reader).ok_or(MalformedPacket)?);
    }
    Ok(packets)
}

fn packet<'a>(reader: &mut Reader<'a>) -> Option<Packet<'a>> {
    let header = reader.byte()?;
    let (tag, length) = match header >> 6 {
        0b11 => (
            header & 0x3f,
            match reader.byte()? {
                first @ 0..=191 => usize::from(first),
                first @ 192..=223 => ((usize::from(first) - 192) << 8) + usize::from(reader.byte()?) + 192,
                255 => reader.number(4)?,
                _ => return None,
            },
        ),
        0b10 => (
            (header >> 2) & 0x0f,
            match header & 3 {
                0 => reader.number(1)?,
                1 => reader.number(2)?,
                2 => reader.number(4)?,
                _ => return None,
            },
        ),
        _ => return None,
    };
    Some(Packet { tag, body: reader.take(length)? })
}

/// Takes bytes from the front.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    pub fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (front, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(front)
    }

    pub fn byte(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    /// A big-endian number of at most four bytes.
    pub fn number(&mut self, bytes: usize) -> Option<usize> {
        Some(self.take(bytes)?.iter().fold(0, |number, byte| (number << 8) | usize::from(*byte)))
    }

    /// A multiprecision integer, without leading zeros.
    pub fn integer(&mut self) -> Option<&'a [u8]> {
        let bits = self.number(2)?;
        let bytes = self.take(bits.div_ceil(8))?;
        let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
        bytes.get(zeros..)
    }
}

/// The subpackets of a signature: type, whether it is critical, and content.
pub(super) fn subpackets(area: &[u8]) -> Option<Vec<(u8, bool, &[u8])>> {
    let mut reader = Reader(area);
    let mut found = Vec::new();
    while !reader.0.is_empty() {
        let length = match reader.byte()? {
            first @ 0..=191 => usize::from(first),
            255 => reader.number(4)?,
            first => ((usize::from(first) - 192) << 8) + usize::from(reader.byte()?) + 192,
        };
        let (kind, content) = reader.take(length)?.split_first()?;
        found.push((kind & 0x7f, kind & 0x80 != 0, content));
    }
    Some(found)
}
