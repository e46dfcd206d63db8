//! The cache and the store under fire: killed processes, several at once, and generated projects against clean builds.
//!
//! Everything here runs for real, with Debian's static busybox on `scratch`. `docs/cache.md` says which test holds which
//! invariant. With the feature `failpoints` the program is also killed at every transition of the store.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[cfg(feature = "failpoints")]
mod failpoints;
mod kills;
mod machine;
mod model;
mod processes;
mod random;
