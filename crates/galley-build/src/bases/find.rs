//! From a bound name to an image: known, or made now.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use galley_image::{ImageConfig, Platform, Reference};
use galley_plan::CacheKey;
use galley_store::{Image, Lease};
use galley_syntax::Span;

use super::define::{Definition, How, define, in_path};
use super::nested::{Nested, Numbers};
use super::{Absent, Base, Bases, packages, remember, version};
use crate::build::build_on;
use crate::error::{BuildError, ImageError};
use crate::events::{Event, Events};
use crate::request::BuildRequest;
use crate::resolve::{FoundImage, in_store};
use crate::world::World;

/// The label in which an image says its version (OCI image specification, annotations).
const VERSION: &str = "org.opencontainers.image.version";

/// Where a build stands: the build that somebody asked for, or that of a base for it, or of a base below that.
pub(crate) struct Line<'a> {
    /// The events of the build that was asked for.
    events: &'a dyn Events,
    shared: &'a Shared,
    /// The bases that are being made, outermost first.
    path: Vec<Reference>,
}

/// What a build and those of its bases have in common.
pub(crate) struct Shared {
    numbers: Numbers,
    /// By key of the definition: whether the base was made or refreshed by this build. Locked while it is.
    turns: Mutex<BTreeMap<CacheKey, Arc<Mutex<bool>>>>,
    said: Mutex<Vec<Event>>,
}

impl Shared {
    pub(crate) fn new() -> Self {
        Self { numbers: Numbers::new(), turns: Mutex::default(), said: Mutex::default() }
    }

    fn turn(&self, key: CacheKey) -> Arc<Mutex<bool>> {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(turns.entry(key).or_default())
    }
}

/// How a base is asked for.
pub(crate) struct Asked<'a> {
    pub(crate) platform: &'a Platform,
    /// Where in the file.
    pub(crate) span: Span,
    /// What names mean there.
    pub(crate) bases: &'a Bases,
    /// Whether it is to be made again from what is outside now.
    pub(crate) pull: bool,
}

impl<'a> Line<'a> {
    pub(crate) fn new(shared: &'a Shared, events: &'a dyn Events) -> Self {
        Self { events, shared, path: Vec::new() }
    }

    /// The image of `base`, and what [`Line::say`] is to say of it.
    pub(crate) fn find(
        &self,
        base: &Base,
        asked: &Asked<'_>,
        world: &World<'_>,
        lease: &Lease,
    ) -> Result<(FoundImage, Vec<Event>), BuildError> {
        let mut path = self.path.clone();
        in_path(base, asked.span, &mut path, |path| {
            let definition = define(base, asked.platform, asked.bases, world, path)?;
            let line = Line { path: path.clone(), ..*self };
            let image = line.image(base, definition, asked, world, lease)?;
            let found = in_store(&base.name, &image).map_err(|source| unusable(base, source))?;
            let remarks = remarks(base, &image, &found.config);
            Ok((found, remarks))
        })
    }

    fn image(
        &self,
        base: &Base,
        definition: Definition,
        asked: &Asked<'_>,
        world: &World<'_>,
        lease: &Lease,
    ) -> Result<Image, BuildError> {
        let turn = self.shared.turn(definition.key);
        let mut fresh = turn.lock().unwrap_or_else(PoisonError::into_inner);
        let known = remember::image(world.store, base, definition.key, lease)?;
        if let Some(image) = known.filter(|_| *fresh || !asked.pull) {
            return Ok(image);
        }
        if asked.bases.absent == Absent::Refuse {
            return Err(BuildError::BaseNotMade { base: base.name.familiar(), span: Span::default() });
        }
        let image = self.make(base, definition, asked, world, lease)?;
        *fresh = true;
        Ok(image)
    }

    fn make(
        &self,
        base: &Base,
        definition: Definition,
        asked: &Asked<'_>,
        world: &World<'_>,
        lease: &Lease,
    ) -> Result<Image, BuildError> {
        let Definition { key, how, .. } = definition;
        let name = remember::store_name(base, key).map_err(|source| unusable(base, source.into()))?;
        let nested = Nested {
            events: self.events,
            numbers: &self.shared.numbers,
            name: base.name.familiar(),
            first: OnceLock::new(),
        };
        let id = match how {
            How::Build(request) => {
                let request = BuildRequest { pull: asked.pull, tags: vec![name.clone()], ..*request };
                build_on(self, &request, world, &nested)?.id
            }
            How::Packages(spec, archive) => packages::make(&spec, &name, &archive, world, lease, &nested)?,
        };
        remember::keep(world.store, base, asked.platform, key, id, &name)?;
        let image = remember::image(world.store, base, key, lease)?;
        image.ok_or_else(|| galley_store::StoreError::UnknownImage(name.to_string()).into())
    }

