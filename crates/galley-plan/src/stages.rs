//! The lowered stages, what they need from outside, and what has been found there.

pub(crate) mod names;
mod reach;
mod triggers;

use std::collections::{BTreeMap, BTreeSet};

use galley_image::{ImageConfig, Platform, Reference};
use galley_syntax::{Diagnostic, Instruction, LineIndex, Span};

pub(crate) use self::names::{Source, Wanted};
pub(crate) use self::triggers::Step;
use crate::lower::LowerOptions;
use crate::scope::Scope;

/// The stages of a Dockerfile, names and bases understood. Made by [`crate::lower()`].
#[derive(Clone, Debug)]
pub struct Stages {
    pub(crate) list: Vec<Stage>,
    /// Indexes of the stages that were asked for.
    pub(crate) targets: Vec<usize>,
    /// The scope before the first FROM.
    pub(crate) globals: Scope,
    pub(crate) options: LowerOptions,
    pub(crate) lines: LineIndex,
    /// The file's escape character.
    pub(crate) escape: char,
    pub(crate) warnings: Vec<Diagnostic>,
}

/// One stage.
#[derive(Clone, Debug)]
pub(crate) struct Stage {
    pub(crate) index: usize,
    /// Lower case.
    pub(crate) name: Option<String>,
    /// The FROM instruction.
    pub(crate) from: Span,
    /// The base's name in it.
    pub(crate) image: Span,
    pub(crate) base: Source,
    /// A named context stands in the stage's place: it has no instructions, and no triggers run in it.
    pub(crate) replaced: bool,
    pub(crate) platform: Platform,
    /// All after FROM.
    pub(crate) instructions: Vec<Instruction>,
    /// What is wrong with FROM; it matters only where the stage is needed.
    pub(crate) problems: Vec<Diagnostic>,
}

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

impl std::fmt::Display for ImageName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Reference(reference) => f.write_str(&reference.familiar()),
            Self::NamedContext(name) => f.write_str(name),
        }
    }
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
    /// What is still missing. Ask again with what was found: triggers (ONBUILD) of a base may need more. Triggers do not
    /// nest, so the second answer is the last that can name something new.
    #[must_use]
    pub fn needs(&self, resolved: &Resolved) -> Needs {
        let mut needs = self.reach(resolved).needs;
        needs.images.retain(|need, _| !resolved.images.contains_key(need));
        needs.contexts.retain(|name, _| !resolved.contexts.contains(name));
        needs
    }

    /// What stops nothing but should be said. [`crate::Plan::warnings`] holds these and more.
    #[must_use]
    pub fn warnings(&self) -> &[Diagnostic] {
        &self.warnings
    }

    pub(crate) fn stage(&self, index: usize) -> Option<&Stage> {
        self.list.get(index)
    }
}
