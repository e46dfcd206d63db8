//! Signs releases: an OpenPGP key of one kind, Ed25519, and cleartext signatures with it. What galley reads was written by GnuPG in `testdata/openpgp`; this
//! one only has to sign what the tests think of.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use ring::signature::{Ed25519KeyPair, KeyPair};

/// A key that was made long ago and does not end.
pub struct Signer {
    pair: Ed25519KeyPair,
}

const MADE: u32 = 1_600_000_000;
const USER: &[u8] = b"Test Archive <archive@test.invalid>";

impl Signer {
    /// Another key for each seed.
    pub fn new(seed: u8) -> Self {
        Self { pair: Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap() }
    }

    fn key_body(&self) -> Vec<u8> {
        let mut body = vec![4];
        body.extend(MADE.to_be_bytes());
        body.extend([22, 9, 0x2b, 0x06, 0x01, 0x04, 0x01, 0xda, 0x47, 0x0f, 0x01, 0x01, 0x07, 0x40]);
        body.extend(self.pair.public_key().as_ref());
        body
    }

    fn framed_key(&self) -> Vec<u8> {
        let body = self.key_body();
        [&[0x99][..], &u16::try_from(body.len()).unwrap().to_be_bytes(), &body].concat()
    }

    /// The keyring that knows this key.
    pub fn keyring(&self) -> Vec<u8> {
        let certified =
            [&self.framed_key()[..], &[0xb4], &u32::try_from(USER.len()).unwrap().to_be_bytes(), USER]
                .concat();
        let signature = self.signature(0x13, &certified, &[2, 27, 0x03]);
        [packet(6, &self.key_body()), packet(13, USER), packet(2, &signature)].concat()
    }

    /// The body of a signature packet.
    fn signature(&self, kind: u8, signed: &[u8], more: &[u8]) -> Vec<u8> {
        let fingerprint = digest(&SHA1_FOR_LEGACY_USE_ONLY, &self.framed_key());
        let mut area = vec![5, 2];
        area.extend(MADE.to_be_bytes());
        area.extend([22, 33, 4]);
        area.extend(fingerprint.as_ref());
        area.extend(more);
        let mut body = vec![4, kind, 22, 8];
        body.extend(u16::try_from(area.len()).unwrap().to_be_bytes());
        body.extend(area);
        let trailer = [&body[..], &[4, 0xff], &u32::try_from(body.len()).unwrap().to_be_bytes()].concat();
        let hash = digest(&SHA256, &[signed, &trailer].concat());
        let made = self.pair.sign(hash.as_ref());
        body.extend([0, 0]);
        body.extend(&hash.as_ref()[..2]);
        for half in made.as_ref().chunks(32) {
            body.extend([1, 0]);
            body.extend(half);
        }
        body
    }

    /// The text as `InRelease` has it.
    pub fn clearsign(&self, text: &str) -> String {
        let signed = text.trim_end().lines().map(str::trim_end).collect::<Vec<_>>().join("\r\n");
        let signature = STANDARD.encode(packet(2, &self.signature(1, signed.as_bytes(), &[])));
        let lines: String = signature
            .as_bytes()
            .chunks(64)
            .map(|line| format!("{}\n", String::from_utf8_lossy(line)))
            .collect();
        format!(
            "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n{}\n-----BEGIN PGP SIGNATURE-----\n\n{lines}-----END PGP SIGNATURE-----\n",
            text.trim_end()
        )
    }
}

fn packet(tag: u8, body: &[u8]) -> Vec<u8> {
    [&[0xc0 | tag, 255][..], &u32::try_from(body.len()).unwrap().to_be_bytes(), body].concat()
}