    /// Says `remarks`, unless they have been said: several stages and bases may stand on one.
    pub(crate) fn say(&self, remarks: Vec<Event>) {
        for remark in remarks {
            let mut said = self.shared.said.lock().unwrap_or_else(PoisonError::into_inner);
            if !said.contains(&remark) {
                self.events.event(&remark);
                said.push(remark);
            }
        }
    }
}

/// Nothing is substituted silently: what is to be said about a bound base in every build.
fn remarks(base: &Base, image: &Image, config: &ImageConfig) -> Vec<Event> {
    let (name, origin) = (base.name.familiar(), base.origin());
    let version = version_of(base, config);
    let differs = version.as_deref().and_then(|has| Some((has, version::differs(base.name.tag()?, has)?)));
    let differs =
        differs.map(|(has, asked)| format!("{name} is bound to {origin} with version {has}, not {asked}"));
    let note = base.note.as_ref().map(|note| format!("{name} is bound to {origin}: {note}"));
    let warnings = differs.into_iter().chain(note);
    let warnings = warnings.map(|message| Event::Warning { step: None, message });
    let bound_by = base.bound_by.clone();
    [Event::Base { name, origin, bound_by, version, id: image.id }].into_iter().chain(warnings).collect()
}

/// What the store has of a base is of no use.
fn unusable(base: &Base, source: ImageError) -> BuildError {
    let (reference, source) = (base.name.familiar(), Box::new(source));
    BuildError::Image { reference, span: Span::default(), source }
}

fn version_of(base: &Base, config: &ImageConfig) -> Option<String> {
    base.provides.clone().or_else(|| config.config.labels.get(VERSION).cloned())
}

/// How a bound base stands.
#[derive(Clone, Debug)]
pub struct Standing {
    /// The Dockerfile, or the packages as they are configured.
    pub recipe: Vec<u8>,
    /// The image that it was made into, as far as it was.
    pub image: Option<Image>,
    /// The version that it gives, where that is known.
    pub version: Option<String>,
    /// What its recipe stands on: a name, and what that is bound to.
    pub below: Vec<String>,
}

/// How `base` stands for `platform`: nothing is made, and no network is asked.
///
/// # Errors
/// [`BuildError`]: a recipe that cannot be read or understood, among them.
pub fn standing(
    base: &Base,
    platform: &Platform,
    bases: &Bases,
    world: &World<'_>,
) -> Result<Standing, BuildError> {
    let lease = world.store.lease()?;
    in_path(base, Span::default(), &mut Vec::new(), |path| {
        let definition = define(base, platform, bases, world, path)?;
        let image = remember::image(world.store, base, definition.key, &lease)?;
        let config = image.as_ref().map(|image| in_store(&base.name, image)).transpose();
        let config = config.map_err(|source| unusable(base, source))?.map(|found| found.config);
        let version = config.map_or_else(|| base.provides.clone(), |config| version_of(base, &config));
        let recipe = match definition.how {
            How::Build(request) => request.dockerfile,
            How::Packages(spec, _) => packages::text(&spec).into_bytes(),
        };
        Ok(Standing { recipe, image, version, below: definition.below })
    })
}

/// Makes the bases that `names` are bound to, as far as they are not made; with `pull`, from what registries and package archives have now.
///
/// # Errors
/// [`BuildError`].
pub fn ensure(
    names: &[Reference],
    platform: &Platform,
    bases: &Bases,
    pull: bool,
    world: &World<'_>,
    events: &dyn Events,
) -> Result<(), BuildError> {
    let shared = Shared::new();
    let line = Line::new(&shared, events);
    let lease = world.store.lease()?;
    for base in names.iter().filter_map(|name| bases.get(name)) {
        let asked = Asked { platform, span: Span::default(), bases, pull };
        let (_, remarks) = line.find(base, &asked, world, &lease)?;
        line.say(remarks);
    }
    Ok(world.store.sync()?)
}
