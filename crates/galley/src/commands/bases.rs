//! `galley bases`: what names are bound to, and making it.

use galley_build::bases::{Base, Bases, Standing, ensure, standing};
use galley_build::error::BuildError;
use galley_image::{Platform, Reference};
use galley_syntax::suggest;
use serde_json::json;

use super::{Context, color, face_kind};
use crate::cli::{BasesBuildArgs, BasesCommand};
use crate::error::Error;
use crate::exit::Exit;
use crate::session::{Session, enter_user_namespace, prepare_to_run};
use crate::ui::{Face, quantity, report, table};
use crate::{request, signals, stdout};

/// Looks at bases, or makes them.
///
/// # Errors
/// [`Error::Config`], [`Error::Option`] for a name that is not bound, and what keeps the store from being opened.
pub fn run(command: BasesCommand, context: &Context) -> Result<Exit, Error> {
    match command {
        BasesCommand::List { json } => list(json, context),
        BasesCommand::Build(args) => build(&args, context),
        BasesCommand::Show { name } => show(&name, context),
    }
}

fn list(json: bool, context: &Context) -> Result<Exit, Error> {
    let bases = context.config.bases()?;
    if let Some(exit) = enter_user_namespace(&context.config)? {
        return Ok(exit);
    }
    let session = Session::open(&context.config, "galley bases")?;
    let platform = Platform::host();
    let mut rows = vec![["NAME", "MADE OF", "VERSION", "SIZE", "BOUND BY"].map(str::to_owned)];
    let mut lines = String::new();
    for base in bases.bound() {
        // A recipe that is wrong must not hide the others.
        let stands = standing(base, &platform, &bases, &session.world());
        lines += &format!("{}\n", as_json(base, stands.as_ref()));
        rows.push(as_row(base, stands.as_ref()));
    }
    stdout::print(&if json { lines } else { table::table(&rows) })?;
    Ok(Exit::DONE)
}

fn as_json(base: &Base, stands: Result<&Standing, &BuildError>) -> serde_json::Value {
    let image = stands.ok().and_then(|stands| stands.image.as_ref());
    json!({
        "name": base.name.familiar(),
        "origin": base.origin(),
        "bound_by": base.bound_by,
        "version": stands.ok().and_then(|stands| stands.version.as_ref()),
        "image": image.map(|image| image.id),
        "size": image.map(|image| image.size),
        "note": base.note,
        "error": stands.err().map(ToString::to_string),
    })
}

fn as_row(base: &Base, stands: Result<&Standing, &BuildError>) -> [String; 5] {
    let size = match stands {
        Ok(Standing { image: Some(image), .. }) => quantity::bytes(image.size),
        Ok(_) => "not made".into(),
        Err(_) => "cannot be made".into(),
    };
    let version = stands.ok().and_then(|stands| stands.version.clone());
    let version = version.unwrap_or_else(|| "-".into());
    [base.name.familiar(), base.origin(), version, size, base.bound_by.clone()]
}

fn show(name: &str, context: &Context) -> Result<Exit, Error> {
    let bases = context.config.bases()?;
    let base = find(&bases, name)?;
    if let Some(exit) = enter_user_namespace(&context.config)? {
        return Ok(exit);
    }
    let session = Session::open(&context.config, "galley bases")?;
    let stands = match standing(base, &Platform::host(), &bases, &session.world()) {
        Ok(stands) => stands,
        Err(error) => {
            eprint(&report::base_error(&error, color(&context.config)));
            return Ok(Exit::FAILED);
        }
    };
    let mut text = format!("# {} is {}, bound by {}\n", base.name.familiar(), base.origin(), base.bound_by);
    if let Some(note) = &base.note {
        text += &format!("# {note}\n");
    }
    for below in &stands.below {
        text += &format!("# stands on {below}\n");
    }
    text += &match &stands.image {
        Some(image) => format!("# made: {} {}\n", image.id, quantity::bytes(image.size)),
        None => format!("# not made yet: galley bases build {}\n", base.name.familiar()),
    };
    stdout::print(&format!("{text}\n{}", String::from_utf8_lossy(&stands.recipe)))?;
    Ok(Exit::DONE)
}

fn build(args: &BasesBuildArgs, context: &Context) -> Result<Exit, Error> {
    let config = &context.config;
    let platform = request::platform(args.platform.as_deref())?;
    let bases = config.bases()?;
    let names: Vec<Reference> = if args.all {
        bases.bound().map(|base| base.name.clone()).collect()
    } else {
        args.names.iter().map(|name| Ok(find(&bases, name)?.name.clone())).collect::<Result<_, Error>>()?
    };
    if let Some(exit) = prepare_to_run(config)? {
        return Ok(exit);
    }
    let mut session = Session::open(config, "galley bases")?;
    session.site = config.site(args.site_ca.as_deref())?;
    let received =
        signals::cancel_on_signals(&session.cancel).map_err(Error::io("handle signals of", "galley"))?;
    let face = Face::start(face_kind(&args.progress, config), context.start, color(config));
    match ensure(&names, &platform, &bases, args.pull, &session.world(), &face) {
        Ok(()) => {
            face.succeed(&[]);
            Ok(Exit::DONE)
        }
        Err(_) if received.signal().is_some() => {
            face.fail("interrupted; what was finished is kept\n");
            Ok(received.signal().map_or(Exit::FAILED, Exit::signal))
        }
        Err(error) => {
            let text = report::base_error(&error, face.color());
            face.fail(&text);
            Ok(Exit::FAILED)
        }
    }
}

/// The base that a name on the command line is bound to.
fn find<'b>(bases: &'b Bases, name: &str) -> Result<&'b Base, Error> {
    let reference = super::pull::parse(name)?;
    bases.get(&reference).map(AsRef::as_ref).ok_or_else(|| {
        let known: Vec<String> = bases.bound().map(|base| base.name.familiar()).collect();
        let hint = suggest::did_you_mean(name, known.iter().map(String::as_str));
        let problem = match (hint, known.is_empty()) {
            (Some(hint), _) => format!("it is not bound; {hint}"),
            (None, false) => format!("it is not bound; bound are {}", known.join(", ")),
            (None, true) => {
                "nothing is bound: write `[bases] builtin = true` into galley.toml, or a table for the name"
                    .into()
            }
        };
        Error::Option { option: "base", value: name.into(), problem }
    })
}

fn eprint(text: &str) {
    // There is no other place to say it.
    let _ = std::io::Write::write_all(&mut std::io::stderr().lock(), text.as_bytes());
}
