//! From a request to files, over a small archive that the tests make and sign themselves: what is believed, what is refused, and what becomes of a
//! mirror that misbehaves.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod downloads;
mod indexes;
mod lab;
mod locks;
mod signer;
mod trust;
