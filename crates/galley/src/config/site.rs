//! From `[site]` tables to what a build needs: every file read.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use galley_build::site::{Site, SiteFile};

use super::file::{PlacedSite, ProxyTable};
use super::{ConfigError, Environment};

/// Where machines keep the bundle of the authorities that they trust: Debian and Alpine, Fedora and RHEL (two), openSUSE, OpenSSL's own.
const BUNDLES: [&str; 5] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// The site of `tables`, a later one over an earlier; `ca` (`host` or a file) goes before theirs.
pub fn read(tables: &[PlacedSite], ca: Option<&str>, environment: &Environment) -> Result<Site, ConfigError> {
    let mut bundle = None;
    let mut variables = BTreeMap::new();
    let mut files = BTreeMap::new();
    for table in tables {
        if let Some(ca) = &table.site.ca {
            bundle = Some(if ca == "host" { None } else { Some(table.place.locate("site", Path::new(ca))?) });
        }
        variables.extend(table.site.proxy.iter().flat_map(proxy));
        variables.extend(table.site.env.clone());
        for file in &table.site.files {
            if !file.target.starts_with('/') {
                return Err(ConfigError::RelativeTarget(file.target.clone()));
            }
            files.insert(file.target.clone(), table.place.locate("site", &file.source)?);
        }
    }
    if let Some(ca) = ca {
        bundle = Some(if ca == "host" { None } else { Some(ca.into()) });
    }
    let ca = match bundle {
        None => None,
        Some(Some(path)) => Some(read_bundle(&path)?),
        Some(None) => Some(read_bundle(&host_bundle(environment)?)?),
    };
    let mut read = Vec::new();
    for (target, path) in files {
        let content = fs::read(&path).map_err(|source| ConfigError::File { table: "site", path, source })?;
        read.push(SiteFile { target, content });
    }
    Ok(Site { ca, env: variables.into_iter().collect(), files: read })
}

fn proxy(proxy: &ProxyTable) -> Vec<(String, String)> {
    let named = [("http_proxy", &proxy.http), ("https_proxy", &proxy.https), ("no_proxy", &proxy.no)];
    let set = named.into_iter().filter_map(|(name, value)| Some((name, value.clone()?)));
    set.flat_map(|(name, value)| [(name.to_owned(), value.clone()), (name.to_uppercase(), value)]).collect()
}

/// The machine's own bundle: `SSL_CERT_FILE`, else the first well-known path that is there.
fn host_bundle(environment: &Environment) -> Result<PathBuf, ConfigError> {
    let named = environment.get("SSL_CERT_FILE").map(PathBuf::from);
    let candidates = named.into_iter().chain(BUNDLES.map(PathBuf::from));
    let mut looked_for = Vec::new();
    for candidate in candidates {
        if candidate.is_file() {
            return Ok(candidate);
        }
        looked_for.push(candidate.display().to_string());
    }
    Err(ConfigError::NoHostBundle { looked_for })
}

fn read_bundle(path: &Path) -> Result<Vec<u8>, ConfigError> {
    let content =
        fs::read(path).map_err(|source| ConfigError::File { table: "site", path: path.into(), source })?;
    const MARK: &[u8] = b"BEGIN CERTIFICATE";
    if content.windows(MARK.len()).any(|window| window == MARK) {
        return Ok(content);
    }
    Err(ConfigError::NotABundle { path: path.into() })
}
