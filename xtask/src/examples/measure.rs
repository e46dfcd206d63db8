//! One Dockerfile of one example: built cold, run, weighed, built again, edited and built again.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::service::Service;
use super::{Example, Workshop};
use crate::Result;
use crate::bench::race::{Entrant, Role, Samples, output, race, timed};

/// What one Dockerfile comes to.
pub(super) struct Measured {
    /// Bytes of the layers, as tar files and as they are stored in a registry.
    pub(super) weight: Weight,
    /// Seconds that fetching and unpacking the bases takes, in an empty store.
    pub(super) pull: f64,
    /// Seconds of the first build, the bases being there.
    pub(super) cold: f64,
    /// Rebuilds of the same.
    pub(super) unchanged: Samples,
    /// Rebuilds after an edit of one line.
    pub(super) edited: Samples,
    /// What `GET /` answered.
    pub(super) answer: String,
}

/// The size of an image.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Weight {
    pub(super) layers: usize,
    /// Bytes of the layers' tar files.
    pub(super) plain: u64,
    /// Bytes of the same, compressed.
    pub(super) packed: u64,
}

/// Builds `file` of the example and measures it.
///
/// # Errors
/// What does not build, or does not do what it should.
pub(super) fn measure(workshop: &Workshop, example: &Example, file: &str) -> Result<Measured> {
    let context = workshop.path(&format!("{}-{file}", example.name));
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples").join(example.name);
    output(Command::new("cp").arg("-r").arg(own).arg(&context))?;
    let image = format!("example-{}", example.name);
    let log = workshop.path("log");
    let build = || {
        let mut build = workshop.builder.build(&context, &image, false);
        build.args(&workshop.config).args(&workshop.site).arg("-f").arg(context.join(file));
        build
    };

    workshop.builder.forget(&image)?;
    let mut pull = workshop.builder.command();
    pull.arg("pull").args(bases(&fs::read_to_string(context.join(file))?)).args(&workshop.config);
    let (pull, _) = timed(&mut pull, &log)?;
    let (cold, _) = timed(&mut build(), &log)?;
    let answer = Service::start(workshop, &image)?.answers("/", "example-")?;
    let weight = weigh(workshop, &image)?;

    let unchanged = race(&[Entrant::new(Role::Galley, |_| build())], workshop.rounds, 1, &log);
    let source = context.join(example.source);
    let original = fs::read_to_string(&source)?;
    let edit = Entrant::new(Role::Galley, |_| build())
        .before(|round| Ok(fs::write(&source, edited(&original, round)?)?));
    let edit = edit.after(|round| {
        let answer = Service::start(workshop, &image)?.answers("/healthz", "ok")?;
        let expected = format!("ok{round}");
        let stale = || format!("after the edit /healthz answers {answer:?}, not {expected:?}");
        if answer == expected { Ok(()) } else { Err(stale().into()) }
    });
    let rebuilt = race(&[edit], workshop.rounds, 1, &log);
    fs::remove_dir_all(&context)?;
    Ok(Measured { weight, pull, cold, unchanged: finished(unchanged)?, edited: finished(rebuilt)?, answer })
}

/// The samples of a race of one, or what went wrong.
fn finished(samples: Vec<Samples>) -> Result<Samples> {
    let samples = samples.into_iter().next().ok_or("nobody raced")?;
    match samples.problem {
        Some(problem) => Err(problem.into()),
        None => Ok(samples),
    }
}

/// The source with another answer of `/healthz`, a different one each round.
fn edited(source: &str, round: usize) -> Result<String> {
    const ANSWER: &str = "\"ok";
    match source.matches(ANSWER).count() {
        1 => Ok(source.replace(ANSWER, &format!("{ANSWER}{round}"))),
        count => {
            Err(format!("{ANSWER} stands {count} times in the source: it has to stand there once").into())
        }
    }
}

/// The images that the Dockerfile starts from: not its own stages, and not `scratch`. The examples' `FROM` lines have no flags.
fn bases(dockerfile: &str) -> Vec<&str> {
    let mut stages = vec!["scratch"];
    let mut bases = Vec::new();
    for line in dockerfile.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let ["FROM", image, rest @ ..] = words.as_slice() else { continue };
        if !stages.contains(image) && !bases.contains(image) {
            bases.push(image);
        }
        if let ["AS", name] = rest {
            stages.push(name);
        }
    }
    bases
}

/// Saves the image, and weighs every layer of it.
fn weigh(workshop: &Workshop, image: &str) -> Result<Weight> {
    let directory = workshop.path("saved");
    fs::create_dir(&directory)?;
    let archive = directory.join("archive");
    let mut save = workshop.builder.command();
    // The archive comes through standard output: the directory is not the plain user's.
    let status =
        save.args(["save", image]).args(&workshop.config).stdout(File::create(&archive)?).status()?;
    if !status.success() {
        return Err(format!("{save:?}: {status}").into());
    }
    output(Command::new("tar").arg("-xf").arg(&archive).arg("-C").arg(&directory))?;
    let json = |path: PathBuf| -> Result<serde_json::Value> { Ok(serde_json::from_slice(&fs::read(path)?)?) };
    let index = json(directory.join("index.json"))?;
    let manifest = json(blob(&directory, &index["manifests"][0])?)?;
    let mut weight = Weight::default();
    for layer in manifest["layers"].as_array().ok_or("the saved manifest has no layers")? {
        weight.layers += 1;
        weight.packed += layer["size"].as_u64().ok_or("a layer has no size")?;
        weight.plain += unpacked_size(&blob(&directory, layer)?)?;
    }
    fs::remove_dir_all(&directory)?;
    Ok(weight)
}

/// Where the blob of a descriptor lies in an OCI layout.
fn blob(layout: &Path, descriptor: &serde_json::Value) -> Result<PathBuf> {
    let digest = descriptor["digest"].as_str().ok_or("a descriptor has no digest")?;
    Ok(layout.join("blobs").join(digest.replace(':', "/")))
}

/// How many bytes a layer's tar file has.
fn unpacked_size(blob: &Path) -> Result<u64> {
    let mut gzip = Command::new("gzip");
    gzip.arg("-dc").stdin(File::open(blob)?).stdout(Stdio::piped());
    let mut child = gzip.spawn().map_err(|error| format!("{gzip:?}: {error}"))?;
    let mut tar = child.stdout.take().ok_or("gzip has no output")?;
    let size = io::copy(&mut tar, &mut io::sink())?;
    if child.wait()?.success() {
        Ok(size)
    } else {
        Err(format!("{}: gzip cannot read it", blob.display()).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bases_are_neither_stages_nor_scratch() {
        let dockerfile =
            "# FROM nothing\nFROM one:1 AS a\nRUN FROM x\nFROM a AS b\nFROM one:1\nFROM scratch\nFROM two\n";
        assert_eq!(bases(dockerfile), ["one:1", "two"]);
    }

    #[test]
    fn an_edit_changes_the_one_answer() {
        assert_eq!(edited("send(\"ok\\n\")", 2).unwrap(), "send(\"ok2\\n\")");
        assert!(edited("\"ok\" \"ok\"", 1).is_err() && edited("", 1).is_err());
    }

    #[test]
    fn every_example_can_be_edited_and_names_its_bases() {
        for example in &super::super::EXAMPLES {
            let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples").join(example.name);
            assert!(
                edited(&fs::read_to_string(own.join(example.source)).unwrap(), 1).is_ok(),
                "{}",
                example.name
            );
            for (_, file) in super::super::FILES {
                assert!(!bases(&fs::read_to_string(own.join(file)).unwrap()).is_empty(), "{}", example.name);
            }
        }
    }
}
