//! Mirrors, signatures, indexes, dependencies, downloads: from a list of names to verified `.deb` files.
//!
//! ```text
//! Request ─▶ InRelease ─▶ Packages ─▶ closure ─▶ Lock ─▶ files in the cache ─▶ Vec<DebFile>
//!            signed        listed      chosen    ▲        hashed
//!                                                └── galley.lock starts here
//! ```
//!
//! [`fetch`] is that line. What is decided is decided in files that take text and return values: [`deb822`], [`version`], [`dependency`], [`index`],
//! [`closure`](mod@closure), [`lock`], [`release`], [`sources`], [`openpgp`], [`date`]. The others ask mirrors and keep the cache.

mod cache;
pub mod closure;
mod crew;
pub mod date;
pub mod deb822;
pub mod dependency;
mod error;
mod fetch;
pub mod index;
mod indexes;
mod keys;
pub mod lock;
pub mod mirror;
mod mirrors;
mod net;
pub mod openpgp;
mod packages;
pub mod release;
mod releases;
mod request;
pub mod sources;
pub mod version;

pub use closure::Variant;
pub use error::{ArchiveError, FetchProblem};
pub use fetch::fetch;
pub use lock::Lock;
pub use mirror::Mirror;
pub use mirrors::Mirrors;
pub use request::{Event, Fetched, Keys, Progress, ReleaseRead, Request, Settings, Suite, Trust, Watch};
