//! The configuration of an image that is a root and nothing else.

use std::time::{Duration, UNIX_EPOCH};

use galley_image::{DiffId, History, ImageConfig};

use super::certificates::BUNDLE;
use super::{RootSpec, SEARCH_PATH, Variant};

/// A layer that was made.
pub struct Made<'a> {
    /// Its diff ID.
    pub diff_id: DiffId,
    /// The root's date: seconds since 1970.
    pub date: i64,
    /// The digest of its packages.
    pub lock_digest: &'a str,
    /// How many.
    pub packages: usize,
}

/// The configuration: the same packages give the same bytes.
#[must_use]
pub fn configuration(spec: &RootSpec, made: &Made<'_>) -> ImageConfig {
    let created = rfc3339(made.date);
    let mut image = ImageConfig::scratch(spec.platform());
    let config = &mut image.config;
    config.env = vec![format!("PATH={SEARCH_PATH}")];
    match spec.variant {
        Variant::Distroless => {
            config.env.push(format!("SSL_CERT_FILE=/{BUNDLE}"));
            config.user = "0".into();
            config.working_dir = "/".into();
        }
        Variant::Minbase | Variant::Slim => config.cmd = Some(vec!["bash".into()]),
    }
    config.labels.insert("galley.base".into(), format!("debian {} {}", spec.suite, spec.variant.name()));
    config.labels.insert("galley.base.packages".into(), format!("sha256:{}", made.lock_digest));
    image.rootfs.diff_ids = vec![made.diff_id];
    image.history = vec![History {
        created: Some(created.clone()),
        created_by: Some(command(spec)),
        comment: Some(format!("{} Debian packages, sha256:{}", made.packages, made.lock_digest)),
        ..History::default()
    }];
    image.created = Some(created);
    image
}

/// The command that makes such a root.
fn command(spec: &RootSpec) -> String {
    let mut command = format!("galley base --suite {} --variant {}", spec.suite, spec.variant.name());
    if !spec.include.is_empty() {
        command.push_str(&format!(" --include {}", spec.include.join(",")));
    }
    if spec.components != ["main"] {
        command.push_str(&format!(" --components {}", spec.components.join(",")));
    }
    format!("{command} --arch {}", spec.architecture)
}

/// Seconds since 1970 as RFC 3339; times before 1970 become 1970.
fn rfc3339(seconds: i64) -> String {
    /// The last second of the year 9999, the last that RFC 3339 can write.
    const LAST: u64 = 253_402_300_799;
    let since = Duration::from_secs(u64::try_from(seconds).unwrap_or(0).min(LAST));
    humantime::format_rfc3339_seconds(UNIX_EPOCH + since).to_string()
}
