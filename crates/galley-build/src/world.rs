//! The outside world of a build, passed in: nothing in this crate is global.

use galley_registry::Images;
use galley_sandbox::{Cancel, Sandbox};
use galley_store::Store;

use crate::host_files::HostFiles;
use crate::site::Site;

/// Everything outside that a build touches.
pub struct World<'a> {
    /// Layers, records and images.
    pub store: &'a Store,
    /// Registries.
    pub images: &'a dyn Images,
    /// Runs processes.
    pub sandbox: &'a dyn Sandbox,
    /// What RUN steps need on this site.
    pub site: &'a Site,
    /// Name resolution files that steps see.
    pub host_files: &'a HostFiles,
    /// Stops the build.
    pub cancel: &'a Cancel,
    /// How many threads read and hash files.
    pub threads: usize,
    /// The time of the build, seconds since 1970: stands in records and in the configuration of what runs now.
    pub now: i64,
}
