//! What the tests of several crates share: archives that are wrong, file trees written as text, literate command-line tests,
//! expectations that are files, images read back, the cases of the Dockerfile language, what the machine can do, plain users, and a
//! real registry. For tests only: nothing here is linked into galley.

pub mod archive;
pub mod conformance;
pub mod expect;
pub mod image;
pub mod literate;
pub mod machine;
pub mod registry;
pub mod server;
pub mod tree;
pub mod user;
