//! What it means: the environment and the configuration files, read here and nowhere else.
//!
//! Two files are merged, the first over the second: `galley.toml` in the project's directory (that of the build context), and the user's
//! own (`--config`, else `galley/config.toml` below `$XDG_CONFIG_HOME` or `~/.config`).

mod bases;
mod debian;
mod environment;
mod error;
mod file;
mod site;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use galley_build::bases::Bases;
use galley_build::site::Site;
use galley_registry::{Certificates, CredentialSource, HostConfig, Mirror, Proxies, RegistryConfig};
use galley_sandbox::userns::Caller;

use crate::cli::Global;
pub use debian::DebianOverrides;
pub use environment::Environment;
pub use error::ConfigError;
use file::RegistryTable;
use file::{ConfigFile, Origin, Place};

/// The variable, and the build argument, that dates everything in an image (reproducible-builds.org).
pub const SOURCE_DATE_EPOCH: &str = "SOURCE_DATE_EPOCH";

/// Everything that the environment and the configuration say.
#[derive(Clone, Debug)]
pub struct Config {
    environment: Environment,
    store: Option<PathBuf>,
    /// What stands under `[registry."HOST"]`, by host.
    registries: BTreeMap<String, RegistryTable>,
    /// The merged `[site]` tables, the project's last; each knows the directory that its paths start from.
    site: Vec<file::PlacedSite>,
    /// The `[bases]` tables, the project's last.
    bases: Vec<bases::PlacedBases>,
    /// The merged `[debian]` tables.
    debian: debian::DebianTable,
}

impl Config {
    /// Reads the environment and the files; `project` is the directory that may hold a `galley.toml`.
    ///
    /// # Errors
    /// [`ConfigError`] for a file that cannot be read or understood.
    pub fn load(
        global: &Global,
        project: Option<&Path>,
        environment: Environment,
    ) -> Result<Self, ConfigError> {
        let mut config = Self {
            environment,
            store: None,
            registries: BTreeMap::new(),
            site: Vec::new(),
            bases: Vec::new(),
            debian: debian::DebianTable::default(),
        };
        match &global.config {
            Some(path) => config.merge(path, Origin::User, true)?,
            None => {
                if let Some(path) = config.environment.user_config() {
                    config.merge(&path, Origin::User, false)?;
                }
            }
        }
        if let Some(project) = project {
            config.merge(&project.join("galley.toml"), Origin::Project, false)?;
        }
        if let Some(store) = &global.store {
            config.store = Some(store.clone());
        }
        Ok(config)
    }

