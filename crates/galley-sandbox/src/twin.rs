//! The in-memory twin of the Linux sandbox: a closure stands for the process.

use crate::{Abilities, Cancel, Exit, Io, Output, Process, Sandbox, SandboxError, Stream};

/// Takes the process's output as the closure of a [`ScriptedSandbox`] writes it.
pub type Write<'a> = dyn FnMut(Stream, &[u8]) + 'a;

/// A sandbox whose processes are calls of one closure, for tests that need no kernel.
///
/// The closure sees the [`Process`], may change the directory of a [`crate::Root::Directory`] as the
/// program would, writes output and decides the exit. Nothing is mounted; standard input is ignored.
pub struct ScriptedSandbox<F> {
    script: F,
    abilities: Abilities,
}

impl<F> ScriptedSandbox<F>
where
    F: Fn(&Process, &mut Write<'_>) -> Exit + Send + Sync,
{
    /// A sandbox that runs `script` for every process.
    pub fn new(script: F) -> Self {
        Self { script, abilities: Abilities { overlay: false, ..Abilities::full() } }
    }
}

impl<F> Sandbox for ScriptedSandbox<F>
where
    F: Fn(&Process, &mut Write<'_>) -> Exit + Send + Sync,
{
    fn run(&self, process: &Process, io: Io<'_>, cancel: &Cancel) -> Result<Exit, SandboxError> {
        process.check()?;
        if cancel.is_cancelled() {
            return Err(SandboxError::Cancelled);
        }
        let exit = match io.output {
            Output::Callback(callback) => (self.script)(process, &mut |stream, bytes: &[u8]| {
                if !bytes.is_empty() {
                    callback(stream, bytes);
                }
            }),
            Output::Inherit => (self.script)(process, &mut |stream, bytes: &[u8]| {
                use std::io::Write as _;
                // A closed terminal ends a real process by SIGPIPE; a scripted one goes on.
                let _ = match stream {
                    Stream::Stdout => std::io::stdout().write_all(bytes),
                    Stream::Stderr => std::io::stderr().write_all(bytes),
                };
            }),
        };
        if cancel.is_cancelled() { Err(SandboxError::Cancelled) } else { Ok(exit) }
    }

    fn capabilities(&self) -> &Abilities {
        &self.abilities
    }
}
