//! `galley save`.

use std::io::IsTerminal;

use galley_build::export;
use galley_build::request::{Destination, Output, OutputFormat};

use super::{Context, existing_store};
use crate::cli::{ArchiveFormat, SaveArgs};
use crate::error::Error;
use crate::exit::Exit;
use crate::session::find_image;

/// Writes an image to an archive.
///
/// # Errors
/// [`Error::Usage`] for a terminal; [`Error::Store`] and [`Error::Export`].
pub fn run(args: &SaveArgs, context: &Context) -> Result<Exit, Error> {
    let name = &args.image;
    if args.output.is_none() && std::io::stdout().is_terminal() {
        return Err(Error::Usage(
            "an archive is nothing for a terminal: add -o FILE, or send standard output elsewhere",
        ));
    }
    let store = match existing_store(context, "galley save")? {
        Ok(store) => store.ok_or_else(|| galley_store::StoreError::UnknownImage(name.clone()))?,
        Err(exit) => return Ok(exit),
    };
    let lease = store.lease()?;
    let image = find_image(&store, name, &lease)?;
    let format = match args.format {
        ArchiveFormat::Docker => OutputFormat::Docker,
        ArchiveFormat::Oci => OutputFormat::Oci,
    };
    let destination = args.output.clone().map_or(Destination::Stdout, Destination::Path);
    export::write(&store, image.id, &image.tags, &Output { format, destination }, None)?;
    Ok(Exit::DONE)
}
