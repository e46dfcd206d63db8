//! What a base is made of, as one key: the recipe's text and context, its arguments, the platform, and the definitions of the bases that
//! it stands on. Nothing runs for it and no network is asked.
//!
//! What only triggers (ONBUILD) of a base name is not known here, and no part of the key.

use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use galley_bases::{ArchiveOptions, RootSpec};
use galley_image::{Platform, Reference};
use galley_plan::{CacheKey, KeyEncoder};
use galley_syntax::Span;

use super::needs::needs;
use super::{Base, BaseSource, Bases, Recipe, RecipeText, packages};
use crate::copy::{self, SelectOptions, Source, SourceBytes};
use crate::error::{BuildError, FailedBase};
use crate::events::NoEvents;
use crate::request::{BuildRequest, CachePolicy, ContextSource, NetworkMode};
use crate::resolve::context;
use crate::world::World;

/// A recipe larger than this is another file by mistake: 16 MiB.
const LARGEST: u64 = 16 << 20;

/// A base, understood.
pub(super) struct Definition {
    /// What it is made of.
    pub(super) key: CacheKey,
    /// How it is made.
    pub(super) how: How,
    /// What the recipe stands on, for people.
    pub(super) below: Vec<String>,
}

/// How a base is made.
pub(super) enum How {
    /// By a build.
    Build(Box<BuildRequest>),
    /// Out of packages.
    Packages(RootSpec, Arc<ArchiveOptions>),
}

/// Understands `base`, which stands in `path`, the names of the bases that are being defined, outermost first.
///
/// # Errors
/// [`BuildError`], its spans in the recipe. What is wrong in a base below is a [`BuildError::Base`].
pub(super) fn define(
    base: &Base,
    platform: &Platform,
    bases: &Bases,
    world: &World<'_>,
    path: &mut Vec<Reference>,
) -> Result<Definition, BuildError> {
    match &base.source {
        BaseSource::Recipe(recipe) => by_recipe(base, recipe, platform, bases, world, path),
        BaseSource::Packages { spec, archive } => {
            let spec = packages::for_platform(spec, platform);
            let key = packages::key(&spec, archive)?;
            Ok(Definition { key, how: How::Packages(spec, Arc::clone(archive)), below: Vec::new() })
        }
    }
}

fn by_recipe(
    base: &Base,
    recipe: &Recipe,
    platform: &Platform,
    bases: &Bases,
    world: &World<'_>,
    path: &mut Vec<Reference>,
) -> Result<Definition, BuildError> {
    let request = request(base, recipe, platform, bases.within(base))?;
    let mut key = KeyEncoder::new("galley 1 base made by a recipe");
    key.bytes(&request.dockerfile);
    key.option(recipe.target.as_deref(), KeyEncoder::text);
    key.list(&recipe.args, |key, (name, value)| {
        key.text(name);
        key.text(value);
    });
    key.platform(platform);
    let needs = needs(&request, key.clone().finish(), world.store)?;
    key.flag(needs.context);
    if needs.context {
        key.bytes(&context_digest(&request, world)?);
    }
    let mut all_below = Vec::new();
    key.number(needs.images.len() as u64);
    for (name, platform, span) in &needs.images {
        key.text(&name.to_string());
        key.platform(platform);
        let Some(below) = request.bases.get(name) else {
            all_below.push(name.familiar());
            continue;
        };
        all_below.push(format!("{}, {}", name.familiar(), below.origin()));
        let below = in_path(below, *span, path, |path| define(below, platform, &request.bases, world, path))?;
        key.bytes(&below.key.0);
    }
    Ok(Definition { key: key.finish(), how: How::Build(Box::new(request)), below: all_below })
}

/// Does `work` with `base` on the path; what fails in it is said to be in `base`, which is asked for at `span`.
pub(super) fn in_path<T>(
    base: &Base,
    span: Span,
    path: &mut Vec<Reference>,
    work: impl FnOnce(&mut Vec<Reference>) -> Result<T, BuildError>,
) -> Result<T, BuildError> {
    if let Some(first) = path.iter().position(|name| *name == base.name) {
        let round = path.iter().skip(first).chain([&base.name]);
        return Err(BuildError::BaseCycle { round: round.map(Reference::familiar).collect(), span });
    }
    path.push(base.name.clone());
    let done = work(path);
    path.pop();
    done.map_err(|problem| failed(base, span, problem))
}

