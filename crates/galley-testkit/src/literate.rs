//! Literate command-line tests: a Markdown file whose `console` blocks are run and compared.
//!
//! ````markdown
//! A file for the commands to work on:
//!
//! ```dockerfile file=app/Dockerfile
//! FROM scratch
//! ```
//!
//! ```console
//! $ galley plan app
//! [..]FROM scratch
//! ...
//! $ galley plan nowhere
//! error: [..]
//! [exit 2]
//! ```
//! ````
//!
//! Commands run one after another with `sh` in one temporary directory, standard output and standard error together. `[..]` stands
//! for any text within a line, a line `...` for any lines, `[exit N]` as the last line for the exit code (0 where it is left out).
//! A `tree` block makes a tree as [`crate::tree`] reads it.

mod block;
mod pattern;

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::user::PlainUser;
use block::{Block, Step};

/// How the commands of a test are run.
#[derive(Debug, Clone)]
pub struct Runner {
    /// Directories that come first in `PATH`, such as the one of the program under test.
    pub path: Vec<PathBuf>,
    /// The environment besides `PATH` and `HOME`; nothing else is inherited.
    pub env: Vec<(OsString, OsString)>,
    /// Who runs the commands and owns the files; whoever runs the test where this is `None`.
    pub user: Option<PlainUser>,
}

impl Runner {
    /// Runs the test in the file at `script` in a fresh temporary directory, which is also `HOME` and is removed afterwards.
    ///
    /// # Errors
    /// What differed, as text with the script's line numbers, or why the test could not be run.
    pub fn run(&self, script: &Path) -> Result<(), String> {
        let text = fs::read_to_string(script)
            .map_err(|error| format!("cannot read {}: {error}", script.display()))?;
        let directory = tempfile::tempdir().map_err(|error| format!("no temporary directory: {error}"))?;
        let mut failures = Vec::new();
        let mut commands = 0;
        for block in block::parse(&text).map_err(|problem| format!("{}:{problem}", script.display()))? {
            match block {
                Block::File { path, content } => write(&directory.path().join(path), &content)?,
                Block::Tree(text) => crate::tree::create(directory.path(), &text)
                    .map_err(|error| format!("{}: {error}", script.display()))?,
                Block::Console(steps) => {
                    if let Some(user) = self.user {
                        user.give(directory.path())
                            .map_err(|error| format!("cannot give the files away: {error}"))?;
                    }
                    commands += steps.len();
                    for step in &steps {
                        if let Err(difference) = self.step(step, directory.path()) {
                            failures.push(format!("{}:{}: {difference}", script.display(), step.line));
                        }
                    }
                }
            }
        }
        if commands == 0 {
            return Err(format!("{} has no command", script.display()));
        }
        if failures.is_empty() { Ok(()) } else { Err(failures.join("\n")) }
    }

    fn step(&self, step: &Step, directory: &Path) -> Result<(), String> {
        let inherited = std::env::var_os("PATH").unwrap_or_default();
        let path = std::env::join_paths(self.path.iter().cloned().chain(std::env::split_paths(&inherited)))
            .map_err(|error| format!("cannot set PATH: {error}"))?;
        let output = self
            .user
            .map_or_else(|| Command::new("sh"), |user| user.command("sh"))
            .arg("-c")
            .arg(format!("exec 2>&1\n{}", step.command))
            .current_dir(directory)
            .env_clear()
            .env("PATH", path)
            .env("HOME", directory)
            .envs(self.env.iter().cloned())
            .output()
            .map_err(|error| format!("cannot run sh: {error}"))?;
        let actual = String::from_utf8_lossy(&output.stdout).into_owned();
        let code = output.status.code();
        if code == Some(step.exit) && pattern::matches(&step.expected, &actual) {
            return Ok(());
        }
        let ended = code.map_or_else(|| output.status.to_string(), |code| format!("exit code {code}"));
        let difference = crate::expect::diff(&step.expected, &actual);
        Err(format!("`{}` ended with {ended}, expected {}\n{difference}", step.command, step.exit))
    }
}

fn write(path: &Path, content: &str) -> Result<(), String> {
    path.parent()
        .map_or(Ok(()), fs::create_dir_all)
        .and_then(|()| fs::write(path, content))
        .map_err(|error| format!("cannot write {}: {error}", path.display()))
}
