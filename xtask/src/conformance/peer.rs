//! The peers: BuildKit through `docker buildx`, and `buildah`, as whole programs.

use std::path::Path;
use std::process::Command;

use galley_testkit::conformance::{BASE, Case, Outcome, Prepared, base_context};
use galley_testkit::image::Image;

use crate::Result;
use crate::bench::builder::buildah_limits;

/// Which program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tool {
    BuildKit,
    Buildah,
}

/// A peer that has the base image.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) tool: Tool,
    base: Option<Image>,
}

impl Tool {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::BuildKit => "buildkit",
            Self::Buildah => "buildah",
        }
    }
}

impl Peer {
    /// The peer of that name, nobody for `none`; `None` for another name.
    pub(super) fn named(name: &str) -> Option<Option<Self>> {
        let tool = match name {
            "buildkit" => Tool::BuildKit,
            "buildah" => Tool::Buildah,
            "none" => return Some(None),
            _ => return None,
        };
        Some(Some(Self { tool, base: None }))
    }

    /// Builds the base image.
    pub(super) fn prepared(&self, home: &Path) -> Result<Self> {
        let context = base_context(home)?;
        let archive = home.join(format!("base-{}.tar", self.tool.name()));
        self.build(&context, BASE, &context.join("Dockerfile"), &[], &[])?;
        self.save(BASE, &archive)?;
        Ok(Self { tool: self.tool, base: Some(Image::read(&archive)?) })
    }

    /// Builds a case.
    pub(super) fn run(&self, case: &Case, prepared: &Prepared) -> Result<Outcome> {
        let context = prepared.context();
        for (name, text) in &case.images {
            let file = prepared.beside("image.Dockerfile");
            std::fs::write(&file, text)?;
            self.build(&context, name, &file, &[], &case.env)?;
        }
        let name = format!("conformance/case-{}", case.name);
        let archive = prepared.beside(&format!("{}.tar", self.tool.name()));
        let dockerfile = context.join("Dockerfile");
        // A cache must not answer for what an earlier state of the case was.
        let args = [&["--no-cache".to_owned()], case.args.as_slice()].concat();
        let built = self.build(&context, &name, &dockerfile, &args, &case.env);
        Ok(match built.and_then(|()| self.save(&name, &archive)) {
            Ok(()) => Outcome::Built(Image::read(&archive)?.describe(self.base.as_ref())),
            Err(said) => Outcome::Failed(said.to_string()),
        })
    }

    /// The lines of a description that this peer can be measured by. BuildKit's history is compared as far as it is no matter of
    /// wording; buildah builds without layers here and words its history in a way of its own.
    pub(super) fn comparable(&self, lines: &[String]) -> Vec<String> {
        let counts = |line: &&String| !(line.starts_with("layers ") || line.starts_with("history"));
        match self.tool {
            Tool::BuildKit => lines.iter().map(|line| plain(line)).collect(),
            Tool::Buildah => lines.iter().filter(counts).cloned().collect(),
        }
    }

    /// Whether the directory that a line of a description is about is one of the base's, with the same mode and owner.
    pub(super) fn base_has(&self, line: &str) -> bool {
        let bare =
            |line: &str| line.split(' ').filter(|word| !word.starts_with('@')).collect::<Vec<_>>().join(" ");
        let lines = self.base.as_ref().map(|base| base.describe(None)).unwrap_or_default();
        lines.iter().any(|known| bare(known) == bare(line))
    }

    fn build(
        &self,
        context: &Path,
        name: &str,
        file: &Path,
        args: &[String],
        env: &[(String, String)],
    ) -> Result<()> {
        let mut command = match self.tool {
            Tool::BuildKit => {
                let mut command = Command::new("docker");
                command.args(["buildx", "build", "--progress=plain", "--network=host", "--provenance=false"]);
                command
            }
            Tool::Buildah => {
                let mut command = Command::new("buildah");
                command.args(["bud", "--runtime=runc", "--isolation=chroot", "--network=host"]);
                command
                    .args(["--pull-never", "--format=docker", "--identity-label=false"])
                    .args(buildah_limits());
                command
            }
        };
        let other_file = args.iter().any(|arg| arg == "-f");
        if !other_file {
            command.arg("-f").arg(file);
        }
        command.args(["-t", name]).args(args).arg(".").current_dir(context);
        command.envs(env.iter().cloned());
        run(&mut command)
    }

    fn save(&self, name: &str, archive: &Path) -> Result<()> {
        match self.tool {
            Tool::BuildKit => run(Command::new("docker").arg("save").arg("-o").arg(archive).arg(name)),
            Tool::Buildah => {
                let place = format!("docker-archive:{}", archive.display());
                run(Command::new("buildah").args(["push", "-q", name, &place]))
            }
        }
    }
}

/// A line of history without what builders word differently: the flags of COPY and ADD, and the values of HEALTHCHECK and EXPOSE.
fn plain(line: &str) -> String {
    let (head, text) = match line.strip_prefix("history ") {
        None => return line.to_owned(),
        Some(rest) => match rest.strip_prefix("(no layer) ") {
            Some(text) => ("history (no layer)", text),
            None => ("history", rest),
        },
    };
    let mut words = text.split(' ');
    let keyword = words.next().unwrap_or_default();
    let kept: Vec<&str> = match keyword {
        "HEALTHCHECK" | "EXPOSE" => Vec::new(),
        "COPY" | "ADD" => words.filter(|word| !word.starts_with("--")).collect(),
        _ => words.collect(),
    };
    format!("{head} {keyword} {}", kept.join(" "))
}

/// Runs a program; what it said where it fails.
fn run(command: &mut Command) -> Result<()> {
    let output = command.output().map_err(|error| format!("{}: {error}", command.get_program().display()))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let last: Vec<&str> = said.lines().rev().filter(|line| !line.is_empty()).take(6).collect();
    Err(last.into_iter().rev().collect::<Vec<_>>().join("\n").into())
}
