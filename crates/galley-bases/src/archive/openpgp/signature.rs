//! Signatures (RFC 9580, section 5.2).

use ring::digest;
use ring::signature::{self as algorithms, RsaPublicKeyComponents, UnparsedPublicKey};

use super::key::{Material, hex};
use super::packet::{MalformedPacket, Reader, packets, subpackets};

/// What was signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SignatureType {
    /// A text, its line ends written as `\r\n`.
    Text,
    /// A user id belongs to a key.
    Certification,
    /// A subkey belongs to a key.
    SubkeyBinding,
    /// The same, said by the subkey.
    PrimaryBinding,
    /// Something about a key itself.
    Direct,
    KeyRevocation,
    SubkeyRevocation,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hash {
    Sha256,
    Sha384,
    Sha512,
}

/// A version 4 signature.
#[derive(Clone, Debug)]
pub(super) struct Signature<'a> {
    pub kind: SignatureType,
    hash: Hash,
    /// Seconds since 1970.
    pub made: u64,
    /// Seconds after `made`.
    lifetime: Option<u64>,
    /// Seconds after the key was made.
    pub key_lifetime: Option<u64>,
    /// What the key may do; nothing is said where it is `None`.
    pub key_flags: Option<u8>,
    issuer_id: Option<&'a [u8]>,
    issuer_fingerprint: Option<&'a [u8]>,
    /// The body of the signature that a subkey made.
    pub embedded: Option<&'a [u8]>,
    /// From the version on to the end of the hashed subpackets.
    hashed: &'a [u8],
    /// The two leftmost bytes of the hash.
    start: [u8; 2],
    integers: Reader<'a>,
}

const MAY_SIGN: u8 = 2;

impl<'a> Signature<'a> {
    /// The signatures among the packets that are made in a way galley knows; others are left out.
    pub fn all(bytes: &'a [u8]) -> Result<Vec<Self>, MalformedPacket> {
        let found = packets(bytes)?.into_iter().filter(|packet| packet.tag == 2);
        Ok(found.filter_map(|packet| Self::parse(packet.body)).collect())
    }

    /// `None` for other versions and algorithms, and for signatures that say something critical that galley does not know.
    pub fn parse(body: &'a [u8]) -> Option<Self> {
        let mut reader = Reader(body);
        if reader.byte()? != 4 {
            return None;
        }
        let kind = match reader.byte()? {
            0x01 => SignatureType::Text,
            0x10..=0x13 => SignatureType::Certification,
            0x18 => SignatureType::SubkeyBinding,
            0x19 => SignatureType::PrimaryBinding,
            0x1f => SignatureType::Direct,
            0x20 => SignatureType::KeyRevocation,
            0x28 => SignatureType::SubkeyRevocation,
            _ => return None,
        };
        let _public_key_algorithm = reader.byte()?;
        let hash = match reader.byte()? {
            8 => Hash::Sha256,
            9 => Hash::Sha384,
            10 => Hash::Sha512,
            _ => return None,
        };
        let length = reader.number(2)?;
        let hashed_area = reader.take(length)?;
        let hashed = body.get(..6 + length)?;
        let length = reader.number(2)?;
        let unhashed_area = reader.take(length)?;
        let start = reader.take(2)?.try_into().ok()?;
        let mut signature = Self {
            kind,
            hash,
            made: 0,
            lifetime: None,
            key_lifetime: None,
            key_flags: None,
            issuer_id: None,
            issuer_fingerprint: None,
            embedded: None,
            hashed,
            start,
            integers: reader,
        };
        let mut dated = false;
        for (kind, critical, content) in subpackets(hashed_area)? {
            dated |= kind == 2;
            if !signature.read(kind, content)? && critical {
                return None;
            }
        }
        // Who made it, and the subkey's own signature, prove themselves.
        for (kind, _, content) in subpackets(unhashed_area)? {
            if matches!(kind, 16 | 32 | 33) {
                signature.read(kind, content)?;
            }
        }
        dated.then_some(signature)
    }

