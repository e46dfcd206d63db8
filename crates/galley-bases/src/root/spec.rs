//! What a root file system is to contain, as configuration files write it.

use galley_image::Platform;
use serde::{Deserialize, Serialize};

/// A root file system made of Debian packages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RootSpec {
    /// The release: `bookworm`.
    #[serde(default = "default_suite")]
    pub suite: String,
    /// How much of it.
    #[serde(default)]
    pub variant: Variant,
    /// Packages besides those of the variant. What they depend on comes along, but not with [`Variant::Distroless`].
    #[serde(default)]
    pub include: Vec<String>,
    /// The archive's components: `main`, `contrib`, `non-free-firmware`.
    #[serde(default = "default_components")]
    pub components: Vec<String>,
    /// Debian's name of the architecture: `amd64`, `arm64`. This machine's where nothing else is said.
    #[serde(default = "host_architecture")]
    pub architecture: String,
}

/// How much of Debian a root holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Variant {
    /// The essential and required packages and apt, configured.
    Minbase,
    /// The same without documentation, manual pages and translations, now and when more is installed later.
    #[default]
    Slim,
    /// [`STATIC`] and named packages, unpacked and never configured: no shell, no package manager, no accounts but three.
    Distroless,
}

/// What a program linked statically needs of a system: time zones, certificates, names of services and media types.
pub const STATIC: [&str; 5] = ["base-files", "ca-certificates", "media-types", "netbase", "tzdata"];

impl Variant {
    /// As it is written.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Minbase => "minbase",
            Self::Slim => "slim",
            Self::Distroless => "distroless",
        }
    }

    /// Whether `dpkg` configures the packages.
    #[must_use]
    pub fn is_configured(self) -> bool {
        self != Self::Distroless
    }
}

impl Default for RootSpec {
    fn default() -> Self {
        Self {
            suite: default_suite(),
            variant: Variant::default(),
            include: Vec::new(),
            components: default_components(),
            architecture: host_architecture(),
        }
    }
}

impl RootSpec {
    /// The image platform of the architecture.
    #[must_use]
    pub fn platform(&self) -> Platform {
        match self.architecture.as_str() {
            "ppc64el" => Platform::new("linux", "ppc64le", None),
            other => Platform::new("linux", other, None),
        }
    }
}

fn default_suite() -> String {
    "bookworm".into()
}

fn default_components() -> Vec<String> {
    vec!["main".into()]
}

/// Debian's name of this machine's architecture.
fn host_architecture() -> String {
    match Platform::host().architecture.as_str() {
        "386" => "i386".into(),
        "arm" => "armhf".into(),
        "ppc64le" => "ppc64el".into(),
        other => other.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_is_a_slim_bookworm() {
        let spec: RootSpec = serde_json::from_str("{}").unwrap();
        assert_eq!(spec, RootSpec::default());
        assert_eq!((spec.suite.as_str(), spec.variant), ("bookworm", Variant::Slim));
        let spec: RootSpec = serde_json::from_str(
            r#"{"suite": "trixie", "variant": "distroless", "include": ["libc6"], "architecture": "armhf"}"#,
        )
        .unwrap();
        assert_eq!((spec.variant, spec.include.as_slice()), (Variant::Distroless, &["libc6".to_owned()][..]));
        let platform = spec.platform();
        assert_eq!((platform.architecture.as_str(), platform.variant.as_deref()), ("arm", Some("v7")));
        assert!(serde_json::from_str::<RootSpec>(r#"{"variants": "slim"}"#).is_err());
    }
}
