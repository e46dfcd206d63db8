//! Plain users, for tests that root runs and that have to see what a program does for somebody without rights.

use std::ffi::OsStr;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;

use crate::machine;

/// A user other than root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlainUser {
    id: u32,
}

/// With subordinate ids, and without.
const WITH: u32 = 12_345;
const WITHOUT: u32 = 12_399;

impl PlainUser {
    /// A user with 65,536 subordinate ids, which the machine's files are given where they have none: the user is made for tests and stays.
    ///
    /// `None` where the machine cannot have one, as [`machine::cannot_run`] says.
    ///
    /// # Panics
    /// Where the files cannot be written.
    #[must_use]
    pub fn with_subordinate_ids() -> Option<Self> {
        let user = Self { id: WITH };
        if !can_become_others() || !machine::has_programs(&["newuidmap", "newgidmap"]) {
            return None;
        }
        for path in ["/etc/subuid", "/etc/subgid"] {
            add_line(path, &format!("{WITH}:300000:65536"), |line| line.starts_with(&format!("{WITH}:")));
        }
        // newuidmap refuses users without a name.
        let passwd = format!("galley-test:x:{WITH}:{WITH}::/:/bin/sh");
        add_line("/etc/passwd", &passwd, |line| line.split(':').nth(2) == Some(&WITH.to_string()));
        Some(user)
    }

    /// A user who has nothing but an id, and no name either.
    #[must_use]
    pub fn without_subordinate_ids() -> Option<Self> {
        can_become_others().then_some(Self { id: WITHOUT })
    }

    /// The user's id, and that of the user's only group.
    #[must_use]
    pub fn id(self) -> u32 {
        self.id
    }

    /// A command that runs as the user.
    #[must_use]
    pub fn command(self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("setpriv");
        let id = self.id.to_string();
        command
            .args(["--reuid", &id, "--regid", &id, "--clear-groups", "--inh-caps=-all", "--"])
            .arg(program);
        command
    }

    /// Gives what root owns at `path` and below to the user.
    ///
    /// # Errors
    /// When that fails.
    pub fn give(self, path: &Path) -> io::Result<()> {
        let metadata = fs::symlink_metadata(path)?;
        if metadata.uid() == 0 {
            std::os::unix::fs::lchown(path, Some(self.id), Some(self.id))?;
        }
        if metadata.is_dir() {
            for entry in fs::read_dir(path)? {
                self.give(&entry?.path())?;
            }
        }
        Ok(())
    }
}

fn can_become_others() -> bool {
    let root = rustix::process::geteuid().is_root();
    (root || machine::cannot_run("it becomes another user, and so has to start as root"))
        && machine::has_programs(&["setpriv"])
}

fn add_line(path: &str, line: &str, is_there: impl Fn(&str) -> bool) {
    let text = fs::read_to_string(path).unwrap_or_default();
    if text.lines().any(is_there) {
        return;
    }
    let newline = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
    let written = fs::File::options()
        .append(true)
        .create(true)
        .open(path)
        .and_then(|mut file| file.write_all(format!("{newline}{line}\n").as_bytes()));
    assert!(written.is_ok(), "cannot add `{line}` to {path}: {written:?}");
}
