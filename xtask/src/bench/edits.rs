//! Edits that a builder which trusts sizes and times does not see. After a no-op case each of them must be in the next image.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::Builder;
use super::lab::Lab;
use super::race::{Outcome, Role};
use crate::Result;

/// What a no-op case builds, and one file of it that ends up in the image.
pub(super) struct Project<'a> {
    pub(super) context: &'a Path,
    pub(super) image: &'a str,
    /// Below the context.
    pub(super) file: &'a str,
    /// Its path in the image.
    pub(super) in_image: &'a str,
}

/// Edits the project in three ways and builds after each. Galley's failure is a problem of its samples, a peer's is a note.
pub(super) fn check<'a>(
    lab: &Lab,
    project: &Project<'_>,
    builders: impl Iterator<Item = &'a Builder>,
    outcome: &mut Outcome,
) -> Result<()> {
    for builder in builders {
        let unseen = unseen(lab, project, builder)?;
        if unseen.is_empty() {
            continue;
        }
        let unseen = unseen.join(", ");
        match outcome.samples.iter_mut().find(|samples| samples.role == builder.role()) {
            Some(samples) if samples.role == Role::Galley => {
                samples.problem.get_or_insert(format!("not seen at once: {unseen}"));
            }
            _ => outcome
                .notes
                .push(format!("{:?} does not see at once: {unseen} (`{}`).", builder.tool, project.image)),
        }
    }
    Ok(())
}

/// The edits that one builder did not see.
fn unseen(lab: &Lab, project: &Project<'_>, builder: &Builder) -> Result<Vec<&'static str>> {
    let path = project.context.join(project.file);
    let build = || super::race::output(&mut builder.build(project.context, project.image, false));
    // Each edit is made on files that the builder knows and that are old enough to be trusted.
    let known = || {
        lab.settle();
        build()
    };
    let mut unseen = Vec::new();

    known()?;
    let edited = same_size_old_time(&path)?;
    build()?;
    if builder.run(project.image, &["cat", project.in_image])? != edited {
        unseen.push("an edit of the same size with the old mtime");
    }

    known()?;
    let mode = fs::metadata(&path)?.permissions().mode() & 0o777;
    // The plain user has to be able to read it, too.
    let mode = if mode == 0o754 { 0o644 } else { 0o754 };
    fs::set_permissions(&path, Permissions::from_mode(mode))?;
    build()?;
    if builder.run(project.image, &["stat", "-c", "%a", project.in_image])?.trim() != format!("{mode:o}") {
        unseen.push("a chmod");
    }
    fs::set_permissions(&path, Permissions::from_mode(0o644))?;

    known()?;
    let added = path.with_extension("added");
    fs::write(&added, "new\n")?;
    build()?;
    let in_image = Path::new(project.in_image).with_extension("added");
    let argv = ["cat", in_image.to_str().ok_or("a path that is not UTF-8")?];
    if builder.run(project.image, &argv).ok().as_deref() != Some("new\n") {
        unseen.push("an added file");
    }
    fs::remove_file(&added)?;
    Ok(unseen)
}

/// Turns the case of a file's letters, and sets its times back, as `touch -r` would: its new text.
fn same_size_old_time(path: &Path) -> Result<String> {
    let times = fs::metadata(path)?.modified()?;
    let text = fs::read_to_string(path)?;
    let lower = text.to_lowercase();
    let edited = if lower == text { text.to_uppercase() } else { lower };
    fs::write(path, &edited)?;
    File::options().write(true).open(path)?.set_modified(times)?;
    Ok(edited)
}
