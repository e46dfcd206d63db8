//! Where the examples are built: copies of them, so that no edit touches the project's own files, and a store of their own.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use tempfile::TempDir;

use super::Options;
use crate::Result;
use crate::bench::PLAIN_USER;
use crate::bench::builder::{Builder, Tool};
use crate::bench::race::{output, timed};

/// A scratch directory with a galley in it.
pub(super) struct Workshop {
    pub(super) builder: Builder,
    /// Options of every galley that fetches something.
    pub(super) config: [String; 2],
    /// The names of bases that galley makes itself.
    bound: Vec<String>,
    /// Options of `galley build` alone.
    site: [String; 2],
    pub(super) rounds: usize,
    /// Whether what takes long is shown while it happens.
    pub(super) watched: bool,
    // Last: the store goes before the directory that it lies in.
    scratch: TempDir,
}

impl Workshop {
    /// Prepares a scratch directory for what `options` ask for.
    ///
    /// # Errors
    /// A directory that cannot be made; a configuration that is not there.
    pub(super) fn new(galley: &Path, options: &Options) -> Result<Workshop> {
        let scratch = tempfile::Builder::new().prefix("galley-examples-").tempdir()?;
        let root = scratch.path();
        // Another user reads the contexts and the binary.
        fs::set_permissions(root, Permissions::from_mode(0o755))?;
        let program = root.join("galley");
        fs::copy(galley, &program).map_err(|error| format!("{}: {error}", galley.display()))?;
        let home = root.join("home");
        fs::create_dir(&home)?;
        let tool = if options.user { Tool::GalleyAsUser } else { Tool::Galley };
        if options.user {
            chown(&home, Some(PLAIN_USER), Some(PLAIN_USER))?;
        }
        let config = root.join("config.toml");
        let own = || crate::workspace_root().join("examples/galley.toml");
        let text = match (&options.config, &options.registry) {
            (None, Some(registry)) => mirror_of_all(registry),
            (file, _) => {
                let file = file.clone().unwrap_or_else(own);
                fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?
            }
        };
        fs::write(&config, text)?;
        let mut workshop = Workshop {
            builder: Builder::on_no_base(tool, program, &home),
            config: ["--config".to_owned(), config.display().to_string()],
            bound: Vec::new(),
            site: ["--site-ca".to_owned(), options.site_ca.clone()],
            rounds: options.rounds,
            watched: options.watched,
            scratch,
        };
        let mut list = workshop.builder.command();
        for line in output(list.args(["bases", "list", "--json"]).args(&workshop.config))?.lines() {
            let base: serde_json::Value = serde_json::from_str(line)?;
            workshop.bound.extend(base["name"].as_str().map(str::to_owned));
        }
        Ok(workshop)
    }

    /// A path in the scratch directory.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    /// The command that builds `file` of the context into an image of that name, with a log as its face.
    pub(super) fn build(&self, context: &Path, file: &str, image: &str) -> Command {
        self.build_with("plain", context, file, image)
    }

    /// The same, with the face that a person gets.
    pub(super) fn watched_build(&self, context: &Path, file: &str, image: &str) -> Command {
        self.build_with("auto", context, file, image)
    }

    fn build_with(&self, face: &str, context: &Path, file: &str, image: &str) -> Command {
        let mut build = self.builder.command();
        build.args(["build", "--progress", face, "-t", image]).args(&self.config).args(&self.site);
        build.arg("-f").arg(context.join(file)).arg(context);
        build
    }

    /// Brings a base into the store: seconds until it is there.
    ///
    /// # Errors
    /// One that is not to be had.
    pub(super) fn fetch(&self, name: &str) -> Result<f64> {
        eprintln!("base {name}");
        let mut get = self.builder.command();
        if self.bound.iter().any(|bound| bound == name) {
            get.args(["bases", "build", name]).args(&self.site);
        } else {
            get.args(["pull", name]);
        }
        get.args(&self.config);
        if self.watched { watch(&mut get) } else { Ok(timed(&mut get, &self.path("log"))?.0) }
    }

    /// An image that is the base and nothing else, under a name that a base made here does not have itself.
    ///
    /// # Errors
    /// One that does not build.
    pub(super) fn name_base(&self, base: &str, image: &str) -> Result<()> {
        let context = self.path(image);
        fs::create_dir(&context)?;
        fs::write(context.join("Dockerfile"), format!("FROM {base}\n"))?;
        output(&mut self.build(&context, "Dockerfile", image))?;
        Ok(fs::remove_dir_all(&context)?)
    }

    /// Back to where only the bases are there.
    ///
    /// # Errors
    /// A store that cannot be written.
    pub(super) fn forget(&self, image: &str) -> Result<()> {
        // It is not there where the first build failed.
        let _ = output(self.builder.command().args(["rmi", image]));
        output(self.builder.command().args(["prune", "--cache-mounts"])).map(drop)
    }
}

/// Runs a process to its end on the caller's terminal: its wall time in seconds.
///
/// # Errors
/// One that cannot be started or does not exit with 0.
pub(super) fn watch(command: &mut Command) -> Result<f64> {
    let start = Instant::now();
    let status = command.stdin(Stdio::null()).status().map_err(|error| format!("{command:?}: {error}"))?;
    if status.success() {
        Ok(start.elapsed().as_secs_f64())
    } else {
        Err(format!("{command:?}: {status}").into())
    }
}

impl Drop for Workshop {
    /// A plain user's store has files of subordinate ids, which only galley can delete.
    fn drop(&mut self) {
        let _ = output(self.builder.command().args(["store", "reset", "--force"]));
    }
}

/// A configuration in which `registry` has the images of docker.io and gcr.io.
fn mirror_of_all(registry: &str) -> String {
    format!(
        "[registry.\"docker.io\"]\nmirrors = [\"{registry}\"]\n[registry.\"gcr.io\"]\nmirrors = [\"{registry}/gcr.io\"]\n\
         [registry.\"{registry}\"]\ninsecure = true\n"
    )
}
