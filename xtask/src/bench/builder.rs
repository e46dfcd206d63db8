//! Galley and its peers under one set of verbs: build, look into an image, forget.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::{Resource, getrlimit};

use super::PLAIN_USER;
use super::race::{Role, output};
use crate::Result;

/// Who builds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tool {
    /// As the user that runs the bench.
    Galley,
    /// Through `setpriv`, as a user with nothing but subordinate ids.
    GalleyAsUser,
    /// `docker buildx`.
    BuildKit,
    /// `buildah bud`, with its layer cache and as many stages at once as there are.
    Buildah,
}

/// A builder with a place for what it keeps.
pub(crate) struct Builder {
    pub(crate) tool: Tool,
    program: PathBuf,
    /// Galley's own: peers keep theirs where the environment says.
    store: PathBuf,
    /// The context of the image that all others stand on, where they do.
    base: Option<PathBuf>,
}

/// What all cases start FROM.
pub(super) const BASE: &str = "galley-bench-base";

impl Builder {
    /// A builder that has built the base image from the context `base`. `home` is a directory for what galley keeps; the user it runs as must own it.
    ///
    /// # Errors
    /// The base does not build.
    pub(super) fn new(tool: Tool, program: PathBuf, home: &Path, base: &Path) -> Result<Builder> {
        let builder = Builder { base: Some(base.to_owned()), ..Builder::on_no_base(tool, program, home) };
        builder.prepare_base()?;
        Ok(builder)
    }

    /// A builder of images that fetch what they stand on.
    pub(crate) fn on_no_base(tool: Tool, program: PathBuf, home: &Path) -> Builder {
        Builder { tool, program, store: home.join("store"), base: None }
    }

    fn prepare_base(&self) -> Result<()> {
        self.base.as_ref().map_or(Ok(()), |base| output(&mut self.build(base, BASE, false)).map(drop))
    }

    /// Its column in the table.
    pub(crate) fn role(&self) -> Role {
        match self.tool {
            Tool::Galley | Tool::GalleyAsUser => Role::Galley,
            Tool::BuildKit => Role::BuildKit,
            Tool::Buildah => Role::Buildah,
        }
    }

    /// The command that builds the Dockerfile in `context` into an image of that name.
    pub(crate) fn build(&self, context: &Path, image: &str, no_cache: bool) -> Command {
        let mut command = self.command();
        match self.tool {
            Tool::Galley | Tool::GalleyAsUser => command.args(["build", "--progress=plain"]),
            Tool::BuildKit => command.args(["buildx", "build", "--progress=plain", "--network=host"]),
            Tool::Buildah => command
                .args(["bud", "--runtime=runc", "--isolation=oci", "--layers", "--jobs=0"])
                .args(["--network=host", "--pull-never"])
                .args(buildah_limits()),
        };
        if no_cache {
            command.arg("--no-cache");
        }
        command.args(["-t", image]).arg(context);
        command
    }

    /// Runs a program in an image: what it printed.
    ///
    /// # Errors
    /// The image is not there, or the program does not exit with 0.
    pub(super) fn run(&self, image: &str, argv: &[&str]) -> Result<String> {
        let mut command = self.command();
        match self.tool {
            Tool::Galley | Tool::GalleyAsUser => output(command.args(["run", image]).args(argv)),
            Tool::BuildKit => output(command.args(["run", "--rm", "--network=host", image]).args(argv)),
            Tool::Buildah => {
                let container = output(command.args(["from", "--pull-never", image]))?;
                let container = container.trim();
                let mut run = self.command();
                run.args(["run", "--runtime=runc", "--isolation=chroot", "--network=host", container, "--"]);
                let printed = output(run.args(argv));
                output(self.command().args(["rm", container]))?;
                printed
            }
        }
    }

    /// Back to where only the base image is there, so that the next build of `image` is a cold one.
    ///
    /// # Errors
    /// What is there cannot be removed, or the base does not build again.
    pub(crate) fn forget(&self, image: &str) -> Result<()> {
        match self.tool {
            Tool::Galley => {
                if self.store.exists() {
                    fs::remove_dir_all(&self.store)
                        .map_err(|error| format!("{}: {error}", self.store.display()))?;
                }
                self.prepare_base()
            }
            // The files belong to subordinate ids: only galley can remove them.
            Tool::GalleyAsUser => {
                output(self.command().args(["store", "reset", "--force"]))?;
                self.prepare_base()
            }
            Tool::BuildKit => {
                // The image is not there the first time.
                let _ = output(self.command().args(["image", "rm", "-f", image]));
                output(self.command().args(["builder", "prune", "-af"])).map(drop)
            }
            // It keeps nothing of a context: what is left to do is to build with `--no-cache`.
            Tool::Buildah => {
                let _ = output(self.command().args(["rmi", "-f", image]));
                Ok(())
            }
        }
    }

    /// Whether a cold build needs `--no-cache` besides `forget`.
    pub(super) fn cold_needs_no_cache(&self) -> bool {
        self.tool == Tool::Buildah
    }

    /// The program with its global options.
    pub(crate) fn command(&self) -> Command {
        let mut command = match self.tool {
            Tool::GalleyAsUser => {
                let mut command = Command::new("setpriv");
                let id = PLAIN_USER.to_string();
                command.args(["--reuid", &id, "--regid", &id, "--clear-groups"]).arg(&self.program);
                command
            }
            _ => Command::new(&self.program),
        };
        if let Tool::Galley | Tool::GalleyAsUser = self.tool {
            // A configuration of the user's own must not change what is measured.
            let home = self.store.parent().unwrap_or(&self.store);
            command
                .env("HOME", home)
                .env("XDG_CONFIG_HOME", home.join("config"))
                .env_remove("XDG_RUNTIME_DIR");
            command.arg("--store").arg(&self.store);
        }
        command
    }
}

/// Buildah raises limits to its own defaults, which not every machine allows: the bench's own limits do.
pub(crate) fn buildah_limits() -> [String; 4] {
    let limit = |resource| getrlimit(resource).current.map_or("-1".to_owned(), |limit| limit.to_string());
    let limits = [("nofile", Resource::Nofile), ("nproc", Resource::Nproc)];
    let [files, processes] = limits.map(|(name, resource)| format!("{name}={}", limit(resource)));
    ["--ulimit".to_owned(), files, "--ulimit".to_owned(), processes]
}
