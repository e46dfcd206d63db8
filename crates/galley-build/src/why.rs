//! Why a step had to run: the first thing in which it differs from the same step of the build before. Pure.

use std::fmt;

use galley_image::{Change, ContentDigest, Diff, Entry, Kind, TreePath};
use serde::{Deserialize, Serialize};

use crate::journal::{Journal, StepEntry, StepFacts, StepOutcome};

/// The first cause of a step's run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Cause {
    /// The Dockerfile has not been built before, or the step is new in it.
    New,
    /// The cache was switched off.
    NoCache,
    /// The instruction was edited.
    Instruction {
        /// As it was.
        before: String,
    },
    /// A build argument or environment variable has another value.
    Variable {
        /// Its name.
        name: String,
        /// The earlier value; `None` where it was not set.
        before: Option<String>,
        /// The value now.
        after: Option<String>,
    },
    /// The base image is another one.
    Base {
        /// Its name.
        name: String,
        /// The earlier chain ID, shortened.
        before: String,
        /// The chain ID now, shortened.
        after: String,
    },
    /// A file of a build context changed.
    File {
        /// The context's name.
        context: String,
        /// The first changed path, as the step sees it.
        path: String,
        /// What happened to it.
        change: FileChange,
        /// How many more files changed.
        others: usize,
    },
    /// A source changed, and the earlier file list is no longer there to name the file.
    Source {
        /// The context's or stage's name.
        name: String,
    },
    /// The step before it has another result.
    Parent {
        /// Its line.
        line: u32,
        /// Its instruction.
        label: String,
    },
    /// Nothing changed, but the earlier result is no longer in the store.
    Pruned,
}

/// What happened to a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FileChange {
    /// It is new.
    Added,
    /// It is gone.
    Removed,
    /// Its bytes changed: digests, shortened.
    Content {
        /// Before.
        before: String,
        /// Now.
        after: String,
    },
    /// Its type, mode, owner or link target changed.
    Metadata,
}

/// The first difference between what a step reads now and what its counterpart read before; the step below it is the cause
/// where that ran itself. `files` is asked only where
/// a context's digest differs: it names the changed file.
pub fn first_cause(
    label: &str,
    now: &StepFacts,
    parent_ran: bool,
    before: Option<&StepEntry>,
    files: &mut dyn FnMut(usize) -> Option<Cause>,
) -> Cause {
    let Some(entry) = before else { return Cause::New };
    let old = &entry.read;
    if let Some(cause) = base_change(now, old) {
        return cause;
    }
    if let (true, Some((line, label))) = (parent_ran || now.parent != old.parent, &now.parent_label) {
        return Cause::Parent { line: *line, label: label.clone() };
    }
    if entry.label != label {
        return Cause::Instruction { before: entry.label.clone() };
    }
    if let Some(cause) = variable_change(now, old) {
        return cause;
    }
    for (index, source) in now.sources.iter().enumerate() {
        let earlier = old.sources.get(index);
        if earlier.is_none_or(|earlier| earlier.digest != source.digest || earlier.name != source.name) {
            let named = if source.context { files(index) } else { None };
            return named.unwrap_or_else(|| Cause::Source { name: source.name.clone() });
        }
    }
    if now.operation != old.operation {
        return Cause::Instruction { before: entry.label.clone() };
    }
    Cause::Pruned
}

fn base_change(now: &StepFacts, old: &StepFacts) -> Option<Cause> {
    let ((name, after), (_, before)) = (now.base.as_ref()?, old.base.as_ref()?);
    let short = |chain: &String| chain.trim_start_matches("sha256:").chars().take(12).collect();
    (after != before).then(|| Cause::Base { name: name.clone(), before: short(before), after: short(after) })
}

fn variable_change(now: &StepFacts, old: &StepFacts) -> Option<Cause> {
    let names = now.variables.keys().chain(old.variables.keys());
    let mut changed = names.filter(|name| now.variables.get(*name) != old.variables.get(*name));
    changed.next().map(|name| Cause::Variable {
        name: name.clone(),
        before: old.variables.get(name).cloned(),
        after: now.variables.get(name).cloned(),
    })
}

