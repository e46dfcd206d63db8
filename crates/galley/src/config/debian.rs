//! From `[debian]` tables, and what was typed over them, to where Debian's packages come from.

use std::path::PathBuf;

use galley_bases::archive::{Keys, Settings, date};
use galley_bases::{ArchiveOptions, MirrorChoice};
use galley_registry::RegistryConfig;

use super::file::Place;
use super::{Config, ConfigError};

/// `[debian]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct DebianTable {
    /// URIs of mirrors of the archive `debian`, asked in this order.
    pub mirror: Option<Vec<String>>,
    /// Those of `debian-security` [default: beside the first].
    pub security_mirror: Option<Vec<String>>,
    /// The URI of a mirror that keeps every state of the archives, with `{archive}` and `{moment}` in it.
    pub snapshot: Option<String>,
    /// The URI of the archive `debian` that roots name in their own apt sources.
    pub published_uri: Option<String>,
    /// Keys that releases are signed with.
    pub keyring: Option<PathBuf>,
    /// Where packages are kept.
    pub cache: Option<PathBuf>,
}

impl DebianTable {
    /// Takes every value that `over` has; its paths start where it stood.
    ///
    /// # Errors
    /// [`ConfigError::OutsideProject`] and [`ConfigError::File`] for a keyring.
    pub fn merge(&mut self, over: Self, place: &Place) -> Result<(), ConfigError> {
        let keyring = over.keyring.map(|path| place.locate("debian", &path)).transpose()?;
        let cache = over.cache.map(|path| place.directory().join(path));
        self.mirror = over.mirror.or_else(|| self.mirror.take());
        self.security_mirror = over.security_mirror.or_else(|| self.security_mirror.take());
        self.snapshot = over.snapshot.or_else(|| self.snapshot.take());
        self.published_uri = over.published_uri.or_else(|| self.published_uri.take());
        self.keyring = keyring.or_else(|| self.keyring.take());
        self.cache = cache.or_else(|| self.cache.take());
        Ok(())
    }
}

/// What `galley base` was told besides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DebianOverrides {
    /// `--mirror`.
    pub mirrors: Vec<String>,
    /// `--keyring`.
    pub keyring: Option<PathBuf>,
    /// `--lock`.
    pub lock: Option<PathBuf>,
    /// `--snapshot`.
    pub snapshot: Option<String>,
    /// `--allow-expired`.
    pub allow_expired: bool,
}

impl Config {
    /// Where Debian's packages come from.
    ///
    /// # Errors
    /// [`ConfigError::Moment`], [`ConfigError::NoSnapshotMirror`] and [`ConfigError::NoHome`].
    pub fn debian_archive(&self, over: &DebianOverrides) -> Result<ArchiveOptions, ConfigError> {
        let table = &self.debian;
        let mut settings = Settings::new(self.package_cache()?);
        // Only what the network needs: a mirror's credentials stand in its URI.
        let RegistryConfig { proxies, certificates, .. } = self.registries();
        settings.network = RegistryConfig { proxies, certificates, ..RegistryConfig::default() };
        settings.trust.allow_expired = over.allow_expired;
        if let Some(keyring) = over.keyring.as_ref().or(table.keyring.as_ref()) {
            settings.trust.keys = Keys::File(keyring.clone());
        }
        let mirrors = match &over.snapshot {
            Some(date) => {
                let moment = date::parse_moment(date).ok_or_else(|| ConfigError::Moment(date.clone()))?;
                let template = over.mirrors.first().or(table.snapshot.as_ref()).cloned();
                MirrorChoice::Snapshot { template: template.ok_or(ConfigError::NoSnapshotMirror)?, moment }
            }
            None if !over.mirrors.is_empty() => {
                MirrorChoice::Given { main: over.mirrors.clone(), security: Vec::new() }
            }
            None => match table.mirror.clone() {
                Some(main) => {
                    MirrorChoice::Given { main, security: table.security_mirror.clone().unwrap_or_default() }
                }
                None => MirrorChoice::Host,
            },
        };
        let published_uri = table.published_uri.clone();
        Ok(ArchiveOptions { mirrors, settings, published_uri, lock: over.lock.clone() })
    }

    /// `/var/cache/galley/debian` for root, `galley/debian` below `$XDG_CACHE_HOME` or `~/.cache` for a user.
    fn package_cache(&self) -> Result<PathBuf, ConfigError> {
        if let Some(cache) = &self.debian.cache {
            return Ok(cache.clone());
        }
        if self.caller().is_none() && rustix::process::geteuid().is_root() {
            return Ok("/var/cache/galley/debian".into());
        }
        self.environment.cache_home().map(|cache| cache.join("galley/debian")).ok_or(ConfigError::NoHome)
    }
}
