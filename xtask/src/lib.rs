//! What the project does to itself: `tidy` keeps the house's rules, `bench` measures galley beside its peers, `conformance` compares
//! what they build, `examples` builds and runs the examples, one of them as a demonstration, `bases` lets what is in `bases/` test its
//! toolchains.

#![forbid(unsafe_code)]

use std::path::Path;

pub mod bases;
pub mod bench;
pub mod conformance;
pub mod examples;
pub mod tidy;

/// What a task ends with: an error is a sentence for the person who called it.
pub type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// The directory of the workspace that this program was built from.
#[must_use]
pub fn workspace_root() -> &'static Path {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().unwrap_or(own)
}
