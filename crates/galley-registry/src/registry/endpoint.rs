//! Which servers to ask for a registry's images.

use crate::config::RegistryConfig;
use crate::http::{Url, is_loopback_authority};

/// A server that has a registry's repositories.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Endpoint {
    /// As people write it: the registry's name, or the mirror's location. Credentials are kept under its host.
    pub name: String,
    /// Host and port.
    pub authority: String,
    /// What stands before repository names: empty, or ending in a slash.
    pub prefix: String,
    /// Certificates are not checked, and plain HTTP is tried.
    pub insecure: bool,
    /// A mirror, not the registry itself.
    pub mirror: bool,
}

/// The mirrors of `registry`, then the registry.
pub(super) fn endpoints(registry: &str, config: &RegistryConfig) -> Vec<Endpoint> {
    let host = config.hosts.get(registry);
    let mirrors = host.into_iter().flat_map(|host| &host.mirrors);
    let mirrors = mirrors.map(|mirror| endpoint(&mirror.location, mirror.insecure, true));
    let own = endpoint(registry, host.is_some_and(|host| host.insecure), false);
    mirrors.chain([own]).collect()
}

fn endpoint(location: &str, insecure: bool, mirror: bool) -> Endpoint {
    let location = location.trim_end_matches('/');
    let (host, prefix) = location.split_once('/').unwrap_or((location, ""));
    // Docker Hub's name is not its registry's address.
    let authority = if host == "docker.io" { "registry-1.docker.io" } else { host };
    Endpoint {
        name: location.into(),
        authority: authority.into(),
        prefix: if prefix.is_empty() { String::new() } else { format!("{prefix}/") },
        insecure: insecure || is_loopback_authority(authority),
        mirror,
    }
}

impl Endpoint {
    /// The host under which credentials are kept.
    pub fn host(&self) -> &str {
        self.name.split('/').next().unwrap_or(&self.name)
    }

    /// The URL of something in a repository.
    pub fn url(&self, https: bool, repository: &str, tail: &str) -> Url {
        let rest = format!("/v2/{}{repository}/{tail}", self.prefix);
        Url { https, authority: self.authority.clone(), rest }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{HostConfig, Mirror};

    #[test]
    fn mirrors_come_first() {
        let mut config = RegistryConfig::default();
        let mirror = |location: &str, insecure| Mirror { location: location.into(), insecure };
        let mirrors = vec![mirror("m.example/hub/", false), mirror("10.0.0.1:5000", true)];
        config.hosts.insert("docker.io".into(), HostConfig { mirrors, insecure: false });
        let shown: Vec<_> = endpoints("docker.io", &config)
            .iter()
            .map(|e| format!("{} {} {}", e.url(true, "library/node", "manifests/1"), e.insecure, e.host()))
            .collect();
        assert_eq!(
            shown,
            [
                "https://m.example/v2/hub/library/node/manifests/1 false m.example",
                "https://10.0.0.1:5000/v2/library/node/manifests/1 true 10.0.0.1:5000",
                "https://registry-1.docker.io/v2/library/node/manifests/1 false docker.io",
            ]
        );
    }

    #[test]
    fn loopback_is_insecure() {
        let config = RegistryConfig::default();
        for (registry, insecure) in
            [("localhost:5000", true), ("127.0.0.1", true), ("[::1]:5000", true), ("r.example", false)]
        {
            assert_eq!(endpoints(registry, &config)[0].insecure, insecure, "{registry}");
        }
    }
}
