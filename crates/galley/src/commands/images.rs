//! `galley images`.

use galley_image::Reference;
use galley_store::Image;
use serde_json::json;

use super::{Context, existing_store};
use crate::cli::ImagesArgs;
use crate::error::Error;
use crate::exit::Exit;
use crate::stdout;
use crate::ui::{quantity, table};

/// Lists the images of the store, the newest first.
///
/// # Errors
/// What keeps the store from being read.
pub fn run(args: &ImagesArgs, context: &Context) -> Result<Exit, Error> {
    let store = match existing_store(context, "galley images")? {
        Ok(store) => store,
        Err(exit) => return Ok(exit),
    };
    let images = store.map(|store| store.images()).transpose()?.unwrap_or_default();
    let text = match (args.json, args.quiet) {
        (true, _) => images.iter().map(|image| format!("{}\n", as_json(image))).collect(),
        (false, true) => images.iter().map(|image| format!("{}\n", image.id)).collect(),
        (false, false) => as_table(&images),
    };
    stdout::print(&text)?;
    Ok(Exit::DONE)
}

fn as_json(image: &Image) -> serde_json::Value {
    let tags: Vec<String> = image.tags.iter().map(ToString::to_string).collect();
    let created = galley_build::image::rfc3339(image.created);
    let digests: Vec<String> = image.digests.iter().map(ToString::to_string).collect();
    json!({ "id": image.id, "tags": tags, "digests": digests, "created": created, "size": image.size, "layers": image.layers.len() })
}

fn as_table(images: &[Image]) -> String {
    let mut rows = vec![["NAME", "ID", "CREATED", "SIZE"].map(str::to_owned)];
    for image in images {
        // The digests of one that has a tag say nothing to people.
        let names = if image.tags.is_empty() { &image.digests } else { &image.tags };
        let names: Vec<String> = names.iter().map(Reference::familiar).collect();
        let names = if names.is_empty() { vec!["-".to_owned()] } else { names };
        let created = galley_build::image::rfc3339(image.created);
        let row = |name| [name, image.id.short(), created.clone(), quantity::bytes(image.size)];
        rows.extend(names.into_iter().map(row));
    }
    table::table(&rows)
}
