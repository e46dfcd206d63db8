//! What a [`crate::Registry`] has to be told. The binary fills it in from `galley.toml` and the environment.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use crate::auth::CredentialSource;

/// Everything about the network and the registries.
#[derive(Clone, Debug)]
pub struct RegistryConfig {
    /// Settings by registry, under the name that references use: `docker.io`, `localhost:5000`.
    pub hosts: BTreeMap<String, HostConfig>,
    /// Whom to trust.
    pub certificates: Certificates,
    /// Who we are to registries.
    pub credentials: CredentialSource,
    /// Proxies.
    pub proxies: Proxies,
    /// The `User-Agent` header.
    pub user_agent: String,
    /// How long to wait.
    pub timeouts: Timeouts,
    /// How often to try again.
    pub retries: Retries,
}

impl Default for RegistryConfig {
    fn default() -> Self {
        Self {
            hosts: BTreeMap::new(),
            certificates: Certificates::default(),
            credentials: CredentialSource::Nobody,
            proxies: Proxies::default(),
            user_agent: concat!("galley/", env!("CARGO_PKG_VERSION")).into(),
            timeouts: Timeouts::default(),
            retries: Retries::default(),
        }
    }
}

/// Settings of one registry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostConfig {
    /// Asked before the registry itself, in order.
    pub mirrors: Vec<Mirror>,
    /// Certificates are not checked, and plain HTTP is tried where there is no TLS. Registries on loopback always are.
    pub insecure: bool,
}

/// Another place for the same repositories.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mirror {
    /// `host[:port][/prefix]`; the repository's name follows the prefix.
    pub location: String,
    /// As [`HostConfig::insecure`].
    pub insecure: bool,
}

/// Certificate authorities: the system's, or those of `file` and `directory` in their place, and those of `extra` besides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Certificates {
    /// A bundle in PEM form (`SSL_CERT_FILE`).
    pub file: Option<PathBuf>,
    /// A directory of certificates under their hashes (`SSL_CERT_DIR`).
    pub directory: Option<PathBuf>,
    /// More bundles in PEM form, such as an intercepting proxy's.
    pub extra: Vec<PathBuf>,
}

/// Proxies, as the variables of these names would give them. Loopback is never asked for through one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proxies {
    /// `HTTP_PROXY`: a URL for plain HTTP.
    pub http: Option<String>,
    /// `HTTPS_PROXY`: a URL for HTTPS.
    pub https: Option<String>,
    /// `NO_PROXY`: hosts, domains, addresses and networks, separated by commas.
    pub none: Option<String>,
}

/// How long to wait for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// For a connection, TLS included.
    pub connect: Duration,
    /// For the next byte.
    pub idle: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { connect: Duration::from_secs(10), idle: Duration::from_secs(60) }
    }
}

/// How often to try again what may work a moment later: broken connections, 5xx and 429 answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retries {
    /// Tries altogether, the first one included. A download that moved on since the last one starts counting anew.
    pub attempts: u32,
    /// The wait before the second try; it doubles each time.
    pub first_wait: Duration,
    /// The longest wait, also where a registry asks for one by `Retry-After`; longer demands are an error at once.
    pub longest_wait: Duration,
}

impl Default for Retries {
    fn default() -> Self {
        Self { attempts: 5, first_wait: Duration::from_millis(250), longest_wait: Duration::from_secs(20) }
    }
}

impl Retries {
    /// The wait after failed try number `tried`, counted from 1; `None` when that was the last one.
    #[must_use]
    pub fn wait_after(&self, tried: u32) -> Option<Duration> {
        let doublings = tried.saturating_sub(1).min(16);
        (tried < self.attempts).then(|| self.first_wait.saturating_mul(1 << doublings).min(self.longest_wait))
    }
}
