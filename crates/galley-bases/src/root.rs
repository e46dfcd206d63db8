//! From `.deb` files to a root file system: unpacked, configured, trimmed.
//!
//! [`assemble`] is the line: `control` reads what packages say of themselves, `stream` decompresses them on all cores, `tree`
//! makes one tree of them, `database` writes what dpkg knows of them, and `configure` runs their scripts in the sandbox. The layer
//! is written once: scripts run on the very files that were unpacked.
//!
//! The root's date is that of the newest file of its packages, so equal packages give equal layers, whenever they are made.

mod assemble;
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
pub use deb::DebError;
pub use debian::AptSource;
pub use error::DebProblem;
pub use spec::{RootSpec, Variant};
pub use world::{ArchiveOptions, BasesWorld, BuiltRoot, Phase, Progress};

use galley_store::Lease;

use crate::BasesError;

/// The search path of images and of scripts: Debian's for root.
const SEARCH_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Makes the root file system that `spec` describes: packages are found and fetched as `world.archive` says, unpacked and,
/// but for [`Variant::Distroless`], configured. One that the store has already, made of the same packages, is taken as it is.
///
/// `lease` then holds the snapshot. The snapshot is bound to its chain ID, so an image with [`BuiltRoot::config`] is found
/// unpacked.
///
/// # Errors
/// [`BasesError`]. Nothing half-made is left; what was downloaded stays in the package cache.
pub fn build_root(
    spec: &RootSpec,
    world: &BasesWorld<'_>,
    lease: &Lease,
    progress: &dyn Progress,
) -> Result<BuiltRoot, BasesError> {
    let packages = RootPackages { debs: Vec::new(), sources: Vec::new() };
    assemble(spec, &packages, world, lease, progress)
}
