//! `galley ls`: into an image of the store, or into a stage, which is built as far as it is not.

use galley_build::build::build;
use galley_build::container;
use galley_build::events::NoEvents;
use galley_image::TreePath;
use galley_store::{Image, Lease, StoreError};

use super::build::OpenedSource;
use super::{Context, color};
use crate::cli::{LsArgs, NetworkArg, SourceArgs};
use crate::error::Error;
use crate::exit::Exit;
use crate::session::{Session, enter_user_namespace, find_image};
use crate::ui::{Face, FaceKind, listing, report};
use crate::{request, signals, stdout};

/// Lists a path.
///
/// # Errors
/// [`Error::NoSuchPath`], and what keeps the image from being had.
pub fn run(args: &LsArgs, context: &Context) -> Result<Exit, Error> {
    if let Some(exit) = enter_user_namespace(&context.config)? {
        return Ok(exit);
    }
    let session = Session::open(&context.config, "galley ls")?;
    signals::cancel_on_signals(&session.cancel).map_err(Error::io("handle signals of", "galley"))?;
    let lease = session.store.lease()?;
    let image = match find_image(&session.store, &args.image, &lease) {
        Err(Error::Store(error)) if matches!(*error, StoreError::UnknownImage(_)) => {
            match stage(args, context, &session, &lease)? {
                Some(image) => image,
                None => return Ok(Exit::FAILED),
            }
        }
        found => found?,
    };
    let top = container::unpack(&image, &session.world(), &NoEvents, &lease)?;
    let tree = session.store.tree(top)?;
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

/// Builds a stage; `None` where that failed, which has been shown.
fn stage(args: &LsArgs, context: &Context, session: &Session, lease: &Lease) -> Result<Option<Image>, Error> {
    let opened = OpenedSource::read(&args.context, args.file.as_deref(), &session.store)?;
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
    match build(&request, &session.world(), &face) {
        Ok(built) => Ok(Some(find_image(&session.store, &built.id.to_string(), lease)?)),
        Err(error) => {
            let text = report::build_error(&error, &opened.source, face.color());
            face.fail(&text);
            Ok(None)
        }
    }
}