    fn merge(&mut self, path: &Path, origin: Origin, required: bool) -> Result<(), ConfigError> {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound && !required => return Ok(()),
            Err(source) => return Err(ConfigError::Read { path: path.into(), source }),
        };
        let file = ConfigFile::parse(path, &text)?;
        let directory = path.parent().unwrap_or(Path::new(".")).to_owned();
        if let Some(store) = file.store.and_then(|store| store.path) {
            self.store = Some(directory.join(store));
        }
        for (host, mut table) in file.registry {
            table.ca = table.ca.map(|ca| directory.join(ca));
            self.registries.entry(host).or_default().merge(table);
        }
        let place = Place { file: path.into(), origin };
        if let Some(site) = file.site {
            self.site.push(file::PlacedSite { place: place.clone(), site });
        }
        if let Some(table) = file.debian {
            self.debian.merge(table, &place)?;
        }
        if let Some(table) = file.bases {
            self.bases.push(bases::PlacedBases { place, table });
        }
        Ok(())
    }

    /// The store's directory: `--store`, else the configuration's, else `/var/lib/galley` for root and `galley` below
    /// `$XDG_DATA_HOME` or `~/.local/share` for a user.
    ///
    /// # Errors
    /// [`ConfigError::NoHome`].
    pub fn store(&self) -> Result<PathBuf, ConfigError> {
        if let Some(store) = &self.store {
            return Ok(store.clone());
        }
        if self.caller().is_none() && rustix::process::geteuid().is_root() {
            return Ok("/var/lib/galley".into());
        }
        self.environment.data_home().map(|data| data.join("galley")).ok_or(ConfigError::NoHome)
    }

    /// The plain user who started the galley outside of this user namespace; `None` where this is that galley.
    pub fn caller(&self) -> Option<Caller> {
        self.environment.get(Caller::MARKER).and_then(Caller::from_marker)
    }

    /// Docker's `config.json`, with the user's credentials.
    pub fn docker_config(&self) -> Option<PathBuf> {
        self.environment.docker_config()
    }

    /// What RUN steps need on this site; `ca` is `--site-ca`, which goes before the configuration's.
    ///
    /// # Errors
    /// [`ConfigError`] where a file cannot be had.
    pub fn site(&self, ca: Option<&str>) -> Result<Site, ConfigError> {
        site::read(&self.site, ca, &self.environment)
    }

    /// What names are bound to.
    ///
    /// # Errors
    /// [`ConfigError`] for a recipe that is not there, and for what cannot be bound.
    pub fn bases(&self) -> Result<Bases, ConfigError> {
        bases::read(&self.bases, || self.debian_archive(&DebianOverrides::default()))
    }

    /// The value of a variable, where it is set and is UTF-8.
    pub fn variable(&self, name: &str) -> Option<String> {
        self.environment.text(name)
    }

    /// The bytes of a variable's value.
    pub fn variable_bytes(&self, name: &str) -> Option<Vec<u8>> {
        self.environment.get(name).map(|value| std::os::unix::ffi::OsStrExt::as_bytes(value).to_vec())
    }

    /// The whole environment, for a galley or a shell that this one becomes.
    pub fn environment(&self) -> Vec<(OsString, OsString)> {
        self.environment.all()
    }

    /// What registries have to be told: `[registry]`, credentials, proxies, certificates.
    pub fn registries(&self) -> RegistryConfig {
        let variable = |name: &str| {
            let lower = self.environment.text(&name.to_lowercase());
            lower.or_else(|| self.environment.text(name)).filter(|value| !value.is_empty())
        };
        let hosts = self.registries.iter().map(|(host, table)| (host.clone(), self.host(table))).collect();
        let certificates = Certificates {
            file: self.environment.get("SSL_CERT_FILE").map(PathBuf::from),
            directory: self.environment.get("SSL_CERT_DIR").map(PathBuf::from),
            extra: self.registries.values().filter_map(|table| table.ca.clone()).collect(),
        };
        let (http, https, none) = (variable("HTTP_PROXY"), variable("HTTPS_PROXY"), variable("NO_PROXY"));
        RegistryConfig {
            hosts,
            certificates,
            credentials: self
                .docker_config()
                .map_or_else(CredentialSource::default, CredentialSource::DockerConfig),
            proxies: Proxies { http, https, none },
            ..RegistryConfig::default()
        }
    }

    fn host(&self, table: &RegistryTable) -> HostConfig {
        // A mirror may have settings of its own, under its host.
        let insecure = |location: &str| {
            let host = location.split('/').next().unwrap_or(location);
            self.registries.get(host).and_then(|table| table.insecure).unwrap_or(false)
        };
        let mirror = |location: &String| Mirror { location: location.clone(), insecure: insecure(location) };
        HostConfig {
            mirrors: table.mirrors.iter().flatten().map(mirror).collect(),
            insecure: table.insecure.unwrap_or(false),
        }
    }

    /// `SOURCE_DATE_EPOCH`, seconds since 1970: as the build argument `given`, else from the environment; with `reproducible`, 0 where
    /// neither is set.
    ///
    /// # Errors
    /// [`ConfigError::SourceDateEpoch`] for a value that is no number.
    pub fn source_date_epoch(
        &self,
        given: Option<&String>,
        reproducible: bool,
    ) -> Result<Option<i64>, ConfigError> {
        let set = given.cloned().or_else(|| self.environment.text(SOURCE_DATE_EPOCH));
        match set.filter(|value| !value.is_empty()) {
            Some(value) => {
                let seconds = value.parse().ok().filter(|seconds: &i64| *seconds >= 0);
                seconds.map(Some).ok_or(ConfigError::SourceDateEpoch(value))
            }
            None => Ok(reproducible.then_some(0)),
        }
    }

    /// Whether to write colours to a terminal: not where `NO_COLOR` is set or the terminal is a dumb one.
    pub fn color(&self) -> bool {
        let no_color = self.environment.text("NO_COLOR").is_some_and(|value| !value.is_empty());
        !no_color && !self.dumb_terminal()
    }

    /// Whether the terminal cannot move its cursor.
    pub fn dumb_terminal(&self) -> bool {
        self.environment.text("TERM").is_none_or(|term| term.is_empty() || term == "dumb")
    }
}

#[cfg(test)]
mod tests;
