//! `galley why`.

use galley_build::journal::Journal;

use super::{Context, existing_store};
use crate::cli::WhyArgs;
use crate::error::Error;
use crate::exit::Exit;
use crate::request::source::{dockerfile_path, journal_name};
use crate::stdout;
use crate::ui::why;

/// Says why each step of the last build ran or was reused.
///
/// # Errors
/// [`Error::NeverBuilt`], and what keeps the store from being read.
pub fn run(args: &WhyArgs, context: &Context) -> Result<Exit, Error> {
    let store = match existing_store(context, "galley why")? {
        Ok(store) => store,
        Err(exit) => return Ok(exit),
    };
    let path = dockerfile_path(&args.context, args.file.as_deref());
    let from_stdin =
        args.context.as_os_str() == "-" || args.file.as_deref().is_some_and(|file| file.as_os_str() == "-");
    let name = if from_stdin { "-".into() } else { journal_name(&path) };
    let text = store.map(|store| store.journal(&name)).transpose()?.flatten();
    // A journal of another galley's format counts as none.
    let journal: Option<Journal> = text.and_then(|text| serde_json::from_str(&text).ok());
    let journal = journal.ok_or_else(|| Error::NeverBuilt(path.display().to_string()))?;
    stdout::print(&why::text(&journal))?;
    Ok(Exit::DONE)
}
