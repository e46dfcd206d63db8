//! Lowering: a parsed Dockerfile and the options of a build to the stages that the target needs.

use std::collections::BTreeMap;

use galley_image::Platform;
use galley_syntax::{Diagnostic, Parsed};

use crate::op::Network;
use crate::stages::Stages;

/// What a build says about its Dockerfile.
#[derive(Clone, Debug)]
pub struct LowerOptions {
    /// The stages to build, by name or number; none means the last one.
    pub targets: Vec<String>,
    /// `--build-arg`, values known.
    pub build_args: BTreeMap<String, String>,
    /// `--build-context`: the names, and what each of them is.
    pub named_contexts: BTreeMap<String, NamedContextKind>,
    /// `--platform`: what is built for.
    pub platform: Platform,
    /// What is built on; processes of other platforms cannot run.
    pub build_platform: Platform,
    /// `--label`: set on the targets, over the Dockerfile's.
    pub labels: BTreeMap<String, String>,
    /// `--network`: what `RUN --network=default` means.
    pub network: Network,
}

impl LowerOptions {
    /// Options of a plain build for `platform` on the same platform: the last stage, no arguments, no contexts.
    #[must_use]
    pub fn new(platform: Platform) -> Self {
        Self {
            targets: Vec::new(),
            build_args: BTreeMap::new(),
            named_contexts: BTreeMap::new(),
            build_platform: platform.clone(),
            platform,
            labels: BTreeMap::new(),
            network: Network::Host,
        }
    }
}

/// What a named context is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NamedContextKind {
    /// Files of a directory.
    Directory,
    /// An image: `docker-image://`, `oci-layout://`.
    Image,
}

/// Lowers a Dockerfile.
///
/// # Errors
/// The parser's errors if there are any; else everything that is wrong with the stages' names and bases, and everything
/// that the targets need and that galley does not build. Each has a span.
pub fn lower(parsed: &Parsed, options: &LowerOptions) -> Result<Stages, Vec<Diagnostic>> {
    let _ = options;
    Err(parsed.diagnostics.clone())
}
