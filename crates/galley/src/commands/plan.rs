//! `galley plan`: what a build would do. Bases are looked up, since they may hold triggers; no layer is fetched and no step runs.

use galley_build::bases::Absent;
use galley_build::build::plan;
use galley_build::events::NoEvents;

use super::build::OpenedSource;
use super::{Context, color};
use crate::cli::PlanArgs;
use crate::error::Error;
use crate::exit::Exit;
use crate::session::{Session, enter_user_namespace};
use crate::ui::report;
use crate::{request, stdout};

/// Prints the plan.
///
/// # Errors
/// [`Error`].
pub fn run(args: &PlanArgs, context: &Context) -> Result<Exit, Error> {
    if let Some(exit) = enter_user_namespace(&context.config)? {
        return Ok(exit);
    }
    let session = Session::open(&context.config, "galley plan")?;
    let opened = OpenedSource::read(&args.source.context, args.source.file.as_deref(), &session.store)?;
    let mut request = request::plan(&args.source, &opened.source, &context.config)?;
    // A plan runs nothing, and neither does it for a base.
    request.bases.absent = Absent::Refuse;
    match plan(&request, &session.world(), &NoEvents) {
        Ok(line) => {
            let text = if args.dot { line.plan.to_dot() } else { line.plan.to_text() };
            let warnings = report::diagnostics(&line.plan.warnings, &opened.source, color(&context.config));
            eprint(&warnings);
            stdout::print(&text)?;
            Ok(Exit::DONE)
        }
        Err(error) => {
            eprint(&report::build_error(&error, &opened.source, color(&context.config)));
            Ok(Exit::FAILED)
        }
    }
}

fn eprint(text: &str) {
    // There is no other place to say it.
    let _ = std::io::Write::write_all(&mut std::io::stderr().lock(), text.as_bytes());
}
