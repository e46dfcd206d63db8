//! What a caller asks of a build, fully resolved: no defaults are looked up behind this type, no environment is read.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use galley_image::{Platform, Reference};

use crate::bases::Bases;

/// One build.
#[derive(Clone, Debug)]
pub struct BuildRequest {
    /// The Dockerfile's bytes.
    pub dockerfile: Vec<u8>,
    /// The name that messages show for the Dockerfile, and that `galley why` finds the build by: its absolute path, or `-`.
    pub dockerfile_name: String,
    /// The main build context.
    pub context: ContextSource,
    /// The `.dockerignore` in force: the name that messages show, and its bytes.
    pub ignore: Option<(String, Vec<u8>)>,
    /// The stage to build: a name or a number; `None` is the last one.
    pub target: Option<String>,
    /// `--build-arg`, values resolved.
    pub build_args: BTreeMap<String, String>,
    /// `--build-context`.
    pub named_contexts: BTreeMap<String, NamedContext>,
    /// `--label`.
    pub labels: BTreeMap<String, String>,
    /// `--secret`, by id.
    pub secrets: BTreeMap<String, Secret>,
    /// `--network`: what `RUN --network=default` means.
    pub network: NetworkMode,
    /// `--platform`; the host's where nothing was asked for.
    pub platform: Platform,
    /// Which steps may use the cache.
    pub cache: CachePolicy,
    /// `--pull`: ask the registry even where the tag is known.
    pub pull: bool,
    /// What names are bound to (`[bases]`).
    pub bases: Bases,
    /// `SOURCE_DATE_EPOCH`: seconds since 1970 that every younger time in the image is set to.
    pub source_date_epoch: Option<i64>,
    /// `-t`.
    pub tags: Vec<Reference>,
    /// `-o`.
    pub outputs: Vec<Output>,
    /// `-o type=image`: the image is kept in the store also where other outputs are written and it has no name.
    pub store_image: bool,
}

impl BuildRequest {
    /// Whether the image is kept in the store. A root file system that is written out leaves no unnamed image behind;
    /// an archive does, since the image remembers its compressed layers for the next one.
    #[must_use]
    pub fn keeps_image(&self) -> bool {
        let packs = || self.outputs.iter().any(|output| output.format.needs_blobs());
        self.store_image || !self.tags.is_empty() || self.outputs.is_empty() || packs()
    }
}

/// Where a build context's files are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ContextSource {
    /// A directory.
    Directory(PathBuf),
    /// A directory that a tar from standard input was unpacked into; it belongs to this build alone.
    Unpacked(PathBuf),
    /// No context: a Dockerfile from standard input.
    Empty,
}

/// What `--build-context NAME=` names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NamedContext {
    /// A local directory, with its `.dockerignore` if it has one.
    Directory(PathBuf),
    /// `docker-image://REF`.
    Image(Reference),
    /// `oci-layout://DIR[:TAG][@DIGEST]`.
    OciLayout {
        /// The layout's directory.
        directory: PathBuf,
        /// A tag (`org.opencontainers.image.ref.name`) in its index.
        tag: Option<String>,
        /// A manifest's digest in its index.
        digest: Option<galley_image::Digest>,
    },
}

/// A secret's value and where it came from; the value is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret {
    /// The bytes.
    pub value: Vec<u8>,
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Secret({} bytes)", self.value.len())
    }
}

/// What a RUN step's network is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NetworkMode {
    /// The host's network.
    Host,
    /// A namespace with nothing but loopback.
    None,
}

/// Which steps may use earlier results.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CachePolicy {
    /// All.
    Use,
    /// None (`--no-cache`). Results are added beside older ones.
    Ignore,
    /// All but the steps of these stages (`--no-cache-filter`), by lower-case name.
    IgnoreStages(BTreeSet<String>),
}

/// One `-o`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// What is written.
    pub format: OutputFormat,
    /// Where it goes.
    pub destination: Destination,
}

/// The form of an output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputFormat {
    /// An OCI image layout in a tar.
    Oci,
    /// An OCI image layout as a directory (`type=oci,tar=false`).
    OciDirectory,
    /// What `docker save` writes: a tar that is a docker archive and an OCI layout at once.
    Docker,
    /// The root file system in a tar.
    Tar,
    /// The root file system as a directory.
    Local,
}

impl OutputFormat {
    /// Whether it is made of the image's compressed layers.
    #[must_use]
    pub fn needs_blobs(self) -> bool {
        matches!(self, Self::Oci | Self::OciDirectory | Self::Docker)
    }
}

/// Where an output goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// A file or directory.
    Path(PathBuf),
    /// Standard output.
    Stdout,
}
