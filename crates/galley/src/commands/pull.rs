//! `galley pull`: the plan of `FROM image`, and its layers.

use galley_build::build::plan;
use galley_build::container;
use galley_build::error::BuildError;
use galley_build::events::{Event, Events, NoEvents, Outcome, Step, StepId};
use galley_build::request::{BuildRequest, CachePolicy, ContextSource, NetworkMode};
use galley_image::{Platform, Reference};
use galley_store::{Image, Lease, StoreError};

use super::{Context, color, face_kind};
use crate::cli::ProgressArgs;
use crate::error::Error;
use crate::exit::Exit;
use crate::session::{Session, enter_user_namespace};
use crate::ui::Face;
use crate::{request, signals, stdout};

/// Fetches images.
///
/// # Errors
/// [`Error::Option`] for a name that is none, [`Error::Build`] and [`Error::Image`].
pub fn run(
    names: &[String],
    platform: Option<&str>,
    progress: &ProgressArgs,
    context: &Context,
) -> Result<Exit, Error> {
    let platform = request::platform(platform)?;
    let references: Vec<Reference> = names.iter().map(|name| parse(name)).collect::<Result<_, _>>()?;
    if let Some(exit) = enter_user_namespace(&context.config)? {
        return Ok(exit);
    }
    let session = Session::open(&context.config, "galley pull")?;
    let received =
        signals::cancel_on_signals(&session.cancel).map_err(Error::io("handle signals of", "galley"))?;
    let lease = session.store.lease()?;
    for reference in &references {
        let face = Face::start(face_kind(progress, &context.config), context.start, color(&context.config));
        match image(reference, &platform, &session, &face, &lease) {
            Ok(image) => {
                drop(face);
                stdout::print(&format!("{} {}\n", reference.familiar(), image.id))?;
            }
            Err(_) if received.signal().is_some() => {
                face.fail("interrupted; what has come is kept, and the next pull goes on from there\n");
                return Ok(received.signal().map_or(Exit::FAILED, Exit::signal));
            }
            Err(error) => {
                drop(face);
                return Err(error);
            }
        }
    }
    session.store.sync()?;
    Ok(Exit::DONE)
}

/// A name on the command line.
///
/// # Errors
/// [`Error::Option`].
pub fn parse(name: &str) -> Result<Reference, Error> {
    name.parse().map_err(|error: galley_image::ReferenceError| Error::Option {
        option: "image",
        value: name.into(),
        problem: error.to_string(),
    })
}

/// Asks the registry for an image and fetches its layers.
///
/// # Errors
/// [`Error::Pull`], [`Error::Build`] and [`Error::Image`].
pub fn image(
    reference: &Reference,
    platform: &Platform,
    session: &Session,
    events: &dyn Events,
    lease: &Lease,
) -> Result<Image, Error> {
    let request = BuildRequest {
        dockerfile: format!("FROM {reference}\n").into_bytes(),
        dockerfile_name: "-".into(),
        context: ContextSource::Empty,
        ignore: None,
        target: None,
        build_args: Default::default(),
        named_contexts: Default::default(),
        labels: Default::default(),
        secrets: Default::default(),
        network: NetworkMode::None,
        platform: platform.clone(),
        cache: CachePolicy::Use,
        pull: true,
        bases: Default::default(),
        source_date_epoch: None,
        tags: Vec::new(),
        outputs: Vec::new(),
        store_image: false,
    };
    let world = session.world();
    let step = StepId(0);
    let label = format!("pull {}", reference.familiar());
    let line = Step { id: step, stage: String::new(), position: None, label, line: 0 };
    events.event(&Event::Planned { steps: vec![line] });
    events.event(&Event::Started { step });
    let pulled = (|| -> Result<Image, Error> {
        plan(&request, &world, &NoEvents).map_err(|error| match error {
            // There is no Dockerfile to show a line of.
            BuildError::Image { source, reference, .. } => Error::Pull { reference, source },
            other => other.into(),
        })?;
        let image = session.store.image(reference, lease)?;
        let image = image.ok_or_else(|| StoreError::UnknownImage(reference.familiar()))?;
        container::unpack(&image, &world, events, step, lease)
            .map_err(|source| Error::Pull { reference: reference.familiar(), source: Box::new(source) })?;
        Ok(image)
    })();
    let outcome = match &pulled {
        Ok(_) => Outcome::Done { size: 0 },
        Err(_) if session.cancel.is_cancelled() => Outcome::Cancelled,
        Err(_) => Outcome::Failed,
    };
    events.event(&Event::Finished { step, outcome });
    // Its size is known only now.
    pulled.and_then(|image| Ok(session.store.image(reference, lease)?.unwrap_or(image)))
}
