//! Bases that the configuration binds: a name such as `golang:1.22` stands for an image that galley makes itself, by a
//! recipe (a Dockerfile) or out of Debian packages.
//!
//! A bound name is looked up behind named contexts and earlier stages and before the store and registries, and never silently:
//! [`crate::events::Event::Base`] says so in every build. The image that it stands for is kept in the store under a name of its own,
//! and found again by a digest of everything it is made of ([`define`]), so an edited recipe is built anew and an unchanged one
//! costs next to nothing.

mod define;
mod find;
mod needs;
mod nested;
mod packages;
mod remember;
mod version;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use galley_bases::{ArchiveOptions, RootSpec};
use galley_image::Reference;

pub(crate) use find::{Asked, Line, Shared};
pub use find::{Standing, ensure, standing};
pub use remember::REGISTRY;

/// What names are bound to.
#[derive(Clone, Debug, Default)]
pub struct Bases {
    table: Arc<Table>,
    /// This build is that of a recipe which galley ships: it stands on its siblings where the user has bound nothing else.
    inside_shipped: bool,
    /// What to do about a bound base that is not made yet.
    pub absent: Absent,
}

#[derive(Debug, Default)]
struct Table {
    bound: BTreeMap<Reference, Arc<Base>>,
    shipped: BTreeMap<Reference, Arc<Base>>,
}

/// What to do about a bound base that is not made yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Absent {
    /// Make it.
    #[default]
    Make,
    /// Refuse: the caller is not to run anything.
    Refuse,
}

/// A name and what it is bound to.
#[derive(Clone, Debug)]
pub struct Base {
    /// The name, without a digest.
    pub name: Reference,
    /// What it is made of.
    pub source: BaseSource,
    /// The configuration file that binds it, for messages.
    pub bound_by: String,
    /// The same file by its absolute path: what was made of an earlier definition of its binding is given up when there is a new one.
    pub config: PathBuf,
    /// The version that it gives, where the image does not say so itself.
    pub provides: Option<String>,
    /// What everybody who builds on it should know; said in every build.
    pub note: Option<String>,
}

/// What a base is made of.
#[derive(Clone, Debug)]
pub enum BaseSource {
    /// A Dockerfile.
    Recipe(Recipe),
    /// Debian packages.
    Packages {
        /// Which.
        spec: RootSpec,
        /// Where they come from.
        archive: Arc<ArchiveOptions>,
    },
}

/// A Dockerfile that makes a base.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipe {
    /// Where it is.
    pub text: RecipeText,
    /// The stage to build; the last one where it is `None`.
    pub target: Option<String>,
    /// Build arguments.
    pub args: BTreeMap<String, String>,
}

/// Where a recipe's Dockerfile is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecipeText {
    /// It ships with galley, and reads no context.
    Shipped {
        /// Its name: `golang`.
        name: &'static str,
        /// The Dockerfile.
        dockerfile: &'static str,
    },
    /// A file, with its directory as context.
    File {
        /// The Dockerfile.
        dockerfile: PathBuf,
        /// The name that messages show.
        shown: String,
    },
}

impl Bases {
    /// Names that are `bound`, and `shipped` ones, on which recipes that galley ships stand where `bound` has nothing.
    #[must_use]
    pub fn new(
        bound: impl IntoIterator<Item = Arc<Base>>,
        shipped: impl IntoIterator<Item = Arc<Base>>,
    ) -> Self {
        let table = |bases: &mut dyn Iterator<Item = Arc<Base>>| {
            bases.map(|base| (base.name.clone(), base)).collect::<BTreeMap<_, _>>()
        };
        let table = Table { bound: table(&mut bound.into_iter()), shipped: table(&mut shipped.into_iter()) };
        Self { table: Arc::new(table), ..Self::default() }
    }

    /// What a name is bound to. One with a digest says exactly which image it wants, and is never bound.
    #[must_use]
    pub fn get(&self, name: &Reference) -> Option<&Arc<Base>> {
        if name.digest().is_some() {
            return None;
        }
        let shipped = || self.table.shipped.get(name).filter(|_| self.inside_shipped);
        self.table.bound.get(name).or_else(shipped)
    }

    /// The bases that are bound, by name.
    pub fn bound(&self) -> impl Iterator<Item = &Arc<Base>> {
        self.table.bound.values()
    }

    /// What names mean while `base` is built.
    fn within(&self, base: &Base) -> Self {
        let inside_shipped = match &base.source {
            BaseSource::Recipe(recipe) => matches!(recipe.text, RecipeText::Shipped { .. }),
            BaseSource::Packages { .. } => false,
        };
        Self { inside_shipped, ..self.clone() }
    }
}

impl Base {
    /// What it is made of, for people: `builtin:golang`, `bases/golang/Dockerfile`, `packages of Debian bookworm, slim`.
    #[must_use]
    pub fn origin(&self) -> String {
        match &self.source {
            BaseSource::Recipe(recipe) => match &recipe.target {
                Some(target) => format!("{} ({target})", recipe.text.shown()),
                None => recipe.text.shown(),
            },
            BaseSource::Packages { spec, .. } => {
                format!("packages of Debian {}, {}", spec.suite, spec.variant.name())
            }
        }
    }
}

impl RecipeText {
    /// The name that messages show.
    #[must_use]
    pub fn shown(&self) -> String {
        match self {
            Self::Shipped { name, .. } => format!("builtin:{name}"),
            Self::File { shown, .. } => shown.clone(),
        }
    }
}
