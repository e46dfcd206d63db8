//! ureq agents: one for each combination of trust and proxy, made when first needed.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::unversioned::transport::DefaultConnector;
use ureq::{Agent, Proxy};

use super::no_proxy::bypasses;
use super::resolver::Remembering;
use super::url::Url;
use crate::config::{Certificates, Proxies, RegistryConfig, Timeouts};
use crate::error::{Failure, RegistryError};

/// Where distributions keep their bundle of certificate authorities.
const SYSTEM_BUNDLES: [&str; 5] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    /// `None` for plain HTTP, else whether certificates are checked.
    verify: Option<bool>,
    proxy: Option<String>,
}

pub(super) struct Agents {
    certificates: Certificates,
    proxies: Proxies,
    user_agent: String,
    timeouts: Timeouts,
    roots: OnceLock<RootCerts>,
    agents: Mutex<HashMap<Key, Agent>>,
}

impl Agents {
    pub fn new(config: &RegistryConfig) -> Self {
        Self {
            certificates: config.certificates.clone(),
            proxies: config.proxies.clone(),
            user_agent: config.user_agent.clone(),
            timeouts: config.timeouts,
            roots: OnceLock::new(),
            agents: Mutex::default(),
        }
    }

    pub fn for_url(&self, url: &Url, verify: bool) -> Result<Agent, RegistryError> {
        let proxy = if url.https { &self.proxies.https } else { &self.proxies.http };
        let none = self.proxies.none.as_deref().unwrap_or_default();
        let proxy =
            proxy.clone().filter(|proxy| !proxy.is_empty() && !bypasses(none, url.host(), url.port()));
        let key = Key { verify: url.https.then_some(verify), proxy };
        let mut agents = self.agents.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(agent) = agents.get(&key) {
            return Ok(agent.clone());
        }
        let agent = self.make(&key)?;
        agents.insert(key, agent.clone());
        Ok(agent)
    }

    fn make(&self, key: &Key) -> Result<Agent, RegistryError> {
        let tls = match key.verify {
            Some(true) => TlsConfig::builder().root_certs(self.roots()?).build(),
            Some(false) => TlsConfig::builder().disable_verification(true).build(),
            None => TlsConfig::default(),
        };
        let proxy = key.proxy.as_deref().map(proxy).transpose()?;
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .tls_config(tls)
            .proxy(proxy)
            .user_agent(&self.user_agent)
            .timeout_resolve(Some(self.timeouts.connect))
            .timeout_connect(Some(self.timeouts.connect))
            .timeout_per_read(Some(self.timeouts.idle))
            .timeout_per_write(Some(self.timeouts.idle))
            // Several layers at once, and some of them to another host.
            .max_idle_connections_per_host(8)
            .build();
        Ok(Agent::with_parts(config, DefaultConnector::default(), Remembering::default()))
    }

    fn roots(&self) -> Result<RootCerts, RegistryError> {
        if let Some(roots) = self.roots.get() {
            return Ok(roots.clone());
        }
        let Certificates { file, directory, extra } = &self.certificates;
        let mut certificates = Vec::new();
        if file.is_some() || directory.is_some() {
            certificates.extend(load(file.as_deref(), directory.as_deref())?);
        } else if let Some(bundle) = SYSTEM_BUNDLES.iter().map(Path::new).find(|path| path.exists()) {
            certificates.extend(load(Some(bundle), None)?);
        }
        for bundle in extra {
            certificates.extend(load(Some(bundle), None)?);
        }
        Ok(self.roots.get_or_init(|| RootCerts::from(certificates)).clone())
    }
}

fn load(file: Option<&Path>, directory: Option<&Path>) -> Result<Vec<Certificate<'static>>, RegistryError> {
    let shown = || PathBuf::from(file.or(directory).unwrap_or(Path::new("")));
    let loaded = rustls_native_certs::load_certs_from_paths(file, directory);
    if loaded.certs.is_empty() {
        let detail = loaded.errors.first().map_or_else(|| "it holds none".into(), ToString::to_string);
        return Err(RegistryError::Certificates { file: shown(), detail });
    }
    Ok(loaded.certs.iter().map(|der| Certificate::from_der(der).to_owned()).collect())
}

fn proxy(url: &str) -> Result<Proxy, RegistryError> {
    // As with curl, a bare host means an HTTP proxy.
    let whole = if url.contains("://") { url.to_owned() } else { format!("http://{url}") };
    Proxy::new(&whole).map_err(|_| {
        let shown = url.rsplit_once('@').map_or(url, |(_, host)| host);
        RegistryError::Proxy { url: shown.into() }
    })
}

/// An error of ureq in galley's words.
pub(super) fn failure(authority: &str, error: ureq::Error) -> Failure {
    let host = authority.to_owned();
    match error {
        ureq::Error::HostNotFound => Failure::UnknownHost(host),
        ureq::Error::Timeout(_) => Failure::Timeout(host),
        ureq::Error::Tls(detail) => Failure::Tls { host, detail: detail.into() },
        ureq::Error::Rustls(error) => Failure::Tls { host, detail: error.to_string() },
        ureq::Error::ConnectProxyFailed(detail) => Failure::Proxy { host, detail },
        ureq::Error::Io(error) => io_failure(host, error),
        other => Failure::Broken { host, detail: other.to_string() },
    }
}

fn io_failure(host: String, error: io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::ConnectionRefused
        | io::ErrorKind::HostUnreachable
        | io::ErrorKind::NetworkUnreachable => Failure::Refused(host),
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => Failure::Timeout(host),
        // rustls reports what is wrong with the other side as invalid data.
        io::ErrorKind::InvalidData => Failure::Tls { host, detail: error.to_string() },
        _ => match error.downcast::<ureq::Error>() {
            Ok(inner) => failure(&host, inner),
            Err(error) => Failure::Broken { host, detail: error.to_string() },
        },
    }
}
