//! `galley build`.

use std::fs;
use std::io::{IsTerminal, Read};
use std::path::{Path, PathBuf};

use galley_build::build::{Built, build};
use galley_build::events::{Event, Events};
use galley_build::request::{Destination, Output};
use galley_store::{Lease, Prepared, Store};
use serde_json::json;

use super::{Context, color, face_kind};
use crate::cli::BuildArgs;
use crate::error::Error;
use crate::exit::Exit;
use crate::request::source::Source;
use crate::request::{self, source};
use crate::session::{Session, prepare_to_run};
use crate::ui::{Face, report};
use crate::{signals, stdout};

/// Builds.
///
/// # Errors
/// What keeps a build from starting. A build that fails shows its error itself, and is `Ok`.
pub fn run(args: &BuildArgs, context: &Context) -> Result<Exit, Error> {
    let config = &context.config;
    if let Some(exit) = prepare_to_run(config)? {
        return Ok(exit);
    }
    let mut session = Session::open(config, "galley build")?;
    session.site = config.site(args.site_ca.as_deref())?;
    let received =
        signals::cancel_on_signals(&session.cancel).map_err(Error::io("handle signals of", "galley"))?;
    let opened = OpenedSource::read(&args.source.context, args.source.file.as_deref(), &session.store)?;
    let source = &opened.source;
    let request = request::build(args, source, config)?;
    let to_stdout = |output: &Output| output.destination == Destination::Stdout;
    if request.outputs.iter().any(to_stdout) && std::io::stdout().is_terminal() {
        return Err(Error::Usage(
            "an archive is nothing for a terminal: add dest=FILE to -o, or send standard output elsewhere",
        ));
    }
    let face = Face::start(face_kind(&args.progress, config), context.start, color(config));
    for message in &source.warnings {
        face.event(&Event::Warning { step: None, message: message.clone() });
    }
    match build(&request, &session.world(), &face) {
        Ok(built) => {
            face.succeed(built.why.as_slice());
            write_results(args, &built)?;
            Ok(Exit::DONE)
        }
        Err(_) if received.signal().is_some() => {
            face.fail("interrupted; what was finished is kept\n");
            Ok(received.signal().map_or(Exit::FAILED, Exit::signal))
        }
        Err(error) => {
            let text = report::build_error(&error, source, face.color());
            face.fail(&text);
            Ok(Exit::FAILED)
        }
    }
}

/// A source, and the directory that a tar was unpacked into, which goes with it.
pub struct OpenedSource {
    /// The source.
    pub source: Source,
    _directory: Option<(Prepared, Lease)>,
}

impl OpenedSource {
    /// Finds and reads what `context` and `file` name; a tar on standard input is unpacked into the store's temporary directory.
    ///
    /// # Errors
    /// As [`source::read`].
    pub fn read(context: &Path, file: Option<&Path>, store: &Store) -> Result<Self, Error> {
        let mut directory = None;
        let mut unpack = |reader: Box<dyn Read>| -> Result<(PathBuf, Vec<String>), Error> {
            let lease = store.lease()?;
            let prepared = store.prepare(None, &lease)?;
            let path = prepared.scratch().to_owned();
            let warnings = galley_build::context::unpack_tar(reader, &path)?;
            directory = Some((prepared, lease));
            Ok((path, warnings))
        };
        let source = source::read(context, file, Box::new(std::io::stdin()), &mut unpack)?;
        Ok(Self { source, _directory: directory })
    }
}

fn write_results(args: &BuildArgs, built: &Built) -> Result<(), Error> {
    if let Some(path) = &args.iidfile {
        fs::write(path, built.id.to_string()).map_err(Error::io("write", path))?;
    }
    if let Some(path) = &args.metadata_file {
        let names: Vec<String> = built.tags.iter().map(ToString::to_string).collect();
        let mut metadata = json!({ "containerimage.config.digest": built.id, "image.name": names.join(",") });
        // Only an output that packs the image has a manifest.
        if let Some(manifest) = built.written.iter().find_map(|written| written.manifest) {
            metadata["containerimage.digest"] = json!(manifest);
        }
        fs::write(path, format!("{metadata:#}\n")).map_err(Error::io("write", path))?;
    }
    let quiet = args.progress.quiet || args.progress.progress == crate::cli::ProgressArg::Quiet;
    // An archive on standard output has to stay one.
    if quiet && built.written.iter().all(|written| written.path != "-") {
        stdout::print(&format!("{}\n", built.id))?;
    }
    Ok(())
}
