//! Galley as the builder of cases: a program and a store of its own.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{BASE, BASE_DOCKERFILE, Case, Prepared};
use crate::image::Image;

/// What comes of a case.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// An image, as [`Image::describe`] writes it.
    Built(Vec<String>),
    /// The builder refused or failed: what it said.
    Failed(String),
}

/// A galley with a store in which the base image is.
#[derive(Debug)]
pub struct Galley {
    program: PathBuf,
    home: PathBuf,
    base: Image,
}

impl Galley {
    /// Makes a store in the directory `home` and builds the base image in it.
    ///
    /// # Errors
    /// No busybox on this machine, or a base that does not build.
    pub fn new(program: &Path, home: &Path) -> Result<Self, String> {
        let context = base_context(home)?;
        let archive = home.join("base.tar");
        let base =
            Image { config: serde_json::Value::Null, layers: 0, files: crate::image::Files::default() };
        let mut galley = Self { program: program.to_owned(), home: home.to_owned(), base };
        galley.build(&context, BASE, &archive, &[], &[])?;
        galley.base = Image::read(&archive)?;
        Ok(galley)
    }

    /// Builds a case.
    ///
    /// # Errors
    /// An image of the case that does not build, or an archive that is none.
    pub fn run(&self, case: &Case, prepared: &Prepared) -> Result<Outcome, String> {
        let context = prepared.context();
        let archive = prepared.beside("galley.tar");
        for (name, text) in &case.images {
            let file = prepared.beside("image.Dockerfile");
            fs::write(&file, text).map_err(|error| format!("{}: {error}", file.display()))?;
            let args = ["-f".to_owned(), file.display().to_string()];
            self.build(&context, name, &archive, &args, &case.env)?;
        }
        let name = format!("conformance/case-{}", case.name);
        Ok(match self.build(&context, &name, &archive, &case.args, &case.env) {
            Ok(()) => Outcome::Built(Image::read(&archive)?.describe(Some(&self.base))),
            Err(said) => Outcome::Failed(said),
        })
    }

    fn build(
        &self,
        context: &Path,
        name: &str,
        archive: &Path,
        args: &[String],
        env: &[(String, String)],
    ) -> Result<(), String> {
        let mut command = Command::new(&self.program);
        command
            .arg("--store")
            .arg(self.home.join("store"))
            .args(["build", "--progress=plain", "-t", name])
            .arg("-o")
            .arg(format!("type=oci,dest={}", archive.display()))
            .args(args)
            .arg(".")
            .current_dir(context)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", &self.home)
            .envs(env.iter().cloned());
        let output = command.output().map_err(|error| format!("{}: {error}", self.program.display()))?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        // What comes before is progress.
        let from = said.find("error").unwrap_or(0);
        Err(without_digests(said.get(from..).unwrap_or_default()))
    }
}

/// `text` with what differs from build to build left out of it: the digests of images.
fn without_digests(text: &str) -> String {
    let mut parts = text.split("sha256:");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let digits = part.bytes().take_while(u8::is_ascii_hexdigit).count();
        out.push_str("sha256:");
        out.push_str(if digits == 64 { "[..]" } else { part.get(..digits).unwrap_or_default() });
        out.push_str(part.get(digits..).unwrap_or_default());
    }
    out
}

/// Makes the context of the base image below `home`.
///
/// # Errors
/// No static busybox, or a file that cannot be written.
pub fn base_context(home: &Path) -> Result<PathBuf, String> {
    let context = home.join("base");
    fs::create_dir_all(&context)
        .and_then(|()| fs::write(context.join("Dockerfile"), BASE_DOCKERFILE))
        .map_err(|error| format!("{}: {error}", context.display()))?;
    fs::copy("/bin/busybox", context.join("busybox"))
        .map_err(|error| format!("/bin/busybox: {error}; the cases need Debian's busybox-static"))?;
    Ok(context)
}

impl Outcome {
    /// Whether it is what the case is about.
    ///
    /// # Errors
    /// A case that fails and does not say so (`--- fails`), or the other way round.
    pub fn fits(&self, case: &Case) -> Result<(), String> {
        match (self, case.fails) {
            (Self::Built(_), true) => Err(format!("{}: it should fail, and builds", case.name)),
            (Self::Failed(said), false) => Err(format!("{}: {said}", case.name)),
            _ => Ok(()),
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Built(lines) => lines.iter().try_for_each(|line| writeln!(f, "{line}")),
            Self::Failed(said) => write!(f, "fails\n{said}"),
        }
    }
}
