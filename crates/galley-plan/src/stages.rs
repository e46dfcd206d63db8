//! The lowered stages, what they need from outside, and what has been found there.

use std::collections::{BTreeMap, BTreeSet};

use galley_image::{ImageConfig, Platform, Reference};
use galley_syntax::Span;

/// The stages of a Dockerfile that the targets need, names and bases understood. Made by [`crate::lower()`].
#[derive(Clone, Debug)]
pub struct Stages {}

/// An image that a plan cannot be made without.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImageNeed {
    /// Which.
    pub name: ImageName,
    /// For which platform.
    pub platform: Platform,
}

/// How an image is found.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ImageName {
    /// In the local store or a registry.
    Reference(Reference),
    /// Behind the named context of that name, given as [`crate::NamedContextKind::Image`].
    NamedContext(String),
}

/// What has to be resolved before [`crate::plan()`]; the span is where it is first asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// Images whose configuration is needed.
    pub images: BTreeMap<ImageNeed, Span>,
    /// Contexts that are read; the main one has the empty name.
    pub contexts: BTreeMap<String, Span>,
}

impl Needs {
    /// True where nothing is missing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.images.is_empty() && self.contexts.is_empty()
    }
}

/// What has been found outside.
#[derive(Clone, Debug, Default)]
pub struct Resolved {
    /// Images.
    pub images: BTreeMap<ImageNeed, ResolvedImage>,
    /// Contexts that are there.
    pub contexts: BTreeSet<String>,
}

/// An image that was found.
#[derive(Clone, Debug)]
pub struct ResolvedImage {
    /// Its name, pinned to a digest.
    pub reference: Reference,
    /// Its configuration, diff IDs included.
    pub config: ImageConfig,
}

impl Stages {
    /// What is still missing. Ask again with what was found: triggers (ONBUILD) of a base may need more.
    #[must_use]
    pub fn needs(&self, resolved: &Resolved) -> Needs {
        let _ = resolved;
        Needs::default()
    }
}
