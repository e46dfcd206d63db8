//! The configuration file's form. What it does not know is an error with its line.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use galley_syntax::suggest;
use serde::Deserialize;

use super::ConfigError;
use super::bases::BasesTable;
use super::debian::DebianTable;

/// A configuration file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConfigFile {
    /// `[site]`: what RUN steps need on this site.
    pub site: Option<SiteTable>,
    /// `[registry."HOST"]`.
    #[serde(default)]
    pub registry: BTreeMap<String, RegistryTable>,
    /// `[store]`.
    pub store: Option<StoreTable>,
    /// `[bases]`: names, and what they are bound to.
    pub bases: Option<BasesTable>,
    /// `[debian]`: where packages come from.
    pub debian: Option<DebianTable>,
}

/// `[site]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SiteTable {
    /// `host`, or a PEM file.
    pub ca: Option<String>,
    /// Variables of RUN steps.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Files of RUN steps.
    #[serde(default)]
    pub files: Vec<SiteFileTable>,
    /// Proxies of RUN steps.
    pub proxy: Option<ProxyTable>,
}

/// One of `[site] files`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SiteFileTable {
    /// The file, relative to the configuration file.
    pub source: PathBuf,
    /// Where steps see it.
    pub target: String,
}

/// `[site] proxy`: values for the variables that programs read, in lower and upper case.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProxyTable {
    /// `http_proxy`.
    pub http: Option<String>,
    /// `https_proxy`.
    pub https: Option<String>,
    /// `no_proxy`.
    pub no: Option<String>,
}

/// `[registry."HOST"]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegistryTable {
    /// Speak plain HTTP, and accept any certificate.
    pub insecure: Option<bool>,
    /// Hosts to ask first, in order; `host[:port][/prefix]`.
    pub mirrors: Option<Vec<String>>,
    /// A PEM file of the authority that signed the registry's certificate.
    pub ca: Option<PathBuf>,
}

impl RegistryTable {
    /// Takes every value that `over` has.
    pub fn merge(&mut self, over: Self) {
        self.insecure = over.insecure.or(self.insecure);
        self.mirrors = over.mirrors.or_else(|| self.mirrors.take());
        self.ca = over.ca.or_else(|| self.ca.take());
    }
}

/// `[store]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoreTable {
    /// The store's directory, relative to the configuration file.
    pub path: Option<PathBuf>,
}

/// Who wrote a configuration file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The user, who may name any file.
    User,
    /// The project, which somebody else may have written: it names files of its own alone.
    Project,
}

/// Where a table of the configuration stood.
#[derive(Clone, Debug)]
pub struct Place {
    /// The file.
    pub file: PathBuf,
    /// Who wrote it.
    pub origin: Origin,
}

impl Place {
    /// A project's file.
    pub fn project(file: &Path) -> Self {
        Self { file: file.into(), origin: Origin::Project }
    }

    /// The directory that its paths start from.
    pub fn directory(&self) -> &Path {
        match self.file.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        }
    }

    /// The file's name, for messages.
    pub fn shown(&self) -> String {
        self.file.strip_prefix(".").unwrap_or(&self.file).display().to_string()
    }

    /// The file by its absolute path.
    pub fn absolute(&self) -> PathBuf {
        let real = fs::canonicalize(&self.file).or_else(|_| std::path::absolute(&self.file));
        real.unwrap_or_else(|_| self.file.clone())
    }

    /// The path that a table named `table` means. A project's must stay in the project, links followed: a build of somebody else's project
    /// must not show the user's files to its steps.
    ///
    /// # Errors
    /// [`ConfigError::OutsideProject`], and [`ConfigError::File`] for a project's path that is not there.
    pub fn locate(&self, table: &'static str, path: &Path) -> Result<PathBuf, ConfigError> {
        let whole = self.directory().join(path);
        if self.origin == Origin::User {
            return Ok(whole);
        }
        let real = |path: &Path| {
            fs::canonicalize(path).map_err(|source| ConfigError::File { table, path: path.into(), source })
        };
        if real(&whole)?.starts_with(real(self.directory())?) {
            return Ok(whole);
        }
        Err(ConfigError::OutsideProject { config: self.file.clone(), path: path.into() })
    }
}

/// A `[site]` table and where it stood.
#[derive(Clone, Debug)]
pub struct PlacedSite {
    /// Where.
    pub place: Place,
    /// The table.
    pub site: SiteTable,
}

impl ConfigFile {
    /// Reads the text of the file at `path`.
    ///
    /// # Errors
    /// [`ConfigError::Parse`].
    pub fn parse(path: &Path, text: &str) -> Result<Self, ConfigError> {
        toml::from_str(text).map_err(|error| {
            let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or("");
            let line = before.matches('\n').count() + 1;
            // The parser explains one thing in several lines: `expected …` belongs to what it did not expect.
            let message = error.message().lines().collect::<Vec<_>>().join(", ");
            let message = did_you_mean(&message).map_or(message.clone(), |hint| format!("{message}; {hint}"));
            ConfigError::Parse { path: path.into(), line, message }
        })
    }
}

/// A hint for the parser's "unknown field `x`, expected one of `y`, `z`".
fn did_you_mean(message: &str) -> Option<String> {
    let mut quoted = message.strip_prefix("unknown field")?.split('`').skip(1).step_by(2);
    suggest::did_you_mean(quoted.next()?, quoted)
}
