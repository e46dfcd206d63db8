//! A case as it is written, and as it lies on disk.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, utimensat};
use tempfile::TempDir;

use super::CONTEXT_TIME;
use crate::image::BUILT;

/// A case as it is written.
#[derive(Debug, Clone, Default)]
pub struct Case {
    /// The file's name without `.case`.
    pub name: String,
    /// What it shows.
    pub about: String,
    /// Dockerfiles by their path in the context.
    pub files: Vec<(String, String)>,
    /// Dockerfiles of images that are built before, by their names, in order.
    pub images: Vec<(String, String)>,
    /// Further arguments of the build.
    pub args: Vec<String>,
    /// Variables of the build's environment.
    pub env: Vec<(String, String)>,
    /// The case is about a build that does not succeed.
    pub fails: bool,
    /// Why galley differs, by peer.
    pub differs: BTreeMap<String, String>,
    tree: String,
    setup: String,
}

/// A case whose context lies in a temporary directory, which goes away with this value.
#[derive(Debug)]
pub struct Prepared {
    directory: TempDir,
}

impl Prepared {
    /// The context, with `Dockerfile` in it.
    #[must_use]
    pub fn context(&self) -> PathBuf {
        self.directory.path().join("context")
    }

    /// A place beside the context.
    #[must_use]
    pub fn beside(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }
}

impl Case {
    /// Reads `NAME.case`.
    ///
    /// # Errors
    /// A file that cannot be read, or a section that is unknown.
    pub fn read(path: &Path) -> Result<Self, String> {
        let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let mut case = Self { name, ..Self::default() };
        let mut title = String::new();
        let mut body = String::new();
        for line in text.split_inclusive('\n') {
            if let Some(next) = line.strip_prefix("--- ") {
                case.section(&title, &body).map_err(|error| format!("{}: {error}", path.display()))?;
                next.trim_end().clone_into(&mut title);
                body.clear();
            } else {
                body.push_str(line);
            }
        }
        case.section(&title, &body).map_err(|error| format!("{}: {error}", path.display()))?;
        if case.about.is_empty() {
            return Err(format!("{}: the first line says what the case shows", path.display()));
        }
        Ok(case)
    }

    fn section(&mut self, title: &str, body: &str) -> Result<(), String> {
        let (kind, name) = title.split_once(' ').unwrap_or((title, ""));
        let joined = || body.split_whitespace().collect::<Vec<_>>().join(" ");
        let lines = || body.lines().filter(|line| !line.is_empty());
        match kind {
            "" => self.about = joined(),
            "Dockerfile" if name.is_empty() => self.files.push(("Dockerfile".into(), body.into())),
            "Dockerfile" => self.files.push((name.into(), body.into())),
            "image" => self.images.push((format!("conformance/{}-{name}", self.name), body.into())),
            "context" => body.clone_into(&mut self.tree),
            "setup" => body.clone_into(&mut self.setup),
            "args" => self.args = lines().map(str::to_owned).collect(),
            "env" => {
                for line in lines() {
                    let (name, value) = line.split_once('=').ok_or("write env as NAME=VALUE")?;
                    self.env.push((name.into(), value.into()));
                }
            }
            "fails" => self.fails = true,
            "differs" => drop(self.differs.insert(name.into(), joined())),
            other => return Err(format!("there is no section `--- {other}`")),
        }
        Ok(())
    }

    /// Makes the context.
    ///
    /// # Errors
    /// A tree that is wrong, or a setup that fails.
    pub fn prepare(&self) -> Result<Prepared, String> {
        let failed = |error: &dyn std::fmt::Display| format!("{}: {error}", self.name);
        let directory = tempfile::tempdir().map_err(|error| failed(&error))?;
        let prepared = Prepared { directory };
        let context = prepared.context();
        crate::tree::create(&context, &self.tree).map_err(|error| failed(&error))?;
        for (name, text) in &self.files {
            fs::write(context.join(name), text).map_err(|error| failed(&error))?;
        }
        let mut setup = Command::new("sh");
        setup.args(["-euc", &self.setup]).current_dir(&context);
        let output = setup.output().map_err(|error| failed(&error))?;
        if !output.status.success() {
            return Err(failed(&format!("setup: {}", String::from_utf8_lossy(&output.stderr))));
        }
        age(&context).map_err(|error| failed(&error))?;
        Ok(prepared)
    }
}

/// Gives everything at or below `path` whose time the case does not set the time of contexts.
fn age(path: &Path) -> std::io::Result<()> {
    let metadata = path.symlink_metadata()?;
    if metadata.is_dir() {
        for entry in fs::read_dir(path)? {
            age(&entry?.path())?;
        }
    }
    let modified =
        metadata.modified()?.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |time| time.as_secs());
    if modified >= BUILT {
        let time = Timespec { tv_sec: CONTEXT_TIME, tv_nsec: 0 };
        let times = Timestamps { last_access: time, last_modification: time };
        utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW)?;
    }
    Ok(())
}
