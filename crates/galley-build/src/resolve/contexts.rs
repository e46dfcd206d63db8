//! From names of contexts to scanned directories.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use galley_syntax::LineIndex;
use galley_syntax::ignore::IgnoreFile;

use crate::context::{self, Context, ContextError, Ignore};
use crate::error::BuildError;
use crate::events::{Event, Events};
use crate::request::{BuildRequest, ContextSource, NamedContext};
use crate::world::World;

/// Scans a context of `request`; the main one has the empty name.
///
/// # Errors
/// [`BuildError`]: there is none of that name, or it or its ignore file cannot be read.
pub(crate) fn context(
    request: &BuildRequest,
    world: &World<'_>,
    events: &dyn Events,
    name: &str,
) -> Result<Context, BuildError> {
    if name.is_empty() {
        let given = request.ignore.as_ref();
        let ignore = given.map(|(name, bytes)| ignore(events, name, bytes)).transpose()?.unwrap_or_default();
        return match &request.context {
            ContextSource::Directory(directory) | ContextSource::Unpacked(directory) => {
                scan(world, events, directory, ignore)
            }
            ContextSource::Empty => Err(BuildError::NoContext),
        };
    }
    let Some(NamedContext::Directory(directory)) = request.named_contexts.get(name) else {
        return Err(BuildError::UnknownContext(name.to_owned()));
    };
    let file = directory.join(".dockerignore");
    let ignored = match std::fs::read(&file) {
        Ok(bytes) => ignore(events, &file.display().to_string(), &bytes)?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ignore::default(),
        Err(source) => return Err(ContextError::Io { action: "read", path: file, source }.into()),
    };
    scan(world, events, directory, ignored)
}

/// The patterns of an ignore file. One that cannot be understood is an error: what it should leave out would be copied.
fn ignore(events: &dyn Events, name: &str, bytes: &[u8]) -> Result<Ignore, BuildError> {
    let (patterns, problems) = IgnoreFile::parse(bytes);
    let lines = LineIndex::new(bytes);
    for problem in problems {
        let line = lines.line_column(problem.span.start).line;
        if problem.is_error() {
            return Err(BuildError::IgnoreFile { file: name.to_owned(), line, problem: problem.message });
        }
        let message = format!("line {line} of {name}: {}", problem.message);
        events.event(&Event::Warning { step: None, message });
    }
    Ok(Ignore { name: name.to_owned(), patterns })
}

fn scan(
    world: &World<'_>,
    events: &dyn Events,
    directory: &Path,
    ignore: Ignore,
) -> Result<Context, BuildError> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let started = i128::try_from(since.as_nanos()).unwrap_or(i128::MAX);
    let context = context::scan(directory, ignore, world.store, started, world.threads)?;
    for warning in context.warnings() {
        events.event(&Event::Warning { step: None, message: warning.clone() });
    }
    Ok(context)
}
