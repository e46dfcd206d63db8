//! What Debian's official images have besides their packages.

use galley_store::StoreError;

use super::Variant;
use super::exclude::slim_configuration;
use super::place::Placer;

/// A source of packages, as the root's own apt is told.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AptSource {
    /// The archive, without credentials.
    pub uri: String,
    /// Its suites: `bookworm`, `bookworm-updates`.
    pub suites: Vec<String>,
}

/// apt keeps no packages and no indexes of what it downloaded: nobody installs them twice in an image.
const DOCKER_CLEAN: &str = r#"DPkg::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb /var/cache/apt/archives/partial/*.deb /var/cache/apt/*.bin || true"; };
APT::Update::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb /var/cache/apt/archives/partial/*.deb /var/cache/apt/*.bin || true"; };
Dir::Cache::pkgcache ""; Dir::Cache::srcpkgcache "";
"#;

/// Writes the configuration of apt and dpkg, and what keeps services from being started while packages are configured.
///
/// # Errors
/// [`StoreError`].
pub fn write(
    variant: Variant,
    sources: &[AptSource],
    components: &[String],
    placer: &mut Placer<'_>,
) -> Result<(), StoreError> {
    for (name, content) in [
        ("docker-clean", DOCKER_CLEAN),
        ("docker-gzip-indexes", "Acquire::GzipIndexes \"true\";\n"),
        ("docker-no-languages", "Acquire::Languages \"none\";\n"),
        ("docker-autoremove-suggests", "Apt::AutoRemove::SuggestsImportant \"false\";\n"),
    ] {
        placer.file(&format!("etc/apt/apt.conf.d/{name}"), 0o644, content.as_bytes())?;
    }
    placer.file("usr/sbin/policy-rc.d", 0o755, b"#!/bin/sh\nexit 101\n")?;
    placer.file("etc/dpkg/dpkg.cfg.d/docker-apt-speedup", 0o644, b"force-unsafe-io\n")?;
    if variant == Variant::Slim {
        placer.file("etc/dpkg/dpkg.cfg.d/docker", 0o644, slim_configuration().as_bytes())?;
    }
    placer.file(
        "etc/apt/sources.list.d/debian.sources",
        0o644,
        sources_file(sources, components).as_bytes(),
    )?;
    for directory in ["var/cache/apt/archives/partial", "var/lib/apt/lists/partial"] {
        placer.directory(directory, 0o700, 0)?;
    }
    Ok(())
}

/// `debian.sources` (sources.list(5), deb822 style).
fn sources_file(sources: &[AptSource], components: &[String]) -> String {
    let paragraph = |source: &AptSource| {
        format!(
            "Types: deb\nURIs: {}\nSuites: {}\nComponents: {}\nSigned-By: /usr/share/keyrings/debian-archive-keyring.gpg\n",
            source.uri,
            source.suites.join(" "),
            components.join(" ")
        )
    };
    sources.iter().map(paragraph).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_paragraphs() {
        let source = |uri: &str, suites: &[&str]| AptSource {
            uri: uri.into(),
            suites: suites.iter().map(|suite| (*suite).to_owned()).collect(),
        };
        let sources = [
            source("http://mirror.example/debian", &["bookworm", "bookworm-updates"]),
            source("http://mirror.example/debian-security", &["bookworm-security"]),
        ];
        let keyring = "Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n";
        assert_eq!(
            sources_file(&sources, &["main".into(), "contrib".into()]),
            format!(
                "Types: deb\nURIs: http://mirror.example/debian\nSuites: bookworm bookworm-updates\nComponents: main contrib\n{keyring}\n\
                 Types: deb\nURIs: http://mirror.example/debian-security\nSuites: bookworm-security\nComponents: main contrib\n{keyring}"
            )
        );
    }
}
