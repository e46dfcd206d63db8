//! The Linux sandbox, for real: every test starts processes in namespaces of the running kernel.
//!
//! Needs root and a static busybox. `plain_user.rs` runs all of it again as a plain user.
#![allow(clippy::unwrap_used, reason = "in a test, an unwrap is an assertion")]

mod failures;
mod isolation;
mod lab;
mod lifetime;
mod mounting;
mod plain_user;
mod privileges;
mod roots;
mod table;
mod terminal;
