//! Any bytes as what a registry sends: an index, a manifest, a configuration. An answer comes, and what is accepted, written
//! and read again is the same.
#![no_main]

use galley_image::{ImageConfig, Index, Manifest, Platform};
use libfuzzer_sys::fuzz_target;
use serde::Serialize;
use serde::de::DeserializeOwned;

fn reads_back<T: DeserializeOwned + Serialize + PartialEq + std::fmt::Debug>(bytes: &[u8]) -> Option<T> {
    let document: T = serde_json::from_slice(bytes).ok()?;
    let written = serde_json::to_vec(&document).unwrap();
    assert_eq!(serde_json::from_slice::<T>(&written).unwrap(), document);
    Some(document)
}

fuzz_target!(|bytes: &[u8]| {
    if let Some(index) = reads_back::<Index>(bytes) {
        let platform = Platform::host();
        if let Some(selected) = index.select(&platform) {
            assert!(index.manifests.contains(selected));
        }
    }
    reads_back::<Manifest>(bytes);
    reads_back::<ImageConfig>(bytes);
});
