//! A case as text: one operation a line; a Dockerfile follows its line, each of its lines behind `| `.

/// Something that somebody does to a project, or asks of galley.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// Writes a file of the context, and the directories above it.
    File { path: String, text: String },
    /// Writes a file in place and gives it its old time back; with a text as long as the old one only the ctime tells.
    Sneak { path: String, text: String },
    /// Changes permission bits (octal).
    Mode { path: String, mode: u32 },
    /// Deletes a file or directory.
    Remove { path: String },
    /// Renames.
    Rename { from: String, to: String },
    /// Makes a symbolic link.
    Symlink { path: String, target: String },
    /// Makes another name of a file.
    Hardlink { path: String, target: String },
    /// Sets the attribute `user.note`.
    Note { path: String, value: String },
    /// Writes the `.dockerignore`, of one pattern.
    Ignore { pattern: String },
    /// Changes the Dockerfile.
    Dockerfile { text: String },
    /// From now on builds get this `--build-arg`.
    Arg { name: String, value: String },
    /// From now on this stage is built; `-` is the last one.
    Target { stage: String },
    /// Removes all images of the store.
    RemoveImages,
    /// Prunes everything that nothing needs.
    Prune,
    /// Prunes down to so many bytes.
    PruneTo { bytes: u64 },
    /// Builds in another process and kills that after so many lines of output.
    Kill { lines: usize },
    /// Builds, and compares.
    Build,
    /// Builds with `--no-cache`, and compares.
    BuildNoCache,
    /// Builds with `--no-cache-filter`, and compares.
    BuildFilter { stage: String },
}

/// Writes a case.
pub fn print(ops: &[Op]) -> String {
    let mut text = String::new();
    for op in ops {
        let line = match op {
            Op::File { path, text } => format!("file {path} {text}"),
            Op::Sneak { path, text } => format!("sneak {path} {text}"),
            Op::Mode { path, mode } => format!("mode {path} {mode:o}"),
            Op::Remove { path } => format!("remove {path}"),
            Op::Rename { from, to } => format!("rename {from} {to}"),
            Op::Symlink { path, target } => format!("symlink {path} {target}"),
            Op::Hardlink { path, target } => format!("hardlink {path} {target}"),
            Op::Note { path, value } => format!("note {path} {value}"),
            Op::Ignore { pattern } => format!("ignore {pattern}"),
            Op::Dockerfile { text } => {
                text.lines().fold("dockerfile".into(), |all, line| format!("{all}\n| {line}"))
            }
            Op::Arg { name, value } => format!("arg {name} {value}"),
            Op::Target { stage } => format!("target {stage}"),
            Op::RemoveImages => "remove-images".into(),
            Op::Prune => "prune".into(),
            Op::PruneTo { bytes } => format!("prune-to {bytes}"),
            Op::Kill { lines } => format!("kill {lines}"),
            Op::Build => "build".into(),
            Op::BuildNoCache => "build-no-cache".into(),
            Op::BuildFilter { stage } => format!("build-filter {stage}"),
        };
        text.push_str(&line);
        text.push('\n');
    }
    text
}

/// Reads a case. Lines that begin with `#` are comments.
pub fn parse(text: &str) -> Result<Vec<Op>, String> {
    let mut ops = Vec::new();
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(more) = line.strip_prefix('|') {
            let Some(Op::Dockerfile { text }) = ops.last_mut() else {
                return Err(format!("no dockerfile before `{line}`"));
            };
            text.push_str(more.strip_prefix(' ').unwrap_or(more));
            text.push('\n');
            continue;
        }
        ops.push(operation(line).ok_or_else(|| format!("no operation: `{line}`"))?);
    }
    Ok(ops)
}

fn operation(line: &str) -> Option<Op> {
    let mut words = line.split(' ').map(ToOwned::to_owned);
    let name = words.next()?;
    let mut word = || words.next();
    Some(match name.as_str() {
        "file" => Op::File { path: word()?, text: word()? },
        "sneak" => Op::Sneak { path: word()?, text: word()? },
        "mode" => Op::Mode { path: word()?, mode: u32::from_str_radix(&word()?, 8).ok()? },
        "remove" => Op::Remove { path: word()? },
        "rename" => Op::Rename { from: word()?, to: word()? },
        "symlink" => Op::Symlink { path: word()?, target: word()? },
        "hardlink" => Op::Hardlink { path: word()?, target: word()? },
        "note" => Op::Note { path: word()?, value: word()? },
        "ignore" => Op::Ignore { pattern: word()? },
        "dockerfile" => Op::Dockerfile { text: String::new() },
        "arg" => Op::Arg { name: word()?, value: word()? },
        "target" => Op::Target { stage: word()? },
        "remove-images" => Op::RemoveImages,
        "prune" => Op::Prune,
        "prune-to" => Op::PruneTo { bytes: word()?.parse().ok()? },
        "kill" => Op::Kill { lines: word()?.parse().ok()? },
        "build" => Op::Build,
        "build-no-cache" => Op::BuildNoCache,
        "build-filter" => Op::BuildFilter { stage: word()? },
        _ => return None,
    })
}

#[test]
fn a_case_is_read_as_it_was_written() {
    for seed in 0..50 {
        let ops = super::generate::generate(seed);
        assert_eq!(parse(&print(&ops)).unwrap(), ops);
    }
}
