//! `galley tag`.

use galley_image::Reference;
use galley_store::StoreError;

use super::{Context, existing_store};
use crate::error::Error;
use crate::exit::Exit;
use crate::session::find_image;

/// Gives an image another name.
///
/// # Errors
/// [`Error::Option`] for a name that is none, [`Error::Store`].
pub fn run(image: &str, name: &str, context: &Context) -> Result<Exit, Error> {
    let refuse = |problem: String| Error::Option { option: "name", value: name.into(), problem };
    let reference: Reference =
        name.parse().map_err(|error: galley_image::ReferenceError| refuse(error.to_string()))?;
    if reference.digest().is_some() {
        return Err(refuse("a name that is given has no digest".into()));
    }
    let store = match existing_store(context, "galley tag")? {
        Ok(store) => store.ok_or_else(|| StoreError::UnknownImage(image.into()))?,
        Err(exit) => return Ok(exit),
    };
    let found = find_image(&store, image, &store.lease()?)?;
    store.tag(&reference, found.id)?;
    Ok(Exit::DONE)
}
