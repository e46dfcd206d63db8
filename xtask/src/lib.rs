//! What the project does to itself: `tidy` keeps the house's rules, `bench` measures galley beside its peers, `conformance` compares
//! what they build, `examples` builds and runs the examples.

#![forbid(unsafe_code)]

pub mod bench;
pub mod conformance;
pub mod examples;
pub mod tidy;

/// What a task ends with: an error is a sentence for the person who called it.
pub type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;
