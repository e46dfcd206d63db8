//! The outside world of a root's making, and what comes out: plain values, passed in and handed back.

use std::path::{Path, PathBuf};

use galley_image::{DiffId, ImageConfig};
use galley_sandbox::{Cancel, Sandbox};
use galley_store::{Snapshot, Store};

use crate::archive::{ArchiveError, Mirrors, Settings};

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
#[derive(Clone, Debug, Default)]
pub struct ArchiveOptions {
    /// The mirrors.
    pub mirrors: MirrorChoice,
    /// The package cache, the network, the keys.
    pub settings: Settings,
    /// The URI of the archive `debian` that is written into the root's own apt sources, in place of the first mirror's.
    pub published_uri: Option<String>,
    /// The lock file: what it says is taken; where there is none yet, it is written.
    pub lock: Option<PathBuf>,
}

/// Which mirrors are asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum MirrorChoice {
    /// Those of the machine's own apt sources.
    #[default]
    Host,
    /// These URIs of the archive `debian` and of `debian-security`, which is looked for beside the first where none is given.
    Given {
        /// Of `debian`.
        main: Vec<String>,
        /// Of `debian-security`.
        security: Vec<String>,
    },
    /// The archives as they were at a moment.
    Snapshot {
        /// The URI of a mirror that keeps every state, with `{archive}` and `{moment}` in it.
        template: String,
        /// Seconds since 1970.
        moment: u64,
    },
}

impl MirrorChoice {
    /// The mirrors themselves.
    ///
    /// # Errors
    /// [`ArchiveError::NoMirror`], [`ArchiveError::Mirror`] and [`ArchiveError::Snapshot`].
    pub fn mirrors(&self) -> Result<Mirrors, ArchiveError> {
        match self {
            Self::Host => Mirrors::of_host(Path::new(APT)),
            Self::Given { main, security } => Mirrors::given(main, security),
            Self::Snapshot { template, moment } => Mirrors::snapshot(template, *moment),
        }
    }
}

/// apt's configuration, where the machine's own mirrors stand.
const APT: &str = "/etc/apt";

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