    /// Whether the subpacket is one that galley knows; `None` where its content is malformed.
    fn read(&mut self, kind: u8, content: &'a [u8]) -> Option<bool> {
        let seconds = || Reader(content).number(4).map(|seconds| seconds as u64);
        match kind {
            2 => self.made = seconds()?,
            // Zero means that it does not end.
            3 => self.lifetime = Some(seconds()?).filter(|seconds| *seconds > 0),
            9 => self.key_lifetime = Some(seconds()?).filter(|seconds| *seconds > 0),
            16 => self.issuer_id = Some(content),
            27 => self.key_flags = Some(content.first().copied().unwrap_or(0)),
            32 => self.embedded = Some(content),
            33 => self.issuer_fingerprint = content.get(1..),
            // Exportable, trust, revocable, preferences, primary user id, policy, features, reason for revocation: they do not bear on what a signature is worth here.
            4 | 5 | 7 | 11 | 21 | 22 | 23 | 24 | 25 | 26 | 28 | 29 | 30 | 34 => {}
            _ => return Some(false),
        }
        Some(true)
    }

    /// When it ends to be valid, in seconds since 1970.
    pub fn ends(&self) -> Option<u64> {
        self.lifetime.map(|lifetime| self.made + lifetime)
    }

    /// Whether keys bound by it may sign. Where nothing is said, a key may do what its algorithm can.
    pub fn lets_sign(&self) -> bool {
        self.key_flags.is_none_or(|flags| flags & MAY_SIGN != 0)
    }

    /// Who says to have made it, as a fingerprint or, in older ones, a key id.
    pub fn issuer(&self) -> Option<String> {
        self.issuer_fingerprint.or(self.issuer_id).map(hex)
    }

    /// Whether the key of this fingerprint may be the one that made it.
    pub fn may_be_from(&self, fingerprint: &[u8; 20]) -> bool {
        match (self.issuer_fingerprint, self.issuer_id) {
            (Some(named), _) => named == fingerprint,
            (None, Some(id)) => fingerprint.ends_with(id) && id.len() == 8,
            (None, None) => false,
        }
    }

    /// Whether the key made it, of these pieces put together.
    pub fn holds(&self, key: &Material<'_>, pieces: &[&[u8]]) -> bool {
        let mut message = pieces.concat();
        message.extend_from_slice(self.hashed);
        message.extend_from_slice(&[4, 0xff]);
        let Ok(length) = u32::try_from(self.hashed.len()) else { return false };
        message.extend_from_slice(&length.to_be_bytes());
        let (digest, rsa) = match self.hash {
            Hash::Sha256 => (&digest::SHA256, &algorithms::RSA_PKCS1_2048_8192_SHA256),
            Hash::Sha384 => (&digest::SHA384, &algorithms::RSA_PKCS1_2048_8192_SHA384),
            Hash::Sha512 => (&digest::SHA512, &algorithms::RSA_PKCS1_2048_8192_SHA512),
        };
        let hash = digest::digest(digest, &message);
        if !hash.as_ref().starts_with(&self.start) {
            return false;
        }
        let mut integers = self.integers;
        match key {
            Material::Rsa { n, e } => {
                let Some(signature) = integers.integer().and_then(|integer| padded(integer, n.len())) else {
                    return false;
                };
                RsaPublicKeyComponents { n, e }.verify(rsa, &message, &signature).is_ok()
            }
            Material::Ed25519Legacy(point) => {
                let (r, s) = (integers.integer(), integers.integer());
                let halves = r.and_then(|r| padded(r, 32)).zip(s.and_then(|s| padded(s, 32)));
                let Some((r, s)) = halves else { return false };
                ed25519(point, hash.as_ref(), &[r, s].concat())
            }
            Material::Ed25519(point) => {
                integers.take(64).is_some_and(|signature| ed25519(point, hash.as_ref(), signature))
            }
        }
    }
}

fn ed25519(point: &[u8], hash: &[u8], signature: &[u8]) -> bool {
    UnparsedPublicKey::new(&algorithms::ED25519, point).verify(hash, signature).is_ok()
}

fn padded(integer: &[u8], length: usize) -> Option<Vec<u8>> {
    let zeros = length.checked_sub(integer.len())?;
    Some([vec![0; zeros], integer.to_vec()].concat())
}
