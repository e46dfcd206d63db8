//! What is asked of an archive, what it is to be asked with, and what comes of it.

use std::path::PathBuf;

use galley_registry::RegistryConfig;

use super::closure::Variant;
use super::lock::{Lock, Requested};
use super::mirror::Mirror;
use super::mirrors::Mirrors;
use super::sources::is_security;
use crate::DebFile;

/// The packages of a root file system.
#[derive(Clone, Debug)]
pub struct Request {
    /// Where packages come from; of several versions the highest is taken, whichever suite has it.
    pub suites: Vec<Suite>,
    /// `main`, `contrib`, `non-free-firmware`.
    pub components: Vec<String>,
    /// `amd64`, `arm64`.
    pub architecture: String,
    /// What there is in any case.
    pub variant: Variant,
    /// Packages by name, or as `name=version`.
    pub include: Vec<String>,
}

/// A suite and its mirrors, asked in this order.
#[derive(Clone, Debug)]
pub struct Suite {
    /// `bookworm`, `bookworm-security`.
    pub name: String,
    /// At least one.
    pub mirrors: Vec<Mirror>,
}

impl Request {
    /// `main` of a Debian release by its codename, with its updates and security updates.
    #[must_use]
    pub fn debian(codename: &str, mirrors: &Mirrors, architecture: &str) -> Self {
        let names = [codename.to_owned(), format!("{codename}-updates"), format!("{codename}-security")];
        // What is being developed has neither.
        let names =
            if matches!(codename, "sid" | "unstable" | "experimental") { &names[..1] } else { &names[..] };
        Self {
            suites: names
                .iter()
                .map(|name| Suite { name: name.clone(), mirrors: mirrors.of(name).to_vec() })
                .collect(),
            components: vec!["main".into()],
            architecture: architecture.into(),
            variant: Variant::default(),
            include: Vec::new(),
        }
    }

    /// What a lock says about the request.
    #[must_use]
    pub fn requested(&self) -> Requested {
        let mut include = self.include.clone();
        include.sort();
        include.dedup();
        Requested {
            suites: self.suites.iter().map(|suite| suite.name.clone()).collect(),
            components: self.components.clone(),
            architecture: self.architecture.clone(),
            variant: match self.variant {
                Variant::Only => "only",
                Variant::Listed => "listed",
                Variant::Essential => "essential",
                Variant::Minbase => "minbase",
            }
            .into(),
            include,
        }
    }
}

impl Mirrors {
    /// The mirrors of a suite.
    #[must_use]
    pub fn of(&self, suite: &str) -> &[Mirror] {
        if is_security(suite) { &self.security } else { &self.main }
    }
}

/// How archives are asked and believed.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The package cache: a directory that any number of processes share, and that is safe to delete.
    pub cache: PathBuf,
    /// Proxies, certificates, time limits, retries.
    pub network: RegistryConfig,
    /// Whom to believe.
    pub trust: Trust,
    /// How many files are downloaded side by side; at least one.
    pub at_once: usize,
    /// Take what the cache has, and ask no mirror.
    pub offline: bool,
}

impl Default for Settings {
    /// As usual, with a cache in the working directory, which hardly anybody wants.
    fn default() -> Self {
        Self::new(PathBuf::new())
    }
}

impl Settings {
    /// With everything but the cache as usual.
    #[must_use]
    pub fn new(cache: PathBuf) -> Self {
        Self {
            cache,
            network: RegistryConfig::default(),
            trust: Trust::default(),
            at_once: 8,
            offline: false,
        }
    }
}

/// Whom to believe, and what in spite of all.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    /// The keys.
    pub keys: Keys,
    /// A release past its `Valid-Until`, dated in the future, or signed with a key past its time counts all the same; a warning says so.
    pub allow_expired: bool,
    /// A release without a good signature counts all the same; a warning says so.
    pub allow_unsigned: bool,
    /// Releases are judged as of this moment, in seconds since 1970, which is that of a snapshot; `None` means now.
    pub at: Option<u64>,
}

/// Which keys releases are checked with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Keys {
    /// Those that the mirror's apt source names; else the machine's Debian keyring; else those that galley carries.
    #[default]
    Usual,
    /// Those that galley carries, of Debian 12 and 13.
    Embedded,
    /// Those of a file, as `gpg --export` writes it.
    File(PathBuf),
}

/// What came of a request.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// The packages, sorted by name.
    pub files: Vec<DebFile>,
    /// The same as a lock.
    pub lock: Lock,
    /// The suites that were read; none where a lock was given.
    pub releases: Vec<ReleaseRead>,
}

/// A release that counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReleaseRead {
    /// The suite as it was asked for.
    pub suite: String,
    /// The mirror that had it, without credentials.
    pub mirror: String,
    /// `Date`, as it was written.
    pub date: String,
    /// Whose key it was signed with, and its fingerprint; `None` where that was not asked for.
    pub signed_by: Option<String>,
}

/// What happens meanwhile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Something that whoever builds has to know, in a whole sentence.
    Warning(String),
    /// How far the downloads are.
    Progress(Progress),
}

/// How far the downloads are. What is in the cache already counts as done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Bytes that are there.
    pub done: u64,
    /// Bytes altogether.
    pub total: u64,
    /// Packages that are there whole.
    pub packages: usize,
    /// Packages altogether.
    pub packages_total: usize,
}

/// Who is told, and who may stop it.
pub struct Watch<'w> {
    /// Hears of every [`Event`], on the thread that asked.
    pub event: &'w dyn Fn(&Event),
    /// Asked some twenty times a second whether to stop.
    pub stopped: &'w dyn Fn() -> bool,
}
