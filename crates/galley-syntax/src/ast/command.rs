//! Instructions that hold a process to start: RUN, CMD, ENTRYPOINT and HEALTHCHECK.

use std::time::Duration;

use crate::mount::Mount;
use crate::source_text::SourceText;
use crate::span::Spanned;

/// The process of CMD, ENTRYPOINT or HEALTHCHECK. No variables are expanded in it at build time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Shell form: one argument appended to the image's SHELL.
    Shell(SourceText),
    /// Exec form: the argument vector; `[]` resets an inherited one.
    Exec(Vec<Spanned<String>>),
}

/// What RUN runs. Nothing is expanded in it at build time: the shell does that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunCommand {
    /// Shell form: one argument appended to SHELL, exactly as here. For `RUN <<EOF` alone it is the here-document's
    /// body; for a command line with here-documents it is the line, the bodies and their terminators, so that the
    /// shell reads them itself.
    Shell(SourceText),
    /// Exec form: the argument vector, not empty.
    Exec(Vec<Spanned<String>>),
    /// `RUN <<EOF` alone with a body that starts with `#!`: the body is an executable file, run without SHELL. The
    /// number is an index into [`crate::ast::Instruction::heredocs`].
    Script {
        /// Index of the here-document.
        heredoc: usize,
    },
}

/// `RUN [--mount=…] [--network=…] [--security=…] [--device=…] COMMAND`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunInstruction {
    /// `--mount`, in the order written.
    pub mounts: Vec<Mount>,
    /// `--network=default|none|host`, checked.
    pub network: Option<Spanned<NetworkMode>>,
    /// `--security=sandbox|insecure`, checked.
    pub security: Option<Spanned<SecurityMode>>,
    /// `--device=name[,required]`, repeatable, as written.
    pub devices: Vec<Spanned<String>>,
    /// What to run.
    pub command: RunCommand,
}

/// `RUN --network`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum NetworkMode {
    /// The build's network.
    #[default]
    Default,
    /// Only a loopback device.
    None,
    /// The host's network.
    Host,
}

/// `RUN --security`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum SecurityMode {
    /// In the sandbox.
    #[default]
    Sandbox,
    /// With all privileges.
    Insecure,
}

/// `HEALTHCHECK`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HealthcheckInstruction {
    /// `HEALTHCHECK NONE`: an inherited check is switched off.
    None,
    /// `HEALTHCHECK [flags] CMD COMMAND`.
    Cmd(HealthcheckCommand),
}

/// The check of `HEALTHCHECK CMD`. An absent or zero time means docker's default at run time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthcheckCommand {
    /// What to run; never an empty exec form.
    pub command: Command,
    /// `--interval`, at least 1 ms, or zero.
    pub interval: Option<Spanned<Duration>>,
    /// `--timeout`, at least 1 ms, or zero.
    pub timeout: Option<Spanned<Duration>>,
    /// `--start-period`, at least 1 ms, or zero.
    pub start_period: Option<Spanned<Duration>>,
    /// `--start-interval`, at least 1 ms, or zero.
    pub start_interval: Option<Spanned<Duration>>,
    /// `--retries`.
    pub retries: Option<Spanned<u32>>,
}
