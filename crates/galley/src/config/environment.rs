//! The environment, captured once at the start.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

/// Every variable of the process.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    variables: BTreeMap<OsString, OsString>,
}

impl Environment {
    /// The process's own environment.
    pub fn capture() -> Self {
        Self { variables: std::env::vars_os().collect() }
    }

    /// An environment of these variables alone.
    #[cfg(test)]
    pub fn of(variables: &[(&str, &str)]) -> Self {
        Self { variables: variables.iter().map(|(name, value)| (name.into(), value.into())).collect() }
    }

    /// A variable's value.
    pub fn get(&self, name: &str) -> Option<&OsStr> {
        self.variables.get(OsStr::new(name)).map(OsString::as_os_str)
    }

    /// A variable's value, where it is UTF-8.
    pub fn text(&self, name: &str) -> Option<String> {
        self.get(name)?.to_str().map(str::to_owned)
    }

    /// Every variable with its value.
    pub fn all(&self) -> Vec<(OsString, OsString)> {
        self.variables.iter().map(|(name, value)| (name.clone(), value.clone())).collect()
    }

    /// A variable that holds an absolute path; others are ignored, as the XDG base directory specification asks.
    fn directory(&self, name: &str) -> Option<PathBuf> {
        self.get(name).map(PathBuf::from).filter(|path| path.is_absolute())
    }

    /// Where users' configuration files are.
    pub fn user_config(&self) -> Option<PathBuf> {
        let home = || Some(self.directory("HOME")?.join(".config"));
        Some(self.directory("XDG_CONFIG_HOME").or_else(home)?.join("galley/config.toml"))
    }

    /// Where users' data is.
    pub fn data_home(&self) -> Option<PathBuf> {
        let home = || Some(self.directory("HOME")?.join(".local/share"));
        self.directory("XDG_DATA_HOME").or_else(home)
    }

    /// Where what can be had again is.
    pub fn cache_home(&self) -> Option<PathBuf> {
        let home = || Some(self.directory("HOME")?.join(".cache"));
        self.directory("XDG_CACHE_HOME").or_else(home)
    }

    /// Docker's `config.json`.
    pub fn docker_config(&self) -> Option<PathBuf> {
        let home = || Some(self.directory("HOME")?.join(".docker"));
        Some(self.get("DOCKER_CONFIG").map(PathBuf::from).or_else(home)?.join("config.json"))
    }
}
