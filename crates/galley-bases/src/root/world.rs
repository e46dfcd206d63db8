//! The outside world of a root's making, and what comes out: plain values, passed in and handed back.

use std::path::PathBuf;

use galley_image::{DiffId, ImageConfig};
use galley_sandbox::{Cancel, Sandbox};
use galley_store::{Snapshot, Store};

use crate::archive::{Mirrors, Settings};

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
    /// Seconds since 1970, for the store's books; nothing of it gets into a root.
    pub now: i64,
}

/// Where packages come from, and what of it is trusted.
#[derive(Clone, Debug)]
pub struct ArchiveOptions {
    /// The mirrors: given, of a snapshot, or those of the machine's own apt sources.
    pub mirrors: Mirrors,
    /// The package cache, the network, the keys.
    pub settings: Settings,
    /// The URI of the archive `debian` that is written into the root's own apt sources, in place of the first mirror's.
    pub published_uri: Option<String>,
    /// The lock file: what it says is taken; where there is none yet, it is written.
    pub lock: Option<PathBuf>,
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
