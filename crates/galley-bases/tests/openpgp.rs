//! Signatures that GnuPG made, as `testdata/openpgp` keeps them: which of them count, and what is said about those that do not.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;

use galley_bases::archive::openpgp::{Cleartext, Keyring, MalformedCleartext, Refusal, Signed, verify};

/// A day after the signatures were made.
const NOW: u64 = 1_795_700_000;

fn file(name: &str) -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/openpgp").join(name)).unwrap()
}

fn text(name: &str) -> String {
    String::from_utf8(file(name)).unwrap()
}

fn keyring() -> Keyring {
    Keyring::parse(&file("keyring.gpg")).unwrap()
}

fn judged(signed: &str) -> Result<Signed, Refusal> {
    verify(&Cleartext::parse(signed).unwrap(), &keyring(), NOW)
}

#[test]
fn good_signatures_name_their_key() {
    for (name, user) in [
        ("rsa.asc", "RSA with a subkey <rsa@test.invalid>"),
        ("ed25519.asc", "Ed25519 <ed25519@test.invalid>"),
        // The other key is unknown; one is enough.
        ("both.asc", "Ed25519 <ed25519@test.invalid>"),
    ] {
        let signed = judged(&text(name)).unwrap();
        assert_eq!((signed.user.as_str(), signed.expired), (user, false), "{name}");
    }
    let rsa = judged(&text("rsa.asc")).unwrap();
    assert_eq!(
        rsa.fingerprint, "D58F02E31F6A6A029A07A24670587400E55CAEC8",
        "the certificate, not the subkey"
    );
}

#[test]
fn the_text_is_what_was_signed() {
    let cleartext = Cleartext::parse(&text("rsa.asc")).unwrap();
    let trimmed: String = text("text.txt").lines().map(|line| format!("{}\n", line.trim_end())).collect();
    assert_eq!(cleartext.text, trimmed);
    // Line ends and spaces before them are no part of what is signed.
    assert!(judged(&text("rsa.asc").replace('\n', "\r\n")).is_ok());
}

#[test]
fn signatures_that_do_not_count() {
    let refused = |name: &str| judged(&text(name)).unwrap_err();
    assert_eq!(refused("sha1.asc"), Refusal::Unreadable);
    assert_eq!(
        refused("other.asc"),
        Refusal::UnknownKey(vec!["7F60CFD4AAC85BE83D96AE5510279B4243B1D8AA".into()])
    );
    assert!(matches!(refused("revoked.asc"), Refusal::UnfitKey(_)));
    assert!(judged(&text("expired.asc")).unwrap().expired);
}

#[test]
fn every_changed_byte_of_the_text_is_noticed() {
    let good = text("ed25519.asc");
    let start = good.find("Origin").unwrap();
    let end = good.find("\n-----BEGIN PGP SIGNATURE").unwrap();
    for at in start..end {
        let mut bytes = good.clone().into_bytes();
        bytes[at] ^= 1;
        let changed = String::from_utf8(bytes).unwrap();
        let refused = match Cleartext::parse(&changed) {
            // Spaces at the end of a line do not count, whichever they are.
            Ok(cleartext) if cleartext.text == Cleartext::parse(&good).unwrap().text => continue,
            Ok(cleartext) => verify(&cleartext, &keyring(), NOW).unwrap_err(),
            Err(_) => continue,
        };
        assert!(matches!(refused, Refusal::Changed(_)), "byte {at}: {refused:?}");
    }
}

#[test]
fn changed_signatures_and_keys_are_no_good_ones() {
    let good = Cleartext::parse(&text("ed25519.asc")).unwrap();
    let ring = file("keyring.gpg");
    let mut still_good = 0;
    for at in 0..ring.len() {
        let mut changed = ring.clone();
        changed[at] ^= 0x10;
        // What was changed may be another key. No change may panic.
        still_good +=
            usize::from(Keyring::parse(&changed).is_ok_and(|ring| verify(&good, &ring, NOW).is_ok()));
    }
    assert!(still_good < ring.len());
    let armored = Keyring::parse(&file("ed25519.key.asc")).unwrap();
    assert!(verify(&good, &armored, NOW).is_ok());
}

#[test]
fn nothing_may_stand_outside_of_the_signed_text() {
    let good = text("ed25519.asc");
    let unsigned = MalformedCleartext::Unsigned;
    for (changed, problem) in [
        (text("text.txt"), Some(unsigned.clone())),
        (String::new(), Some(unsigned.clone())),
        (format!("Origin: Evil\n{good}"), Some(unsigned.clone())),
        (format!("\n{good}"), Some(unsigned)),
        (format!("{good}Origin: Evil\n"), Some(MalformedCleartext::Outside(18))),
        (format!("{good}{good}"), Some(MalformedCleartext::Outside(18))),
        (format!("{good}\n\n"), None),
        (
            good.replacen("Hash: SHA256\n", "Hash: SHA256\nOrigin: Evil\n", 1),
            Some(MalformedCleartext::Outside(3)),
        ),
        (good.replacen("- - a line", "- a line", 1), None),
        (good.replacen("- - a line", "-a line", 1), Some(MalformedCleartext::Outside(6))),
        (good.replace("-----END PGP SIGNATURE-----", ""), Some(MalformedCleartext::Outside(17))),
        (
            good[..good.find("-----BEGIN PGP SIGNATURE").unwrap()].to_owned(),
            Some(MalformedCleartext::Outside(10)),
        ),
    ] {
        let parsed = Cleartext::parse(&changed);
        assert_eq!(parsed.as_ref().err(), problem.as_ref(), "{changed}");
        if let Ok(parsed) = parsed {
            let same = parsed.text == Cleartext::parse(&good).unwrap().text;
            assert_eq!(verify(&parsed, &keyring(), NOW).is_ok(), same);
        }
    }
}

#[test]
fn files_that_are_no_keyrings() {
    for bytes in [&b""[..], b"<html>", b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nmDME", &file("rsa.asc")] {
        assert!(Keyring::parse(bytes).is_err(), "{bytes:?}");
    }
}