/// Names the first file in which `now`, the layer that a step is about to make, differs from `before`, the layer that it
/// made last time.
#[must_use]
pub fn changed_file(context: &str, before: &Diff, now: &Diff) -> Option<Cause> {
    let mut changes = Vec::new();
    let (mut old, mut new) = (entries(before).peekable(), entries(now).peekable());
    loop {
        let order = match (old.peek(), new.peek()) {
            (None, None) => break,
            (Some(_), None) => std::cmp::Ordering::Less,
            (None, Some(_)) => std::cmp::Ordering::Greater,
            (Some((a, _)), Some((b, _))) => a.cmp(b),
        };
        let earlier = if order.is_gt() { None } else { old.next() };
        let later = if order.is_lt() { None } else { new.next() };
        match (earlier, later) {
            // A sealed layer also lists the directories above its files, which nobody copied.
            (Some((_, entry)), None) | (None, Some((_, entry))) if entry.is_directory() => {}
            (Some((path, _)), None) => changes.push((path, FileChange::Removed)),
            (None, Some((path, _))) => changes.push((path, FileChange::Added)),
            (Some((path, a)), Some((_, b))) => {
                changes.extend(entry_change(a, b).map(|change| (path, change)));
            }
            (None, None) => {}
        }
    }
    let others = changes.len().saturating_sub(1);
    let (path, change) = changes.into_iter().next()?;
    Some(Cause::File { context: context.into(), path: path.display(), change, others })
}

fn entries(diff: &Diff) -> impl Iterator<Item = (&TreePath, &Entry)> {
    diff.iter().filter_map(|(path, change)| match change {
        Change::Put { entry, .. } => Some((path, entry)),
        Change::Whiteout => None,
    })
}

fn entry_change(before: &Entry, now: &Entry) -> Option<FileChange> {
    let short = |digest: Option<ContentDigest>| {
        digest.map_or("unknown".into(), |digest| digest.to_string().chars().take(12).collect())
    };
    match (&before.kind, &now.kind) {
        (Kind::File(a), Kind::File(b)) if a.digest != b.digest || a.size != b.size => {
            Some(FileChange::Content { before: short(a.digest), after: short(b.digest) })
        }
        (Kind::File(_), Kind::File(_)) | (Kind::Directory, Kind::Directory) => {
            let same = (before.mode, before.uid, before.gid, &before.xattrs)
                == (now.mode, now.uid, now.gid, &now.xattrs);
            (!same).then_some(FileChange::Metadata)
        }
        (a, b) => (a != b).then_some(FileChange::Metadata),
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::New => f.write_str("it has not been built before"),
            Self::NoCache => f.write_str("the cache is switched off for it"),
            Self::Instruction { before } => write!(f, "the instruction was edited; it was `{before}`"),
            Self::Variable { name, before, after } => {
                let shown = |value: &Option<String>| {
                    value.as_ref().map_or("not set".into(), |value| format!("`{value}`"))
                };
                write!(f, "{name} changed from {} to {}", shown(before), shown(after))
            }
            Self::Base { name, before, after } => {
                write!(f, "the base {name} changed from {before} to {after}")
            }
            Self::File { path, change, others, .. } => {
                write!(f, "{path} {change}")?;
                match others {
                    0 => Ok(()),
                    1 => f.write_str(" (and 1 more file)"),
                    n => write!(f, " (and {n} more files)"),
                }
            }
            Self::Source { name } => write!(f, "what it reads from {name} changed"),
            Self::Parent { line, label } => {
                write!(f, "the step before it has another result (line {line}: {label})")
            }
            Self::Pruned => f.write_str("its earlier result is no longer in the store"),
        }
    }
}

impl fmt::Display for FileChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Added => f.write_str("was added"),
            Self::Removed => f.write_str("was removed"),
            Self::Content { before, after } => write!(f, "changed ({before} → {after})"),
            Self::Metadata => f.write_str("changed its type, mode, owner or link target"),
        }
    }
}

/// One line about a whole build: what made steps run, and what to do about it. `None` when nothing ran.
#[must_use]
pub fn summary(journal: &Journal) -> Option<String> {
    let ran: Vec<(&StepEntry, &Cause)> = journal
        .steps
        .iter()
        .filter_map(|step| match &step.outcome {
            StepOutcome::Ran(cause) if step.position > 0 => Some((step, cause)),
            _ => None,
        })
        .collect();
    let (first, cause) = ran
        .iter()
        .find(|(_, cause)| !matches!(cause, Cause::Parent { .. } | Cause::Source { .. }))
        .or(ran.first())?;
    let steps = if ran.len() == 1 { "1 step ran".into() } else { format!("{} steps ran", ran.len()) };
    let advice = match cause {
        Cause::File { .. } if ran.len() > 1 => {
            "; if they do not need it, ignore it in .dockerignore or copy it later"
        }
        Cause::Pruned => "; a larger store keeps results longer",
        _ => "",
    };
    Some(match cause {
        Cause::New => format!("{steps}: line {} has not been built before", first.line),
        Cause::NoCache => format!("{steps}: the cache is switched off"),
        cause => format!("{steps} because at line {} ({}) {cause}{advice}", first.line, first.label),
    })
}
