//! From `.deb` files to a root file system: unpacked, configured, trimmed.
//!
//! [`assemble`] is the line: `control` reads what packages say of themselves, `stream` decompresses them on all cores, `tree`
//! makes one tree of them, `database` writes what dpkg knows of them, and `configure` runs their scripts in the sandbox. The layer
//! is written once: scripts run on the very files that were unpacked.
//!
//! The root's date is that of the newest file of its packages, so equal packages give equal layers, whenever they are made.

mod assemble;
mod build;
mod certificates;
mod configure;
mod control;
mod database;
mod deb;
mod debian;
mod distroless;
mod error;
mod exclude;
mod image;
mod key;
mod place;
mod spec;
mod stream;
mod tree;
mod world;

pub use assemble::{RootPackages, assemble};
pub use build::build_root;
pub use deb::DebError;
pub use debian::AptSource;
pub use error::DebProblem;
pub use spec::{RootSpec, STATIC, Variant};
pub use world::{ArchiveOptions, BasesWorld, BuiltRoot, MirrorChoice, Phase, Progress};

/// The search path of images and of scripts: Debian's for root.
const SEARCH_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
