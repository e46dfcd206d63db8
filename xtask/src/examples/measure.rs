//! One Dockerfile of one example: built cold, run, weighed, built again, edited and built again.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::service::Service;
use super::weigh::{Scales, Weight};
use super::workshop::watch;
use super::{Example, Workshop, directory};
use crate::Result;
use crate::bench::race::{Entrant, Role, Samples, once, output, race, timed};

/// What one Dockerfile comes to.
pub(super) struct Measured {
    pub(super) weight: Weight,
    /// Seconds of the first build, the bases being there.
    pub(super) cold: f64,
    /// Rebuilds of the same.
    pub(super) unchanged: Samples,
    /// Rebuilds after an edit of one line.
    pub(super) edited: Samples,
    /// What `GET /` answered.
    pub(super) answer: String,
}

/// Builds `file` of the example and measures it.
///
/// # Errors
/// What does not build, or does not do what it should.
pub(super) fn measure(
    workshop: &Workshop,
    scales: &mut Scales,
    example: &Example,
    file: &str,
) -> Result<Measured> {
    let context = workshop.path(&format!("{}-{file}", example.name));
    output(Command::new("cp").arg("-r").arg(directory(example)).arg(&context))?;
    let image = format!("example-{}", example.name);
    let measured = measure_in(&context, workshop, scales, example, file, &image);
    // Also where something failed: the next one starts from the bases alone.
    let forgotten = workshop.forget(&image);
    fs::remove_dir_all(&context)?;
    let measured = measured?;
    forgotten.map(|()| measured)
}

fn measure_in(
    context: &Path,
    workshop: &Workshop,
    scales: &mut Scales,
    example: &Example,
    file: &str,
    image: &str,
) -> Result<Measured> {
    let log = workshop.path("log");
    let build = || workshop.build(context, file, image);

    let cold = if workshop.watched {
        watch(&mut workshop.watched_build(context, file, image))?
    } else {
        let (cold, _) = timed(&mut build(), &log)?;
        all_steps_ran(&fs::read_to_string(&log)?)?;
        cold
    };
    let answer = Service::start(workshop, image)?.answers("/", "example-")?;
    let weight = scales.weigh(workshop, image)?;

    let rebuilt = |entrant: Entrant<'_>| {
        if workshop.watched { vec![once(&entrant, &log)] } else { race(&[entrant], workshop.rounds, 1, &log) }
    };
    let unchanged = rebuilt(Entrant::new(Role::Galley, |_| build()));
    let source = context.join(example.source);
    let original = fs::read_to_string(&source)?;
    let edit = Entrant::new(Role::Galley, |_| build())
        .before(|round| Ok(fs::write(&source, edited(&original, round)?)?));
    let edit = edit.after(|round| {
        let answer = Service::start(workshop, image)?.answers("/healthz", "ok")?;
        let expected = format!("ok{round}");
        let stale = || format!("after the edit /healthz answers {answer:?}, not {expected:?}");
        if answer == expected { Ok(()) } else { Err(stale().into()) }
    });
    let edited = rebuilt(edit);
    Ok(Measured { weight, cold, unchanged: finished(unchanged)?, edited: finished(edited)?, answer })
}

/// Makes sure that a build was a first one: its last line counts the steps.
fn all_steps_ran(log: &str) -> Result<()> {
    match log.lines().rev().find(|line| line.contains(" ran, ")) {
        Some(line) if line.ends_with(" ran, 0 cached") => Ok(()),
        Some(line) => Err(format!("the first build is none: {line}").into()),
        None => Err("the build does not say how many steps ran".into()),
    }
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
pub(super) fn bases(dockerfile: &Path) -> Result<Vec<String>> {
    let text =
        fs::read_to_string(dockerfile).map_err(|error| format!("{}: {error}", dockerfile.display()))?;
    Ok(bases_in(&text))
}

fn bases_in(dockerfile: &str) -> Vec<String> {
    let mut stages = vec!["scratch"];
    let mut bases: Vec<String> = Vec::new();
    for line in dockerfile.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let ["FROM", image, rest @ ..] = words.as_slice() else { continue };
        if !stages.contains(image) && !bases.iter().any(|base| base == image) {
            bases.push((*image).to_owned());
        }
        if let ["AS", name] = rest {
            stages.push(name);
        }
    }
    bases
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::examples::{EXAMPLES, FORMS, has};

    #[test]
    fn bases_are_neither_stages_nor_scratch() {
        let dockerfile =
            "# FROM nothing\nFROM one:1 AS a\nRUN FROM x\nFROM a AS b\nFROM one:1\nFROM scratch\nFROM two\n";
        assert_eq!(bases_in(dockerfile), ["one:1", "two"]);
    }

    #[test]
    fn an_edit_changes_the_one_answer() {
        assert_eq!(edited("send(\"ok\\n\")", 2).unwrap(), "send(\"ok2\\n\")");
        assert!(edited("\"ok\" \"ok\"", 1).is_err() && edited("", 1).is_err());
    }

    #[test]
    fn a_first_build_has_nothing_cached() {
        assert!(all_steps_ran("x\nbuilt a (b) in 1s: 5 steps ran, 0 cached\n").is_ok());
        assert!(all_steps_ran("built a (b) in 1s: 5 steps ran, 2 cached\n").is_err());
        assert!(all_steps_ran("").is_err());
    }

    #[test]
    fn every_example_can_be_edited_and_names_its_bases() {
        for example in &EXAMPLES {
            let source = fs::read_to_string(directory(example).join(example.source)).unwrap();
            assert!(edited(&source, 1).is_ok(), "{}", example.name);
            assert!(has(example, "Dockerfile") && has(example, "Dockerfile.single"), "{}", example.name);
            for (_, file) in FORMS.iter().filter(|(_, file)| has(example, file)) {
                assert!(!bases(&directory(example).join(file)).unwrap().is_empty(), "{}", example.name);
            }
        }
    }
}
