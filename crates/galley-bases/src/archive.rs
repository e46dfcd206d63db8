//! Mirrors, signatures, indexes, dependencies, downloads: from a list of names to verified `.deb` files.

pub mod closure;
pub mod date;
pub mod deb822;
pub mod dependency;
pub mod index;
pub mod lock;
pub mod mirror;
pub mod openpgp;
pub mod release;
pub mod sources;
pub mod version;
