//! Any bytes as a layer's sealed manifest, its checksum made right: an answer comes, and what is accepted reads back.
#![no_main]

use galley_store::fuzzing::{checksummed, seal, unseal};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = unseal(bytes);
    if let Ok(diff) = unseal(&checksummed(bytes)) {
        assert_eq!(unseal(&seal(&diff)).as_ref(), Ok(&diff));
    }
});
