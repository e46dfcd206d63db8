//! `galley unshare`: the files of a user's store belong to ids that the user alone is not; inside the namespace they can be looked at.

use std::os::unix::process::CommandExt;
use std::process::Command;

use super::Context;
use crate::error::Error;
use crate::exit::Exit;
use crate::session::enter_user_namespace;

/// Becomes the program, or `$SHELL`.
///
/// # Errors
/// [`Error::UserNamespace`], and [`Error::Io`] when the program cannot be executed.
pub fn run(command: &[String], context: &Context) -> Result<Exit, Error> {
    if let Some(exit) = enter_user_namespace(&context.config)? {
        return Ok(exit);
    }
    let shell = || vec![context.config.variable("SHELL").unwrap_or_else(|| "/bin/sh".into())];
    let command = if command.is_empty() { shell() } else { command.to_vec() };
    let Some((program, args)) = command.split_first() else { return Ok(Exit::DONE) };
    // Credentials are for galley alone: whoever inherits the channel could ask for them.
    let _channel = context.config.caller().and_then(|caller| caller.channel());
    let error = Command::new(program).args(args).exec();
    Err(Error::io("execute", program)(error))
}
