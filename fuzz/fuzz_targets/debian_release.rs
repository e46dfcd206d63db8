//! `InRelease` files and keyrings: no panic, and nothing is believed that the keys of Debian's archive did not sign.
#![no_main]

use galley_bases::archive::openpgp::{Cleartext, Keyring, verify};
use galley_bases::archive::release::Release;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let debian = Keyring::parse(include_bytes!("../../crates/galley-bases/keyrings/debian-archive.gpg")).expect("a keyring");
    let text = String::from_utf8_lossy(bytes);
    if let Ok(cleartext) = Cleartext::parse(&text) {
        assert!(verify(&cleartext, &debian, 0).is_err());
    }
    if let Ok(release) = Release::parse(&text) {
        let _ = (release.check_name("bookworm"), release.check_dates(0), release.file("main/binary-amd64/Packages.xz"));
    }
    let _ = Keyring::parse(bytes);
});
