//! `galley save`.

use std::io::IsTerminal;

use galley_build::events::{Events, StepId};
use galley_build::request::Destination;
use galley_build::{export, pull};
use galley_image::Reference;
use galley_store::{Image, Lease, Store, StoreError};

use super::{Context, color, face_kind};
use crate::cli::{ArchiveFormat, SaveArgs};
use crate::error::Error;
use crate::exit::Exit;
use crate::session::{Session, enter_user_namespace, find_image};
use crate::signals;
use crate::ui::Face;

/// Writes images to an archive. Layers of bases that the store does not have are fetched first.
///
/// # Errors
/// [`Error::Usage`] for a terminal; [`Error::Store`], [`Error::Image`] and [`Error::Export`].
pub fn run(args: &SaveArgs, context: &Context) -> Result<Exit, Error> {
    if args.output.is_none() && std::io::stdout().is_terminal() {
        return Err(Error::Usage(
            "an archive is nothing for a terminal: add -o FILE, or send standard output elsewhere",
        ));
    }
    let config = &context.config;
    let missing = || StoreError::UnknownImage(args.images.first().cloned().unwrap_or_default());
    if !config.store()?.exists() {
        return Err(missing().into());
    }
    if let Some(exit) = enter_user_namespace(config)? {
        return Ok(exit);
    }
    let session = Session::open(config, "galley save")?;
    signals::cancel_on_signals(&session.cancel).map_err(Error::io("handle signals of", "galley"))?;
    let lease = session.store.lease()?;
    let mut images: Vec<(Image, Vec<Reference>)> = Vec::new();
    for name in &args.images {
        for (image, tags) in named(&session.store, name, &lease)? {
            match images.iter_mut().find(|(other, _)| other.id == image.id) {
                Some((_, known)) => known.extend(tags),
                None => images.push((image, tags)),
            }
        }
    }
    let face = Face::start(face_kind(&args.progress, config), context.start, color(config));
    for (image, tags) in &mut images {
        tags.sort();
        tags.dedup();
        pull::fetch_blobs(image, &session.world(), &face as &dyn Events, StepId(0), &lease)?;
    }
    let is_docker = args.format == ArchiveFormat::Docker;
    let destination = args.output.clone().map_or(Destination::Stdout, Destination::Path);
    export::save(&session.store, &images, is_docker, &destination)?;
    Ok(Exit::DONE)
}

/// The images that a name means, each with the names that it is saved under: a tag alone; every tag of a repository that
/// is named without one; and an id or a digest saves the image without names. As in docker.
fn named(store: &Store, name: &str, lease: &Lease) -> Result<Vec<(Image, Vec<Reference>)>, Error> {
    let Ok(reference) = name.parse::<Reference>() else {
        return Ok(vec![(find_image(store, name, lease)?, Vec::new())]);
    };
    let repository = |tag: &Reference| {
        (tag.registry(), tag.repository()) == (reference.registry(), reference.repository())
    };
    let has_tag = name.ends_with(":latest") || reference.tag() != Some("latest");
    if !has_tag && reference.digest().is_none() {
        let mut all = Vec::new();
        for image in store.images()? {
            let tags: Vec<Reference> = image.tags.iter().filter(|tag| repository(tag)).cloned().collect();
            if let Some(first) = tags.first() {
                // Looked up once more by name, so that the lease holds its files.
                all.push((find_image(store, &first.to_string(), lease)?, tags));
            }
        }
        if !all.is_empty() {
            return Ok(all);
        }
    }
    let image = find_image(store, name, lease)?;
    let tags = image.tags.iter().filter(|tag| **tag == reference).cloned().collect();
    Ok(vec![(image, tags)])
}
