//! The outside world of a root's making, and what comes out: plain values, passed in and handed back.

use std::path::PathBuf;

use galley_image::{DiffId, ImageConfig};
use galley_sandbox::{Cancel, Sandbox};
use galley_store::{Snapshot, Store};

/// Everything outside that the making of a root touches.
pub struct BasesWorld<'a> {
    /// Takes the layer.
    pub store: &'a Store,
    /// Runs the packages' scripts.
    pub sandbox: &'a dyn Sandbox,
    /// Stops everything.
    pub cancel: &'a Cancel,
    /// Where packages come from.
    pub archive: ArchiveOptions,
    /// How many threads decompress packages.
    pub threads: usize,
    /// Seconds since 1970: what a release's expiry is held against.
    pub now: i64,
}

/// Where packages come from, and what of it is trusted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ArchiveOptions {
    /// URIs of mirrors, the first that answers wins; empty for those of the machine's own apt sources.
    pub mirrors: Vec<String>,
    /// The URI written into the root's own apt sources, in place of the mirror's.
    pub published_uri: Option<String>,
    /// The keys that a release may be signed with, in place of Debian's, which galley has built in.
    pub keyring: Option<PathBuf>,
    /// The directory of downloaded packages and indexes.
    pub cache: PathBuf,
    /// The lock file: read where it exists, else written.
    pub lock: Option<PathBuf>,
    /// A date (`20240601T000000Z`) for mirrors that keep every state of the archive.
    pub snapshot: Option<String>,
    /// Take a release that has expired.
    pub allow_expired: bool,
}

/// A root file system in the store.
#[derive(Clone, Debug, PartialEq)]
pub struct BuiltRoot {
    /// Its one layer, on nothing.
    pub snapshot: Snapshot,
    /// The layer's diff ID.
    pub diff_id: DiffId,
    /// The configuration of an image of it: platform, environment, command, history, labels, and the layer.
    pub config: ImageConfig,
    /// The SHA-256, in hexadecimal digits, of the list of packages: names, versions, architectures and hashes. Equal digests,
    /// equal packages.
    pub lock_digest: String,
    /// How many packages.
    pub packages: usize,
    /// Bytes of its files.
    pub size: u64,
    /// Whether the store had it already.
    pub cached: bool,
}

/// A part of the work, for progress bars.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Reading releases and indexes.
    Index,
    /// Downloading packages; counted in bytes.
    Fetch,
    /// Unpacking packages; counted in packages.
    Unpack,
    /// Running the packages' scripts; counted in packages.
    Configure,
}

/// Takes in how the work goes. Called from several threads.
pub trait Progress: Send + Sync {
    /// `done` of `total`, where that is known.
    fn progress(&self, phase: Phase, done: u64, total: Option<u64>);

    /// What the packages' scripts write, as it comes.
    fn output(&self, bytes: &[u8]);

    /// Something the user has to know: which mirror a root will name, an expired release that was taken all the same.
    fn notice(&self, message: &str);
}
