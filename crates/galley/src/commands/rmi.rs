//! `galley rmi`.

use galley_image::Reference;
use galley_store::{Store, StoreError};

use super::{Context, existing_store};
use crate::error::Error;
use crate::exit::Exit;
use crate::session::find_image;
use crate::stdout;

/// Takes names away, and removes images that have no other name. Files go with the next prune.
///
/// # Errors
/// [`Error::Store`] for the first name that no image has; those before it are gone.
pub fn run(names: &[String], force: bool, context: &Context) -> Result<Exit, Error> {
    let store = match existing_store(context, "galley rmi")? {
        Ok(store) => store,
        Err(exit) => return Ok(exit),
    };
    for name in names {
        let store = store.as_ref().ok_or_else(|| StoreError::UnknownImage(name.clone()))?;
        stdout::print(&remove(store, name, force)?)?;
    }
    Ok(Exit::DONE)
}

fn remove(store: &Store, name: &str, force: bool) -> Result<String, Error> {
    let image = find_image(store, name, &store.lease()?)?;
    let reference = name.parse::<Reference>().ok();
    let named = reference.filter(|reference| image.tags.contains(reference));
    let mut text = String::new();
    // The digests that a registry knows it by keep no image alive, and go with it.
    if let Some(reference) = named.filter(|_| image.tags.len() > 1 && !force) {
        store.untag(&reference)?;
        return Ok(format!("untagged {}\n", reference.familiar()));
    }
    if image.tags.len() > 1 && !force {
        let problem = format!("it has {} names: remove them, or add --force", image.tags.len());
        return Err(Error::Option { option: "image", value: name.into(), problem });
    }
    for tag in &image.tags {
        text += &format!("untagged {}\n", tag.familiar());
    }
    store.remove_image(image.id)?;
    Ok(text + &format!("removed {}\n", image.id))
}