fn failed(base: &Base, span: Span, problem: BuildError) -> BuildError {
    match problem {
        BuildError::Cancelled => return problem,
        // Of several that are not made, the one that is asked for says all there is to say.
        BuildError::BaseNotMade { .. } => {
            return BuildError::BaseNotMade { base: base.name.familiar(), span };
        }
        _ => {}
    }
    let (recipe, dockerfile) = match &base.source {
        BaseSource::Recipe(recipe) => (recipe.text.shown(), text_of(recipe).unwrap_or_default()),
        BaseSource::Packages { .. } => (base.origin(), Vec::new()),
    };
    let base = base.name.familiar();
    BuildError::Base(Box::new(FailedBase { base, span, recipe, dockerfile, problem }))
}

/// The build of a recipe. Its image gets its name when its key is known.
fn request(
    base: &Base,
    recipe: &Recipe,
    platform: &Platform,
    bases: Bases,
) -> Result<BuildRequest, BuildError> {
    let (context, ignore) = match &recipe.text {
        RecipeText::Shipped { .. } => (ContextSource::Empty, None),
        RecipeText::File { dockerfile, .. } => {
            let directory = dockerfile.parent().unwrap_or(Path::new("."));
            (ContextSource::Directory(directory.into()), ignore_file(dockerfile, directory)?)
        }
    };
    Ok(BuildRequest {
        dockerfile: text_of(recipe)?,
        dockerfile_name: format!("the base {} by {}", base.name.familiar(), base.bound_by),
        context,
        ignore,
        target: recipe.target.clone(),
        build_args: recipe.args.clone(),
        named_contexts: Default::default(),
        labels: Default::default(),
        secrets: Default::default(),
        // A base is fetched, be it as packages: that the steps which stand on it have no network is another matter.
        network: NetworkMode::Host,
        platform: platform.clone(),
        cache: CachePolicy::Use,
        pull: false,
        bases,
        source_date_epoch: None,
        tags: Vec::new(),
        outputs: Vec::new(),
        store_image: false,
    })
}

fn text_of(recipe: &Recipe) -> Result<Vec<u8>, BuildError> {
    match &recipe.text {
        RecipeText::Shipped { dockerfile, .. } => Ok(dockerfile.as_bytes().to_vec()),
        RecipeText::File { dockerfile, .. } => {
            read(dockerfile)?.ok_or_else(|| BuildError::NoRecipe { path: dockerfile.clone() })
        }
    }
}

/// `<Dockerfile>.dockerignore` beside the Dockerfile, else the directory's `.dockerignore`.
fn ignore_file(dockerfile: &Path, directory: &Path) -> Result<Option<(String, Vec<u8>)>, BuildError> {
    let mut own = dockerfile.as_os_str().to_owned();
    own.push(".dockerignore");
    for path in [Path::new(&own), &directory.join(".dockerignore")] {
        if let Some(bytes) = read(path)? {
            return Ok(Some((path.display().to_string(), bytes)));
        }
    }
    Ok(None)
}

/// The bytes of a file; `None` where there is none.
fn read(path: &Path) -> Result<Option<Vec<u8>>, BuildError> {
    let failed = |source| BuildError::Recipe { path: path.into(), source };
    let file = match std::fs::File::open(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(failed)?,
    };
    let mut bytes = Vec::new();
    file.take(LARGEST + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > LARGEST {
        return Err(failed(std::io::Error::other("it has more than 16 MiB, which no recipe has")));
    }
    Ok(Some(bytes))
}

/// The digest of the whole context of a recipe, as its ignore file leaves it.
fn context_digest(request: &BuildRequest, world: &World<'_>) -> Result<[u8; 32], BuildError> {
    // Its warnings are said when it is built.
    let context = context(request, world, &NoEvents, "")?;
    let source = Source { tree: context.tree(), name: "", is_context: true, hidden: None };
    let digest = || -> Result<_, copy::CopyError> {
        let mut selection = copy::select(&source, "/", &SelectOptions::default())?;
        copy::hash_missing(&mut selection, &SourceBytes::Context(&context))?;
        Ok(copy::digest(&selection)?)
    };
    let digest = digest().map_err(|error| BuildError::RecipeContext(Box::new(error)))?;
    context.save_digests()?;
    Ok(digest.0)
}
