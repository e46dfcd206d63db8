//! The keys that a release is checked with.

use std::fs;
use std::path::Path;

use super::error::ArchiveError;
use super::mirror::{Mirror, SignedBy};
use super::openpgp::Keyring;
use super::request::Keys;

/// Where Debian's package `debian-archive-keyring` puts its keys.
const HOST: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// Keys of Debian 12 and 13; `keyrings/README.md` says where they are from.
const EMBEDDED: &[u8] = include_bytes!("../../keyrings/debian-archive.gpg");

/// The keyring for a mirror, and what to call it.
pub(super) fn keyring(keys: &Keys, mirror: &Mirror) -> Result<(Keyring, String), ArchiveError> {
    match (keys, &mirror.signed_by) {
        (Keys::File(file), _) | (Keys::Usual, Some(SignedBy::File(file))) => of_file(file),
        (Keys::Usual, Some(SignedBy::Key(key))) => parsed(key.as_bytes(), "in its apt source"),
        (Keys::Usual, None) if Path::new(HOST).exists() => of_file(Path::new(HOST)),
        (Keys::Usual, None) | (Keys::Embedded, _) => parsed(EMBEDDED, "that galley carries"),
    }
}

fn of_file(file: &Path) -> Result<(Keyring, String), ArchiveError> {
    let bytes = fs::read(file).map_err(ArchiveError::disk("read the keyring", file))?;
    parsed(&bytes, &format!("of {}", file.display()))
}

fn parsed(bytes: &[u8], called: &str) -> Result<(Keyring, String), ArchiveError> {
    let unusable = |detail: String| ArchiveError::Keyring { keyring: called.into(), detail };
    let keyring = Keyring::parse(bytes).map_err(|error| unusable(error.to_string()))?;
    Ok((keyring, called.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_keys_can_be_read() {
        let mirror = Mirror::parse("http://host/debian").unwrap();
        assert_eq!(keyring(&Keys::Embedded, &mirror).unwrap().1, "that galley carries");
    }
}
