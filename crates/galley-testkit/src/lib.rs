//! What the tests of several crates share: archives that are wrong, file trees written as text, literate command-line tests,
//! expectations that are files, what the machine can do, plain users, and a real registry. For tests only: nothing here is
//! linked into galley.

pub mod archive;
pub mod expect;
pub mod literate;
pub mod machine;
pub mod registry;
pub mod tree;
pub mod user;
