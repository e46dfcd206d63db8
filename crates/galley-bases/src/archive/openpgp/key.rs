//! Keyrings: certificates with their subkeys, and which of those may sign (RFC 9580, sections 5.5 and 10.1).

use std::fmt::Write;

use ring::digest;

use super::armor::{self, MalformedArmor};
use super::packet::{MalformedPacket, Packet, Reader, packets};
use super::signature::{Signature, SignatureType};

/// A set of certificates, binary or armored.
#[derive(Clone, Debug)]
pub struct Keyring {
    bytes: Vec<u8>,
}

/// Why a file is no keyring.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MalformedKeyring {
    /// See there.
    #[error(transparent)]
    Armor(#[from] MalformedArmor),
    /// See there.
    #[error(transparent)]
    Packet(#[from] MalformedPacket),
    /// Other formats, such as GnuPG's keybox, or secret keys.
    #[error("it holds no public key in a form that galley reads (`gpg --export` writes such files)")]
    NoKey,
}

/// The numbers of a public key.
#[derive(Clone, Copy, Debug)]
pub(super) enum Material<'a> {
    Rsa {
        n: &'a [u8],
        e: &'a [u8],
    },
    /// Algorithm 22, its point without the prefix.
    Ed25519Legacy(&'a [u8]),
    /// Algorithm 27.
    Ed25519(&'a [u8]),
}

/// A key that a signature names.
#[derive(Debug)]
pub(super) enum Usable<'a> {
    /// It may sign.
    Yes(Key<'a>),
    /// It was revoked, or does not sign, or its bindings do not hold. Its fingerprint.
    No(String),
}

#[derive(Debug)]
pub(super) struct Key<'a> {
    /// Fingerprint of the key itself.
    pub id: String,
    /// Fingerprint of the primary key.
    pub certificate: String,
    pub user: String,
    pub material: Material<'a>,
    /// When it ends, in seconds since 1970.
    pub ends: Option<u64>,
}

/// One key packet.
#[derive(Clone, Copy, Debug)]
struct Public<'a> {
    body: &'a [u8],
    made: u64,
    fingerprint: [u8; 20],
    material: Material<'a>,
}

/// A key packet and the signatures behind it, each with the user id that it is about.
struct Part<'a> {
    primary: bool,
    /// `None` for algorithms and versions that galley does not know.
    key: Option<Public<'a>>,
    signatures: Vec<(Signature<'a>, Option<&'a [u8]>)>,
    user: Option<&'a [u8]>,
}

impl Keyring {
    /// Reads a file as `gpg --export`, with or without `--armor`, writes it.
    ///
    /// # Errors
    /// [`MalformedKeyring`].
    pub fn parse(file: &[u8]) -> Result<Self, MalformedKeyring> {
        let armored = std::str::from_utf8(file).ok().filter(|text| text.contains("-----BEGIN PGP"));
        let bytes = match armored {
            Some(text) => armor::blocks(text, "PGP PUBLIC KEY BLOCK")?.concat(),
            None => file.to_vec(),
        };
        if !packets(&bytes)?.iter().any(|packet| packet.tag == 6) {
            return Err(MalformedKeyring::NoKey);
        }
        Ok(Self { bytes })
    }

    /// The key that says to have made the signature.
    pub(super) fn find(&self, signature: &Signature<'_>) -> Option<Usable<'_>> {
        // Checked when the keyring was read.
        let packets = packets(&self.bytes).ok()?;
        let mut primary: Option<Part<'_>> = None;
        for part in parts(&packets) {
            if let Some(key) = part.key.filter(|key| signature.may_be_from(&key.fingerprint)) {
                let usable = match &primary {
                    _ if part.primary => usable_primary(&part, key),
                    Some(primary) => usable_subkey(primary, &part, key),
                    None => None,
                };
                return Some(usable.map_or_else(|| Usable::No(hex(&key.fingerprint)), Usable::Yes));
            }
            if part.primary {
                primary = Some(part);
            }
        }
        None
    }
}

/// Key packets with what follows them.
fn parts<'a>(packets: &[Packet<'a>]) -> Vec<Part<'a>> {
    let mut parts: Vec<Part<'_>> = Vec::new();
    let mut user = None;
    for packet in packets {
        match packet.tag {
            6 | 14 => {
                user = None;
                let primary = packet.tag == 6;
                parts.push(Part { primary, key: public(packet.body), signatures: Vec::new(), user: None });
            }
            13 => {
                user = Some(packet.body);
                if let Some(part) = parts.last_mut() {
                    part.user = part.user.or(user);
                }
            }
            2 => {
                if let Some((part, signature)) = parts.last_mut().zip(Signature::parse(packet.body)) {
                    part.signatures.push((signature, user));
                }
            }
            // A photo's signatures are about no user id.
            17 => user = None,
            _ => {}
        }
    }
    parts
}

