//! What the tests of several crates share: file trees written as text, literate command-line tests, what the machine can do, and expectations that
//! are files. For tests only: nothing here is linked into galley.

pub mod expect;
pub mod literate;
pub mod machine;
pub mod tree;
