//! What a root depends on, as digests.

use sha2::{Digest as _, Sha256};

use super::RootSpec;
use super::debian::AptSource;
use crate::DebFile;

/// The version of how roots are made. Another one, and no root of before is taken for a new one.
const VERSION: &str = "galley root 1";

/// The digest of a list of packages, sorted by name: hexadecimal.
#[must_use]
pub fn packages(debs: &[DebFile]) -> String {
    let mut hash = Sha256::new();
    for deb in debs {
        for part in [&deb.name, &deb.version, &deb.architecture, &deb.sha256] {
            add(&mut hash, part);
        }
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The cache key of a root.
#[must_use]
pub fn root(spec: &RootSpec, sources: &[AptSource], packages: &str) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in [VERSION, spec.variant.name(), &spec.architecture, packages] {
        add(&mut hash, part);
    }
    // All else in a spec says which packages. These are written into the root.
    if spec.variant.is_configured() {
        for component in &spec.components {
            add(&mut hash, component);
        }
        for source in sources {
            add(&mut hash, &source.uri);
            for suite in &source.suites {
                add(&mut hash, suite);
            }
            add(&mut hash, "");
        }
    }
    hash.finalize().into()
}

/// The length in front, so that no two lists of parts are one.
fn add(hash: &mut Sha256, part: &str) {
    hash.update((part.len() as u64).to_be_bytes());
    hash.update(part.as_bytes());
}
