//! Cases about bytes: 50,000 small files, and one of a gibibyte.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::builder::{BASE, Builder};
use super::edits::{self, Project};
use super::lab::{Lab, big_file, small_files};
use super::race::{Entrant, Outcome, Role, output};
use crate::Result;

const FILES: usize = 50_000;
const GIBIBYTE: usize = 1 << 30;
const MANY: &str = "galley-bench-many";
const BIG: &str = "galley-bench-big";
/// The file that is edited, below the context and below `/app` in the image.
const EDITED: &str = "d321/f45.txt";

/// The context of the 50,000.
fn many(lab: &Lab) -> Result<PathBuf> {
    lab.context("many", &format!("FROM {BASE}\nWORKDIR /app\nCOPY . .\n"), |context| {
        small_files(context, FILES)
    })
}

/// A control that fills `destination` and starts without it.
fn filling<'a>(destination: &'a Path, command: impl Fn(usize) -> Command + 'a) -> Entrant<'a> {
    Entrant::new(Role::Control, command).before(move |_| {
        if destination.is_dir() {
            fs::remove_dir_all(destination)?;
        } else if destination.exists() {
            fs::remove_file(destination)?;
        }
        Ok(())
    })
}

/// Whether the image has all files of the context, and one of them as it is.
fn check_many(builder: &Builder, context: &Path) -> Result<()> {
    let count = builder.run(MANY, &["sh", "-c", "find /app -type f | wc -l"])?;
    // The Dockerfile is one more.
    if count.trim() != (FILES + 1).to_string() {
        return Err(format!("the image has {} of {} files", count.trim(), FILES + 1).into());
    }
    check_edited(builder, context)
}

/// Whether the image has the edited file as it is now.
fn check_edited(builder: &Builder, context: &Path) -> Result<()> {
    let expected = fs::read_to_string(context.join(EDITED))?;
    let path = format!("/app/{EDITED}");
    if builder.run(MANY, &["cat", &path])? != expected {
        return Err(format!("{path} in the image is not what the context has").into());
    }
    Ok(())
}

/// The first copy of 50,000 files; the control is `cp -a`.
pub(super) fn many_cold(lab: &Lab) -> Result<Outcome> {
    let context = many(lab)?;
    let copied = lab.path("many-copied");
    let mut entrants = vec![filling(&copied, |_| {
        let mut copy = Command::new("cp");
        copy.arg("-a").args([&context, &copied]);
        copy
    })];
    for builder in &lab.builders {
        let build =
            Entrant::new(builder.role(), |_| builder.build(&context, MANY, builder.cold_needs_no_cache()));
        entrants.push(build.before(|_| builder.forget(MANY)).after(|_| check_many(builder, &context)));
    }
    let samples = lab.race(&entrants, 1, 1);
    drop(entrants);
    fs::remove_dir_all(&copied)?;
    Ok(Outcome { samples, notes: Vec::new() })
}

/// Nothing changed among 50,000 files; the control is `find -printf`. Galley is then shown edits; for the peers that takes minutes.
pub(super) fn many_noop(lab: &Lab) -> Result<Outcome> {
    let context = many(lab)?;
    let mut entrants = vec![Entrant::new(Role::Control, |_| {
        let mut find = Command::new("find");
        find.arg(&context).args(["-printf", "%p %s %m %T@ %C@ %i\n"]);
        find
    })];
    for builder in &lab.builders {
        entrants.push(Entrant::new(builder.role(), |_| builder.build(&context, MANY, false)));
    }
    let mut outcome = Outcome { samples: lab.race(&entrants, 1, 1), notes: Vec::new() };
    drop(entrants);
    if outcome.samples.iter().all(|samples| samples.role != Role::Galley || samples.problem.is_none()) {
        let in_image = format!("/app/{EDITED}");
        let project = Project { context: &context, image: MANY, file: EDITED, in_image: &in_image };
        let galley = lab.builders.iter().filter(|builder| builder.role() == Role::Galley);
        edits::check(lab, &project, galley, &mut outcome)?;
    }
    Ok(outcome)
}

/// One of 50,000 files changed, another text each time.
pub(super) fn many_edit(lab: &Lab) -> Result<Outcome> {
    let context = many(lab)?;
    let mut entrants = Vec::new();
    for builder in &lab.builders {
        let build = Entrant::new(builder.role(), |_| builder.build(&context, MANY, false));
        let edit = |round: usize| -> Result<()> {
            let text = format!("edited for {:?} in round {round}\n", builder.tool);
            Ok(fs::write(context.join(EDITED), text)?)
        };
        entrants.push(build.before(edit).after(|_| check_edited(builder, &context)));
    }
    Ok(Outcome { samples: lab.race(&entrants, 1, 1), notes: Vec::new() })
}

/// The first copy of one large file; the control copies it and hashes it.
pub(super) fn big(lab: &Lab) -> Result<Outcome> {
    let context = lab.context("big", &format!("FROM {BASE}\nCOPY big /big\n"), |context| {
        big_file(&context.join("big"), GIBIBYTE)
    })?;
    let source = context.join("big");
    let sum = first_word(&output(Command::new("sha256sum").arg(&source))?);
    let copied = lab.path("big-copied");
    let mut entrants = vec![filling(&copied, |_| {
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", "cp \"$1\" \"$2\" && sha256sum \"$1\"", "sh"]).args([&source, &copied]);
        shell
    })];
    for builder in &lab.builders {
        let build =
            Entrant::new(builder.role(), |_| builder.build(&context, BIG, builder.cold_needs_no_cache()));
        // Hashing takes longer than building: once is enough, for each round makes the same file.
        let check = |round: usize| match round {
            0 if first_word(&builder.run(BIG, &["sha256sum", "/big"])?) != sum => {
                Err("/big is not the file".into())
            }
            _ => Ok(()),
        };
        entrants.push(build.before(|_| builder.forget(BIG)).after(check));
    }
    let samples = lab.race(&entrants, 1, 1);
    drop(entrants);
    fs::remove_dir_all(&context)?;
    fs::remove_file(&copied)?;
    for builder in &lab.builders {
        builder.forget(BIG)?;
    }
    Ok(Outcome { samples, notes: Vec::new() })
}

/// What `sha256sum` prints before the name.
fn first_word(text: &str) -> String {
    text.split_whitespace().next().unwrap_or_default().to_owned()
}