fn public(body: &[u8]) -> Option<Public<'_>> {
    let mut reader = Reader(body);
    if reader.byte()? != 4 {
        return None;
    }
    let made = reader.number(4)? as u64;
    let material = match reader.byte()? {
        1 | 3 => Material::Rsa { n: reader.integer()?, e: reader.integer()? },
        22 => {
            let length = usize::from(reader.byte()?);
            if reader.take(length)? != [0x2b, 0x06, 0x01, 0x04, 0x01, 0xda, 0x47, 0x0f, 0x01] {
                return None;
            }
            let point = reader.integer()?.strip_prefix(&[0x40])?;
            Material::Ed25519Legacy(Some(point).filter(|point| point.len() == 32)?)
        }
        27 => Material::Ed25519(reader.take(32)?),
        _ => return None,
    };
    let digest = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, &framed(body));
    Some(Public { body, made, fingerprint: digest.as_ref().try_into().ok()?, material })
}

/// A key as it enters hashes: with a header in front.
fn framed(body: &[u8]) -> Vec<u8> {
    // Version 4 keys of more than 64 KiB do not exist: their hash fits nothing.
    let length = u16::try_from(body.len()).unwrap_or(u16::MAX);
    [&[0x99][..], &length.to_be_bytes(), body].concat()
}

/// A user id as it enters hashes.
fn framed_user(user: &[u8]) -> Vec<u8> {
    let length = u32::try_from(user.len()).unwrap_or(u32::MAX);
    [&[0xb4][..], &length.to_be_bytes(), user].concat()
}

/// The newest of the signatures that a certificate made about itself, and whether it was revoked.
fn self_signature<'p, 'a>(part: &'p Part<'a>, key: Public<'a>) -> Option<(&'p Signature<'a>, bool)> {
    let own = |(signature, user): &&(Signature<'a>, Option<&'a [u8]>)| {
        let frame = framed(key.body);
        signature.may_be_from(&key.fingerprint)
            && match (signature.kind, user) {
                (SignatureType::Direct | SignatureType::KeyRevocation, _) => {
                    signature.holds(&key.material, &[&frame])
                }
                (SignatureType::Certification, Some(user)) => {
                    signature.holds(&key.material, &[&frame, &framed_user(user)])
                }
                _ => false,
            }
    };
    let held: Vec<&Signature<'_>> =
        part.signatures.iter().filter(own).map(|(signature, _)| signature).collect();
    let (revoked, said): (Vec<_>, Vec<_>) =
        held.into_iter().partition(|signature| signature.kind == SignatureType::KeyRevocation);
    said.into_iter().max_by_key(|signature| signature.made).map(|signature| (signature, !revoked.is_empty()))
}

fn usable_primary<'a>(part: &Part<'a>, key: Public<'a>) -> Option<Key<'a>> {
    let (signature, revoked) = self_signature(part, key)?;
    (!revoked && signature.lets_sign()).then(|| made_of(part, key, key, signature.key_lifetime))
}

fn usable_subkey<'a>(primary: &Part<'a>, part: &Part<'a>, key: Public<'a>) -> Option<Key<'a>> {
    let main = primary.key?;
    let (about_main, revoked) = self_signature(primary, main)?;
    let frames = [framed(main.body), framed(key.body)];
    let frames = [frames[0].as_slice(), frames[1].as_slice()];
    let held = || {
        part.signatures
            .iter()
            .map(|(signature, _)| signature)
            .filter(|signature| signature.holds(&main.material, &frames))
    };
    let subkey_revoked = held().any(|signature| signature.kind == SignatureType::SubkeyRevocation);
    let binding = held()
        .filter(|signature| signature.kind == SignatureType::SubkeyBinding)
        .max_by_key(|signature| signature.made)?;
    // Without the subkey's word, anybody could claim somebody else's key as their own.
    let back = Signature::parse(binding.embedded?)?;
    let agreed = back.kind == SignatureType::PrimaryBinding && back.holds(&key.material, &frames);
    let mut usable = made_of(primary, main, key, binding.key_lifetime);
    let main_ends = about_main.key_lifetime.map(|lifetime| main.made + lifetime);
    usable.ends = usable.ends.into_iter().chain(main_ends).min();
    (!revoked && !subkey_revoked && agreed && binding.lets_sign()).then_some(usable)
}

fn made_of<'a>(
    certificate: &Part<'a>,
    primary: Public<'a>,
    key: Public<'a>,
    lifetime: Option<u64>,
) -> Key<'a> {
    let user = String::from_utf8_lossy(certificate.user.unwrap_or_default());
    Key {
        id: hex(&key.fingerprint),
        certificate: hex(&primary.fingerprint),
        // Foreign text on a terminal.
        user: user.chars().filter(|c| !c.is_control()).take(120).collect(),
        material: key.material,
        ends: lifetime.map(|lifetime| key.made + lifetime),
    }
}

pub(in crate::archive) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02X}");
        text
    })
}
