//! What fuzzing found once: every file of `testdata/fuzz` goes through what its target in `fuzz/fuzz_targets` holds.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "a finding is a file")]

use std::path::Path;

use galley_image::{Digest, Platform, Reference, TreePath};

fn findings(target: &str) -> Vec<Vec<u8>> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/fuzz").join(target);
    let files = std::fs::read_dir(directory).unwrap();
    let found: Vec<_> = files.map(|file| std::fs::read(file.unwrap().path()).unwrap()).collect();
    assert!(!found.is_empty(), "{target} has no findings");
    found
}

#[test]
fn references_read_back() {
    for bytes in findings("reference") {
        if let Ok(path) = TreePath::clean(&bytes) {
            assert_eq!(TreePath::strict(path.as_bytes()), Ok(path));
        }
        let Ok(text) = std::str::from_utf8(&bytes) else { continue };
        if let Ok(reference) = text.parse::<Reference>() {
            assert_eq!(reference.to_string().parse(), Ok(reference.clone()), "{text}");
            assert_eq!(reference.familiar().parse(), Ok(reference), "{text}");
        }
        if let Ok(platform) = text.parse::<Platform>() {
            assert_eq!(platform.to_string().parse(), Ok(platform), "{text}");
        }
        if let Ok(digest) = text.parse::<Digest>() {
            assert_eq!(digest.to_string().parse(), Ok(digest), "{text}");
        }
    }
}
