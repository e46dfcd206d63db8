//! `galley run`.

mod publish;

use std::io::{IsTerminal, Write};
use std::path::PathBuf;

use galley_build::container::{self, RunError, RunRequest, Volume};
use galley_build::events::NoEvents;
use galley_build::rooted::RootedError;
use galley_image::{Platform, Reference};
use galley_sandbox::{Io, Output, Stdin};
use galley_store::{Image, Lease, StoreError};

use super::{Context, pull};
use crate::cli::RunArgs;
use crate::error::Error;
use crate::exit::Exit;
use crate::request::{self, options};
use crate::session::{Session, find_image, prepare_to_run};
use crate::signals;

/// Runs a command in an image and ends as it ends.
///
/// # Errors
/// [`Error`] for what keeps the command from being found. What keeps it from running is shown, and is `Ok` with docker's codes.
pub fn run(args: &RunArgs, context: &Context) -> Result<Exit, Error> {
    let config = &context.config;
    let env = options::environment(&args.env, config)?;
    let volumes = args.volume.iter().map(|volume| parse_volume(volume)).collect::<Result<_, _>>()?;
    let published = args
        .publish
        .iter()
        .map(|port| publish::warning(port, args.network))
        .collect::<Result<Vec<_>, _>>()?;
    if let Some(workdir) = args.workdir.as_ref().filter(|workdir| !workdir.starts_with('/')) {
        let problem = "write an absolute path".into();
        return Err(Error::Option { option: "--workdir", value: workdir.clone(), problem });
    }
    if args.tty && !std::io::stdin().is_terminal() {
        return Err(Error::Usage("-t needs a terminal at standard input: leave it out where there is none"));
    }
    if let Some(exit) = prepare_to_run(config)? {
        return Ok(exit);
    }
    // Here, and not where they are found: a plain user's command line is read twice.
    for warning in published {
        say(&format!("warning: {warning}\n"));
    }
    let session = Session::open(config, "galley run")?;
    let lease = session.store.lease()?;
    let request = RunRequest {
        image: image(&args.image, &session, &lease)?,
        args: args.args.clone(),
        entrypoint: args
            .entrypoint
            .as_ref()
            .map(|program| if program.is_empty() { Vec::new() } else { vec![program.clone()] }),
        env,
        volumes,
        workdir: args.workdir.clone(),
        user: args.user.clone(),
        network: request::network(args.network),
        init: args.init,
        terminal: args.tty,
        read_only: false,
    };
    signals::hand_on_signals(&session.cancel).map_err(Error::io("handle signals of", "galley"))?;
    let stdin = if args.interactive || args.tty { Stdin::Inherit } else { Stdin::Null };
    let io = Io { stdin, output: Output::Inherit };
    match container::run(&request, &session.world(), &NoEvents, io) {
        Ok(exit) => Ok(Exit::code(exit.shell_code())),
        Err(error) => {
            say(&format!("galley: {error}\n"));
            Ok(exit_of(&error))
        }
    }
}

fn image(name: &str, session: &Session, lease: &Lease) -> Result<Image, Error> {
    match find_image(&session.store, name, lease) {
        Err(Error::Store(error)) if matches!(*error, StoreError::UnknownImage(_)) => {
            let reference: Reference = pull::parse(name)?;
            say(&format!("fetching {}\n", reference.familiar()));
            pull::image(&reference, &Platform::host(), session, &NoEvents, lease)
        }
        found => found,
    }
}

fn exit_of(error: &RunError) -> Exit {
    match error {
        RunError::Rooted(RootedError::Sandbox(error)) => Exit::code(error.shell_code()),
        _ => Exit::NOT_RUN,
    }
}

/// `HOST:PATH[:ro|rw]`.
fn parse_volume(text: &str) -> Result<Volume, Error> {
    let refuse =
        |problem: &str| Error::Option { option: "--volume", value: text.into(), problem: problem.into() };
    let parts: Vec<&str> = text.split(':').collect();
    let (source, target, read_only) = match parts.as_slice() {
        [source, target] | [source, target, "rw"] => (source, target, false),
        [source, target, "ro"] => (source, target, true),
        _ => return Err(refuse("write HOST:PATH or HOST:PATH:ro")),
    };
    if !target.starts_with('/') {
        return Err(refuse("the path in the container is absolute"));
    }
    if !source.contains('/') && *source != "." {
        return Err(refuse("galley keeps no named volumes: write a path, such as ./data"));
    }
    let source =
        std::fs::canonicalize(source).map_err(Error::io("find the volume", PathBuf::from(source)))?;
    Ok(Volume { source, target: target.into(), read_only })
}

fn say(text: &str) {
    // There is no other place to say it.
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}
