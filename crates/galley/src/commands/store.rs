//! `galley store check` and `galley store reset`.

use galley_store::{Store, StoreError};

use super::{Context, existing_store};
use crate::cli::StoreCommand;
use crate::error::Error;
use crate::exit::Exit;
use crate::session::enter_user_namespace;
use crate::stdout;

/// Looks after the store.
///
/// # Errors
/// [`Error::Store`].
pub fn run(command: StoreCommand, context: &Context) -> Result<Exit, Error> {
    match command {
        StoreCommand::Check { deep } => check(deep, context),
        StoreCommand::Reset => reset(context),
    }
}

fn check(deep: bool, context: &Context) -> Result<Exit, Error> {
    let store = match existing_store(context, "galley store check")? {
        Ok(Some(store)) => store,
        Ok(None) => return Err(StoreError::NoStore { root: context.config.store()? }.into()),
        Err(exit) => return Ok(exit),
    };
    let problems = store.check(deep)?;
    for problem in &problems {
        stdout::print(&format!("{}: {}\n", problem.subject, problem.message))?;
    }
    if problems.is_empty() {
        stdout::print("the store is whole\n")?;
        return Ok(Exit::DONE);
    }
    Ok(Exit::DAMAGED)
}

/// Does not open the store: a damaged one has to go too.
fn reset(context: &Context) -> Result<Exit, Error> {
    let root = context.config.store()?;
    if !root.exists() {
        return Ok(Exit::DONE);
    }
    if let Some(exit) = enter_user_namespace(&context.config)? {
        return Ok(exit);
    }
    Store::remove(&root)?;
    stdout::print(&format!("removed {}\n", root.display()))?;
    Ok(Exit::DONE)
}
