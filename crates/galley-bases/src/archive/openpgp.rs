//! OpenPGP (RFC 9580) as far as archives need it: is this text signed by one of these keys, and by which?
//!
//! What Debian signs with is a version 4 key, RSA or Ed25519, and SHA-256 or SHA-512: those are read, and nothing else is. The arithmetic is ring's,
//! which is there for TLS already; a whole OpenPGP library would bring a hundred more crates to do what these files do.

mod armor;
mod cleartext;
mod key;
mod packet;
mod signature;

pub use armor::MalformedArmor;
pub use cleartext::{Cleartext, MalformedCleartext};
pub use key::{Keyring, MalformedKeyring};
pub use packet::MalformedPacket;

use key::Usable;
pub(super) use key::hex;
use signature::{Signature, SignatureType};

/// A signature that holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// The fingerprint of the certificate's primary key, in upper-case hexadecimal digits.
    pub fingerprint: String,
    /// Whom the key says it belongs to.
    pub user: String,
    /// When the signature was made, in seconds since 1970.
    pub made: u64,
    /// The key, or the signature itself, is past its time.
    pub expired: bool,
}

/// Why no signature of a text counts. Of several reasons, the one that says most.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Refusal {
    /// There is none.
    #[error("it carries no signature that galley can read")]
    Unreadable,
    /// The keys are others.
    #[error("it is signed with {}, which the keyring does not hold", .0.join(" and "))]
    UnknownKey(Vec<String>),
    /// The key may not sign.
    #[error("its key {0} was revoked or is not made for signing")]
    UnfitKey(String),
    /// The text is not what was signed.
    #[error("the signature of key {0} does not fit the text: the text was changed after it was signed")]
    Changed(String),
}

/// Whether one of the signatures on `text` is good: `now`, in seconds since 1970, tells whether keys have expired.
///
/// A good signature of a key that is not past its time is preferred to one that is.
///
/// # Errors
/// Why there is none.
pub fn verify(text: &Cleartext, keyring: &Keyring, now: u64) -> Result<Signed, Refusal> {
    let signatures = Signature::all(&text.signatures).unwrap_or_default();
    let mut worst = Refusal::Unreadable;
    let mut unknown = Vec::new();
    let mut late = None;
    for signature in signatures.iter().filter(|signature| signature.kind == SignatureType::Text) {
        let Some(issuer) = keyring.find(signature) else {
            unknown.extend(signature.issuer());
            continue;
        };
        let refusal = match issuer {
            Usable::No(key) => Refusal::UnfitKey(key),
            Usable::Yes(key) if !signature.holds(&key.material, &[text.signed.as_bytes()]) => {
                Refusal::Changed(key.id)
            }
            Usable::Yes(key) => {
                let expired = key.ends.is_some_and(|ends| ends <= now)
                    || signature.ends().is_some_and(|ends| ends <= now);
                let signed =
                    Signed { fingerprint: key.certificate, user: key.user, made: signature.made, expired };
                if !expired {
                    return Ok(signed);
                }
                late.get_or_insert(signed);
                continue;
            }
        };
        worst = worst.max(refusal);
    }
    if !unknown.is_empty() {
        worst = worst.max(Refusal::UnknownKey(unknown));
    }
    late.ok_or(worst)
}
