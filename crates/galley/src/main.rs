//! galley: builds container images from Dockerfiles, without a daemon.
//!
//! [`cli`] is what was typed, [`config`] what it means together with the environment and the configuration files, and each command is a
//! file below [`commands`]. [`ui`] shows builds, [`exit`] lists every exit code.

mod archive;
mod cli;
mod commands;
mod config;
mod credentials;
mod error;
mod exit;
mod request;
mod session;
mod shipped;
mod signals;
mod stdout;
mod ui;

use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;

use cli::Cli;
use exit::Exit;

fn main() -> ExitCode {
    let start = Instant::now();
    // A galley that was executed by a descriptor has that one's number for a name. Only people care.
    let _ = rustix::thread::set_name(c"galley");
    match Cli::try_parse() {
        Ok(cli) => commands::run(cli, start).into(),
        Err(error) => {
            // --help and --version come this way too. Nowhere to print them to is nothing to report.
            let _ = error.print();
            if error.use_stderr() { Exit::USAGE.into() } else { Exit::DONE.into() }
        }
    }
}
