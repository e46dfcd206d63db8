//! `galley base`: a root file system of Debian packages, as an image.

use std::io::IsTerminal;

use galley_bases::{BasesWorld, BuiltRoot, Phase, Progress, RootSpec, Variant, build_root};
use galley_build::events::{Event, Events, Exported, Outcome, Step, StepId, Stream};
use galley_build::export;
use galley_build::request::{Destination, Output, OutputFormat};
use galley_image::Reference;
use galley_store::{ImageLayer, Lease, NewImage};

use super::{Context, color, face_kind};
use crate::cli::{BaseArgs, VariantArg};
use crate::config::DebianOverrides;
use crate::error::Error;
use crate::exit::Exit;
use crate::request::{options, output};
use crate::session::{Session, prepare_to_run};
use crate::ui::Face;
use crate::{signals, stdout};

/// The one step of the work.
const STEP: StepId = StepId(0);

/// Makes a root.
///
/// # Errors
/// What keeps it from being started. One that fails shows its error itself, and is `Ok`.
pub fn run(args: &BaseArgs, context: &Context) -> Result<Exit, Error> {
    let config = &context.config;
    let spec = spec(args);
    let tags = options::tags("--tag", &args.tags)?;
    let outputs = outputs(&args.output)?;
    if let Some(exit) = prepare_to_run(config)? {
        return Ok(exit);
    }
    let archive = config.debian_archive(&overrides(args))?;
    let session = Session::open(config, "galley base")?;
    let received =
        signals::cancel_on_signals(&session.cancel).map_err(Error::io("handle signals of", "galley"))?;
    let face = Face::start(face_kind(&args.progress, config), context.start, color(config));
    let world = session.world();
    let bases = BasesWorld {
        store: world.store,
        sandbox: world.sandbox,
        cancel: world.cancel,
        archive,
        threads: world.threads,
        now: world.now,
    };
    let lease = session.store.lease()?;
    let made =
        make(&spec, &bases, &lease, &face).and_then(|root| keep(&root, &tags, &outputs, &session, &face));
    match made {
        Ok(id) => {
            session.store.sync()?;
            face.succeed(&[]);
            if args.progress.quiet && outputs.iter().all(|output| output.destination != Destination::Stdout) {
                stdout::print(&format!("{id}\n"))?;
            }
            Ok(Exit::DONE)
        }
        Err(_) if received.signal().is_some() => {
            face.fail("interrupted; packages that were fetched are kept\n");
            Ok(received.signal().map_or(Exit::FAILED, Exit::signal))
        }
        Err(error) => {
            let text = crate::ui::diagnostics::plain_error(&error.to_string(), face.color());
            face.fail(&text);
            Ok(Exit::FAILED)
        }
    }
}

fn spec(args: &BaseArgs) -> RootSpec {
    let variant = match args.variant {
        VariantArg::Minbase => Variant::Minbase,
        VariantArg::Slim => Variant::Slim,
        VariantArg::Distroless => Variant::Distroless,
    };
    let mut spec = RootSpec {
        suite: args.suite.clone(),
        variant,
        include: args.include.clone(),
        components: args.components.clone(),
        ..RootSpec::default()
    };
    if let Some(architecture) = &args.arch {
        spec.architecture.clone_from(architecture);
    }
    spec
}

fn overrides(args: &BaseArgs) -> DebianOverrides {
    DebianOverrides {
        mirrors: args.mirror.clone(),
        keyring: args.keyring.clone(),
        lock: args.lock.clone(),
        snapshot: args.snapshot.clone(),
        allow_expired: args.allow_expired,
    }
}

/// Every `-o`. A file whose name says that it is a tar is one; for a build, which has directories in mind, it would be a directory.
fn outputs(values: &[String]) -> Result<Vec<Output>, Error> {
    let mut all = Vec::new();
    for value in values {
        if value.ends_with(".tar") && !value.contains('=') {
            let destination = Destination::Path(value.into());
            all.push(Output { format: OutputFormat::Tar, destination });
        } else {
            all.extend(output::outputs(std::slice::from_ref(value))?.written);
        }
    }
    let to_stdout = |output: &&Output| output.destination == Destination::Stdout;
    match all.iter().filter(to_stdout).count() {
        0 => Ok(all),
        1 if !std::io::stdout().is_terminal() => Ok(all),
        1 => Err(Error::Usage(
            "an archive is nothing for a terminal: add dest=FILE to -o, or send standard output elsewhere",
        )),
        _ => Err(Error::Usage("only one -o can go to standard output")),
    }
}

/// Makes the root, and tells `face` of it as of a build with one step.
fn make(spec: &RootSpec, world: &BasesWorld<'_>, lease: &Lease, face: &Face) -> Result<BuiltRoot, Error> {
    let mut label = format!("debian {} {} {}", spec.suite, spec.variant.name(), spec.architecture);
    if !spec.include.is_empty() {
        label += &format!(" with {}", spec.include.join(", "));
    }
    let step = Step { id: STEP, stage: String::new(), position: None, label, line: 0 };
    face.event(&Event::Planned { steps: vec![step] });
    face.event(&Event::Started { step: STEP });
    let made = build_root(spec, world, lease, &Told { events: face });
    let outcome = match &made {
        Ok(root) if root.cached => Outcome::Done { size: 0 },
        Ok(root) => Outcome::Done { size: root.size },
        Err(_) if world.cancel.is_cancelled() => Outcome::Cancelled,
        Err(_) => Outcome::Failed,
    };
    face.event(&Event::Finished { step: STEP, outcome });
    Ok(made?)
}

/// Puts an image of the root into the store, names it, and writes it out. Returns its id.
fn keep(
    root: &BuiltRoot,
    tags: &[Reference],
    outputs: &[Output],
    session: &Session,
    face: &Face,
) -> Result<galley_image::Digest, Error> {
    let store = &session.store;
    let layer = ImageLayer { diff_id: root.diff_id, blob: None, snapshot: Some(root.snapshot.id) };
    let config = export::config_bytes(&root.config);
    let id = store.put_image(&NewImage { config, layers: vec![layer], manifest: None })?;
    for tag in tags {
        store.tag(tag, id)?;
    }
    let result = Exported::Image { id, tags: tags.to_vec(), size: root.size, layers: 1 };
    face.event(&Event::Exported { result });
    let image = store.image_by_id(&id.to_string())?;
    for output in outputs {
        let written = export::write(store, &image, tags, output)?;
        let result = Exported::Path { path: written.path, size: written.size };
        face.event(&Event::Exported { result });
    }
    Ok(id)
}

/// The progress of a root as events of its step.
struct Told<'a> {
    events: &'a dyn Events,
}

impl Progress for Told<'_> {
    fn progress(&self, phase: Phase, done: u64, total: Option<u64>) {
        let what = match phase {
            Phase::Index => "indexes",
            Phase::Fetch => "bytes of packages",
            Phase::Unpack => "packages unpacked",
            Phase::Configure => "packages configured",
        };
        self.events.event(&Event::Progress { step: STEP, what: what.into(), done, total });
    }

    fn output(&self, bytes: &[u8]) {
        let bytes = bytes.to_vec();
        self.events.event(&Event::Output { step: STEP, stream: Stream::Stdout, bytes });
    }

    fn notice(&self, message: &str) {
        self.events.event(&Event::Warning { step: None, message: message.into() });
    }
}
