//! Platforms, written `os/arch[/variant]` as docker writes them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The operating system and processor that an image is for (OCI image-spec, image-index.md, "platform").
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Platform {
    /// Operating system: `linux`.
    pub os: String,
    /// Processor in Go's naming: `amd64`, `arm64`, `386`.
    pub architecture: String,
    /// Processor variant: `v7` for 32-bit ARM; empty values are not written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    /// Version of the operating system; only Windows images have it.
    #[serde(default, rename = "os.version", skip_serializing_if = "Option::is_none")]
    pub os_version: Option<String>,
}

/// A platform that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a platform: write it as os/arch or os/arch/variant, for example linux/amd64")]
pub struct PlatformError(pub String);

impl Platform {
    /// A platform with docker's normalisation: `x86_64` is `amd64`, `aarch64` is `arm64` (without `v8`), `armhf` is `arm/v7`.
    #[must_use]
    pub fn new(os: &str, architecture: &str, variant: Option<&str>) -> Self {
        let variant = variant.map(str::to_ascii_lowercase).filter(|variant| !variant.is_empty());
        let (architecture, variant) = match architecture.to_ascii_lowercase().as_str() {
            "x86_64" | "x86-64" | "amd64" => ("amd64".into(), variant.filter(|variant| variant != "v1")),
            "aarch64" | "arm64" => {
                ("arm64".into(), variant.filter(|variant| variant != "v8" && variant != "8"))
            }
            "armhf" => ("arm".into(), Some("v7".into())),
            "armel" => ("arm".into(), Some("v6".into())),
            "arm" => (
                "arm".into(),
                Some(variant.map_or("v7".into(), |v| if v.starts_with('v') { v } else { format!("v{v}") })),
            ),
            "i386" => ("386".into(), None),
            other => (other.to_owned(), variant),
        };
        Self { os: os.to_ascii_lowercase(), architecture, variant, os_version: None }
    }

    /// The platform that this program was compiled for.
    #[must_use]
    pub fn host() -> Self {
        Self::new("linux", std::env::consts::ARCH, None)
    }

    /// Whether an image for `offered` runs where `self` is asked for: same system and processor, and the same variant
    /// unless one of the two names none.
    #[must_use]
    pub fn accepts(&self, offered: &Self) -> bool {
        let offered = Self::new(&offered.os, &offered.architecture, offered.variant.as_deref());
        self.os == offered.os
            && self.architecture == offered.architecture
            && (self.variant.is_none() || offered.variant.is_none() || self.variant == offered.variant)
    }
}

impl FromStr for Platform {
    type Err = PlatformError;

    fn from_str(text: &str) -> Result<Self, PlatformError> {
        let mut parts = text.split('/');
        let valid = |part: &str| {
            !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
        };
        match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some(os), Some(arch), variant, None)
                if valid(os) && valid(arch) && variant.is_none_or(valid) =>
            {
                Ok(Self::new(os, arch, variant))
            }
            (Some("linux"), None, None, None) => Ok(Self::host()),
            _ => Err(PlatformError(text.into())),
        }
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        self.variant.as_ref().map_or(Ok(()), |variant| write!(f, "/{variant}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_normalised() {
        for (from, to) in [
            ("linux/x86_64", "linux/amd64"),
            ("Linux/AARCH64/v8", "linux/arm64"),
            ("linux/arm", "linux/arm/v7"),
            ("linux/arm/6", "linux/arm/v6"),
            ("linux/riscv64", "linux/riscv64"),
        ] {
            assert_eq!(from.parse::<Platform>().unwrap().to_string(), to);
        }
        for bad in ["", "linux/", "a/b/c/d", "linux/a b"] {
            assert!(bad.parse::<Platform>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_variant_matters_only_when_both_have_one() {
        let arm = Platform::new("linux", "arm64", None);
        assert!(arm.accepts(&Platform::new("linux", "arm64", Some("v8"))));
        assert!(!Platform::new("linux", "arm", Some("v6")).accepts(&Platform::new(
            "linux",
            "arm",
            Some("v7")
        )));
    }
}
