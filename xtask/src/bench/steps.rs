//! Cases about steps: rebuilds with nothing to do, what a step costs, stages side by side.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::builder::{BASE, Builder};
use super::edits::{self, Project};
use super::lab::{Lab, small_files};
use super::race::{Entrant, Outcome, Role, Samples};
use crate::Result;

/// How many times more rounds the cases of milliseconds get.
const QUICK: usize = 4;

/// A project of 200 files in two stages: the lockfile first, then the sources, then the runtime image.
fn two_stages(lab: &Lab) -> Result<std::path::PathBuf> {
    let dockerfile = format!(
        "FROM {BASE} AS build\nWORKDIR /work\nCOPY lock ./\nRUN cat lock > installed\nCOPY . .\n\
         RUN mkdir /out && cp -a src /out/ && cat src/*/*.txt > /out/all\n\
         FROM {BASE}\nWORKDIR /app\nCOPY --from=build /out ./\nUSER 1000\nCMD [\"cat\", \"/app/all\"]\n"
    );
    lab.context("noop", &dockerfile, |context| {
        fs::write(context.join("lock"), "one 1.0\ntwo 2.0\n")?;
        fs::create_dir(context.join("src"))?;
        small_files(&context.join("src"), 200)
    })
}

const TWO_STAGES_FILE: (&str, &str) = ("src/d001/f50.txt", "/app/src/d001/f50.txt");

/// Rebuilds of an unchanged project, timed; then edits of it.
fn noop_race<'a>(
    lab: &'a Lab,
    builders: &[&'a Builder],
    context: &Path,
    image: &str,
    file: (&str, &str),
) -> Result<Outcome> {
    let rebuild = |builder: &&'a Builder| {
        let builder = *builder;
        let image = image.to_owned();
        let context = context.to_owned();
        Entrant::new(builder.role(), move |_| builder.build(&context, &image, false))
    };
    let entrants: Vec<Entrant<'_>> = builders.iter().map(rebuild).collect();
    let samples = lab.race(&entrants, QUICK, 1);
    let mut outcome = Outcome { samples, notes: Vec::new() };
    let project = Project { context, image, file: file.0, in_image: file.1 };
    let working = |builder: &&&Builder| {
        let failed = |samples: &Samples| samples.role == builder.role() && samples.problem.is_some();
        !outcome.samples.iter().any(failed)
    };
    let working: Vec<&Builder> = builders.iter().filter(working).copied().collect();
    edits::check(lab, &project, working.into_iter(), &mut outcome)?;
    Ok(outcome)
}

/// No-op rebuild of the two-stage project.
pub(super) fn noop(lab: &Lab) -> Result<Outcome> {
    let builders: Vec<&Builder> = lab.builders.iter().collect();
    noop_race(lab, &builders, &two_stages(lab)?, "galley-bench-noop", TWO_STAGES_FILE)
}

/// The same by a plain user.
pub(super) fn noop_user(lab: &Lab) -> Result<Outcome> {
    match &lab.plain {
        Ok(builder) => noop_race(lab, &[builder], &two_stages(lab)?, "galley-bench-noop", TWO_STAGES_FILE),
        Err(error) => {
            let problem = Some(format!("cannot build as a plain user: {error}"));
            let samples = Samples { role: Role::Galley, seconds: Vec::new(), peak: 0, problem };
            Ok(Outcome { samples: vec![samples], notes: Vec::new() })
        }
    }
}

/// No-op rebuild of 20 steps on one another.
pub(super) fn noop_20(lab: &Lab) -> Result<Outcome> {
    let steps: String = (1..20).map(|step| format!("RUN echo {step} > /step{step}\n")).collect();
    let context = lab.context("noop20", &format!("FROM {BASE}\nCOPY src /src\n{steps}"), |context| {
        fs::create_dir(context.join("src"))?;
        small_files(&context.join("src"), 200)
    })?;
    let builders: Vec<&Builder> = lab.builders.iter().collect();
    noop_race(lab, &builders, &context, "galley-bench-noop20", ("src/d001/f50.txt", "/src/d001/f50.txt"))
}

/// What one trivial step costs: 20 of them, each run anew. The control is as many processes started by a shell.
pub(super) fn trivial(lab: &Lab) -> Result<Outcome> {
    const STEPS: u32 = 20;
    let steps: String = (1..STEPS).map(|_| "RUN true\n").collect();
    let dockerfile = format!("FROM {BASE}\n{steps}RUN cat /proc/uptime > /when\n");
    let context = lab.context("step", &dockerfile, |_| Ok(()))?;
    let image = "galley-bench-step";
    // The last step leaves a time that no build before it can have left.
    let seen = std::cell::RefCell::new(Vec::new());
    let mut entrants = vec![Entrant::new(Role::Control, |_| {
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", &"/bin/busybox true; ".repeat(STEPS as usize)]);
        shell
    })];
    for builder in &lab.builders {
        let build = Entrant::new(builder.role(), |_| builder.build(&context, image, true)).after(|_| {
            let when = (builder.role(), builder.run(image, &["cat", "/when"])?);
            if seen.borrow().contains(&when) {
                return Err("a step did not run again".into());
            }
            seen.borrow_mut().push(when);
            Ok(())
        });
        entrants.push(build);
    }
    Ok(Outcome { samples: lab.race(&entrants, 1, STEPS), notes: Vec::new() })
}

/// Ten stages that only wait: they must wait together.
pub(super) fn stages(lab: &Lab) -> Result<Outcome> {
    let stages: String =
        (0..10).map(|n| format!("FROM {BASE} AS s{n}\nRUN sleep 2 && echo {n} > /from{n}\n")).collect();
    let copies: String = (0..10).map(|n| format!("COPY --from=s{n} /from{n} /\n")).collect();
    let dockerfile = format!("{stages}FROM {BASE}\n{copies}");
    let context = lab.context("stages", &dockerfile, |_| Ok(()))?;
    let image = "galley-bench-stages";
    let mut entrants = vec![Entrant::new(Role::Control, |_| {
        let mut sleep = Command::new("sleep");
        sleep.arg("2");
        sleep
    })];
    for builder in &lab.builders {
        let build = Entrant::new(builder.role(), |_| builder.build(&context, image, true)).after(|_| {
            match builder.run(image, &["sh", "-c", "cat /from*"])?.as_str() {
                "0\n1\n2\n3\n4\n5\n6\n7\n8\n9\n" => Ok(()),
                other => Err(format!("the image has {other:?} of the ten stages").into()),
            }
        });
        entrants.push(build);
    }
    Ok(Outcome { samples: lab.race(&entrants, 1, 1), notes: Vec::new() })
}
