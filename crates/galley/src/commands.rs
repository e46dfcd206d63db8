//! One file a command. Each reads its options, opens what it needs and says how galley ends.

mod base;
mod bases;
mod build;
mod images;
mod load;
mod ls;
mod plan;
mod prune;
mod pull;
mod rmi;
mod run;
mod save;
mod store;
mod tag;
mod unshare;
mod why;

use std::io::{IsTerminal, Write};
use std::path::Path;
use std::time::Instant;

use galley_store::{Store, StoreError};

use crate::cli::{Cli, Command, Global, ProgressArg, ProgressArgs};
use crate::config::{Config, Environment};
use crate::error::Error;
use crate::exit::Exit;
use crate::session::{enter_user_namespace, open_store};
use crate::ui::{FaceKind, diagnostics};

/// What every command is given.
pub struct Context {
    /// The configuration.
    pub config: Config,
    /// When galley started.
    pub start: Instant,
}

/// Runs the command that was typed.
pub fn run(cli: Cli, start: Instant) -> Exit {
    let color = std::io::stderr().is_terminal();
    dispatch(cli, start).unwrap_or_else(|error| {
        let text = diagnostics::plain_error(&error.to_string(), color);
        // There is no other place to say it.
        let _ = std::io::stderr().lock().write_all(text.as_bytes());
        error.exit()
    })
}

fn dispatch(cli: Cli, start: Instant) -> Result<Exit, Error> {
    let global = cli.global;
    let context = |project: &Path| context(&global, project, start);
    let here = Path::new(".");
    match cli.command {
        Command::Build(args) => build::run(&args, &context(&args.source.context)?),
        Command::Plan(args) => plan::run(&args, &context(&args.source.context)?),
        Command::Why(args) => why::run(&args, &context(&args.context)?),
        Command::Images(args) => images::run(&args, &context(here)?),
        Command::Tag { image, name } => tag::run(&image, &name, &context(here)?),
        Command::Rmi { images, force } => rmi::run(&images, force, &context(here)?),
        Command::Save(args) => save::run(&args, &context(here)?),
        Command::Load(args) => load::run(&args, &context(here)?),
        Command::Run(args) => run::run(&args, &context(here)?),
        Command::Ls(args) => ls::run(&args, &context(&args.context)?),
        Command::Pull { images, platform, progress } => {
            pull::run(&images, platform.as_deref(), &progress, &context(here)?)
        }
        Command::Base(args) => base::run(&args, &context(here)?),
        Command::Bases(command) => bases::run(command, &context(here)?),
        Command::Prune(args) => prune::run(&args, &context(here)?),
        Command::Store(command) => store::run(command, &context(here)?),
        Command::Unshare { command } => unshare::run(&command, &context(here)?),
    }
}

/// The configuration for a project's directory; what is no directory, such as `-`, has none of its own.
fn context(global: &Global, project: &Path, start: Instant) -> Result<Context, Error> {
    let project = Some(project).filter(|project| project.is_dir());
    let config = Config::load(global, project, Environment::capture())?;
    Ok(Context { config, start })
}

/// Opens the store for a command that looks at what is there: `Ok(Err(exit))` when a galley in a user namespace has done the command's work,
/// `Ok(Ok(None))` when there is no store yet.
fn existing_store(context: &Context, process: &str) -> Result<Result<Option<Store>, Exit>, Error> {
    let root = context.config.store()?;
    if !root.exists() {
        return Ok(Ok(None));
    }
    if let Some(exit) = enter_user_namespace(&context.config)? {
        return Ok(Err(exit));
    }
    match open_store(&root, process) {
        Err(StoreError::NoStore { .. }) => Ok(Ok(None)),
        opened => Ok(Ok(Some(opened?))),
    }
}

/// The face that was asked for.
fn face_kind(args: &ProgressArgs, config: &Config) -> FaceKind {
    let live = || std::io::stderr().is_terminal() && !config.dumb_terminal();
    match args.progress {
        _ if args.quiet => FaceKind::Quiet,
        ProgressArg::Quiet => FaceKind::Quiet,
        ProgressArg::Plain => FaceKind::Plain,
        ProgressArg::Json => FaceKind::Json,
        ProgressArg::Auto | ProgressArg::Tty if live() => FaceKind::Tty,
        ProgressArg::Auto | ProgressArg::Tty => FaceKind::Plain,
    }
}

/// Whether errors and screens are in colour.
fn color(config: &Config) -> bool {
    std::io::stderr().is_terminal() && config.color()
}
