//! Runs one process in a root file system: namespaces, overlay, capabilities, seccomp, terminals.
//!
//! This is the only crate of galley with `unsafe`. What a caller sees is plain values: a [`Process`]
//! says what to run, [`Sandbox::run`] runs it to its end and answers with an [`Exit`].
//!
//! How a step starts, file by file:
//! 1. `compile.rs` turns the [`Process`] into a flat list of prepared operations (`script.rs`);
//! 2. `spawner.rs` makes one `clone3` with all namespaces from one long-lived thread;
//! 3. `child.rs` executes the list in the child, where only async-signal-safe code may run;
//! 4. `init.rs` is pid 1 of the sandbox: it starts the real process, reaps orphans and reports;
//! 5. `run.rs` watches all of it from galley's side: output, cancelling, exit.

mod abilities;
mod cancel;
mod capabilities;
mod child;
mod compile;
mod dev;
mod error;
mod explain;
mod init;
mod linux;
mod mounts;
mod overlay;
mod probe;
mod process;
mod pty;
mod report;
mod run;
mod script;
mod seal;
mod seccomp;
mod spawner;
pub mod stubs;
mod sys;
mod twin;
pub mod userns;

pub use abilities::{Abilities, Ids};
pub use cancel::{Cancel, Subscription};
pub use error::SandboxError;
pub use linux::LinuxSandbox;
pub use process::{
    Exit, Io, Mount, MountKind, Network, Output, Process, Root, Scratch, Stdin, Stream, UserIds,
};
pub use seal::run_sealed;
pub use twin::{ScriptedSandbox, Write};

/// Something that can run one process in a root file system.
///
/// Two implementations: [`LinuxSandbox`] (namespaces of the running kernel) and its twin
/// [`ScriptedSandbox`] for tests of the conductor. One contract test suite runs over both.
pub trait Sandbox: Send + Sync {
    /// Runs `process` to its end and says how it ended.
    ///
    /// Blocks. `cancel` kills every process of the sandbox within milliseconds; the answer is then
    /// [`SandboxError::Cancelled`]. When this returns, no process, mount or descriptor of the step is
    /// left.
    ///
    /// # Errors
    /// [`SandboxError`] when the process could not be started (its own failures are an [`Exit`]), or
    /// was cancelled.
    fn run(&self, process: &Process, io: Io<'_>, cancel: &Cancel) -> Result<Exit, SandboxError>;

    /// What this sandbox can do on this machine.
    fn capabilities(&self) -> &Abilities;
}
