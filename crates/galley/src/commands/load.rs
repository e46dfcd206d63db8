//! `galley load`.

use std::fs::File;
use std::io::{IsTerminal, Read};
use std::path::{Path, PathBuf};

use galley_image::{Platform, Reference};

use super::Context;
use crate::cli::LoadArgs;
use crate::error::Error;
use crate::exit::Exit;
use crate::session::{Session, enter_user_namespace};
use crate::{archive, stdout};

/// Takes images in from an archive or an OCI image layout.
///
/// # Errors
/// [`Error::Archive`].
pub fn run(args: &LoadArgs, context: &Context) -> Result<Exit, Error> {
    if args.input.is_none() && std::io::stdin().is_terminal() {
        return Err(Error::Usage(
            "there is nothing to load: add -i FILE, or send an archive to standard input",
        ));
    }
    if let Some(exit) = enter_user_namespace(&context.config)? {
        return Ok(exit);
    }
    let session = Session::open(&context.config, "galley load")?;
    let platform = Platform::host();
    let directory = args.input.as_ref().filter(|path| path.is_dir());
    let loaded = if let Some(directory) = directory {
        archive::load_directory(directory, &session.store, &platform)?
    } else {
        let (reader, name): (Box<dyn Read>, PathBuf) = match &args.input {
            Some(path) => (Box::new(File::open(path).map_err(Error::io("read", path))?), path.clone()),
            None => (Box::new(std::io::stdin()), Path::new("standard input").into()),
        };
        archive::load(reader, &name, &session.store, &platform)?
    };
    session.store.sync()?;
    for image in loaded {
        let names: Vec<String> = image.tags.iter().map(Reference::familiar).collect();
        let line = match (args.quiet, names.is_empty()) {
            (true, _) => format!("{}\n", image.id),
            (false, true) => format!("loaded {}\n", image.id),
            (false, false) => format!("loaded {} {}\n", names.join(", "), image.id),
        };
        stdout::print(&line)?;
    }
    Ok(Exit::DONE)
}
