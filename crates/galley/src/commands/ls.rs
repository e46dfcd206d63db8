//! `galley ls`: into an image of the store, or into a stage, which is built as far as it is not.

use std::sync::Arc;

use galley_build::events::{NoEvents, StepId};
use galley_build::{build, container};
use galley_image::{Tree, TreePath};
use galley_store::StoreError;

use super::build::OpenedSource;
use super::{Context, color};
use crate::cli::{LsArgs, NetworkArg, SourceArgs};
use crate::error::Error;
use crate::exit::Exit;
use crate::session::{Session, find_image, prepare_to_run};
use crate::ui::{Face, FaceKind, listing, report};
use crate::{request, signals, stdout};

/// Lists a path.
///
/// # Errors
/// [`Error::NoSuchPath`], and what keeps the image from being had.
pub fn run(args: &LsArgs, context: &Context) -> Result<Exit, Error> {
    if let Some(exit) = prepare_to_run(&context.config)? {
        return Ok(exit);
    }
    let session = Session::open(&context.config, "galley ls")?;
    signals::cancel_on_signals(&session.cancel).map_err(Error::io("handle signals of", "galley"))?;
    let lease = session.store.lease()?;
    let tree = match find_image(&session.store, &args.image, &lease) {
        Err(Error::Store(error)) if matches!(*error, StoreError::UnknownImage(_)) => {
            match stage(args, context, &session)? {
                Some(tree) => tree,
                None => return Ok(Exit::FAILED),
            }
        }
        found => {
            let top = container::unpack(&found?, &session.world(), &NoEvents, StepId(0), &lease)?;
            session.store.tree(top)?
        }
    };
    let missing = |hint: &str| Error::NoSuchPath {
        path: args.path.clone(),
        image: args.image.clone(),
        hint: hint.into(),
    };
    let path = tree.resolve(args.path.as_bytes(), false).map_err(|error| missing(&format!(": {error}")))?;
    let path = if path.is_root() { TreePath::root() } else { path };
    let text = listing::list(&tree, &path, args.recursive).ok_or_else(|| missing(""))?;
    stdout::print(&text)?;
    Ok(Exit::DONE)
}

/// What a stage ends with: built as far as it is not, and no image is made of it. `None` where that failed, which has been shown.
fn stage(args: &LsArgs, context: &Context, session: &Session) -> Result<Option<Arc<Tree>>, Error> {
    let opened = match OpenedSource::read(&args.context, args.file.as_deref(), &session.store) {
        // Nothing was said about a Dockerfile, and there is none: then it was an image that was meant.
        Err(Error::NoDockerfile { .. }) if args.file.is_none() => {
            return Err(StoreError::UnknownImage(args.image.clone()).into());
        }
        opened => opened?,
    };
    let source = SourceArgs {
        context: args.context.clone(),
        file: args.file.clone(),
        target: Some(args.image.clone()),
        build_arg: Vec::new(),
        build_context: Vec::new(),
        platform: None,
        pull: false,
        network: NetworkArg::Default,
        label: Vec::new(),
    };
    let request = request::plan(&source, &opened.source, &context.config)?;
    let face = Face::start(FaceKind::Quiet, context.start, color(&context.config));
    match build::tree(&request, &session.world(), &face) {
        Ok(tree) => Ok(Some(tree)),
        Err(error) => {
            let text = report::build_error(&error, &opened.source, face.color());
            face.fail(&text);
            Ok(None)
        }
    }
}
