//! What a recipe needs from outside. To understand a recipe takes milliseconds, to find in the store what it was understood to need, a fraction of
//! one: so the bases under a project cost its no-op build nothing that is felt.

use galley_image::{Platform, Reference};
use galley_plan::{CacheKey, ImageName, Resolved};
use galley_store::Store;
use galley_syntax::Span;
use serde::{Deserialize, Serialize};

use crate::build::lower_options;
use crate::error::BuildError;
use crate::request::BuildRequest;

/// What a recipe needs.
pub(super) struct Needs {
    /// Whether it reads its context.
    pub(super) context: bool,
    /// Images, each with the place where it is asked for first.
    pub(super) images: Vec<(Reference, Platform, Span)>,
}

/// [`Needs`], as the store keeps it.
#[derive(Serialize, Deserialize)]
struct Note {
    context: bool,
    images: Vec<(Reference, String, u32, u32)>,
}

/// What `request`, the build of a recipe, needs. `recipe` is the key of all that decides it: text, target, arguments and platform.
///
/// # Errors
/// [`BuildError::Dockerfile`] for a recipe that cannot be understood, and [`BuildError::Store`].
pub(super) fn needs(request: &BuildRequest, recipe: CacheKey, store: &Store) -> Result<Needs, BuildError> {
    let name = format!("needs of the recipe {recipe}");
    // A note of another galley's format counts as none.
    let note = store.journal(&name)?.and_then(|text| serde_json::from_str::<Note>(&text).ok());
    if let Some(needs) = note.and_then(read) {
        return Ok(needs);
    }
    let stages = galley_plan::lower(&galley_syntax::parse(&request.dockerfile), &lower_options(request))
        .map_err(BuildError::Dockerfile)?;
    let found = stages.needs(&Resolved::default());
    let images = found.images.into_iter().filter_map(|(need, span)| match need.name {
        ImageName::Reference(name) => Some((name, need.platform, span)),
        // A recipe is given no named contexts.
        ImageName::NamedContext(_) => None,
    });
    let needs = Needs { context: !found.contexts.is_empty(), images: images.collect() };
    // Strings and numbers, which JSON can always write.
    store.put_journal(&name, &serde_json::to_string(&write(&needs)).unwrap_or_default())?;
    Ok(needs)
}

fn read(note: Note) -> Option<Needs> {
    let image = |(name, platform, start, end): (Reference, String, u32, u32)| {
        Some((name, platform.parse().ok()?, Span::new(start, end)))
    };
    let images = note.images.into_iter().map(image).collect::<Option<_>>()?;
    Some(Needs { context: note.context, images })
}

fn write(needs: &Needs) -> Note {
    let image = |(name, platform, span): &(Reference, Platform, Span)| {
        (name.clone(), platform.to_string(), span.start, span.end)
    };
    Note { context: needs.context, images: needs.images.iter().map(image).collect() }
}
