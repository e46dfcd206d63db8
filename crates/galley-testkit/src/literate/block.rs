//! The blocks of a literate test.

use std::path::PathBuf;

/// A fenced block that means something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Block {
    /// `file=PATH`: a file to write first.
    File { path: PathBuf, content: String },
    /// `tree`: a tree to make first.
    Tree(String),
    /// `console`: commands to run.
    Console(Vec<Step>),
}

/// One command with what it should print.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Step {
    /// The command's line in the file, from 1.
    pub line: usize,
    pub command: String,
    /// The expected output, a pattern.
    pub expected: String,
    pub exit: i32,
}

/// The blocks of `text` in order; other blocks and all prose are skipped.
pub(super) fn parse(text: &str) -> Result<Vec<Block>, String> {
    let mut blocks = Vec::new();
    let mut lines = text.lines().enumerate();
    while let Some((opening, line)) = lines.next() {
        let Some(fence) = fence(line) else { continue };
        let info = line.get(fence.len()..).unwrap_or("").trim();
        let mut body = Vec::new();
        loop {
            match lines.next() {
                Some((_, line)) if line.trim_end() == fence => break,
                Some((number, line)) => body.push((number + 1, line)),
                None => return Err(format!("{}: the block is never closed", opening + 1)),
            }
        }
        blocks.extend(block(info, &body)?);
    }
    Ok(blocks)
}

fn fence(line: &str) -> Option<&str> {
    let ticks = line.len() - line.trim_start_matches('`').len();
    if ticks < 3 { None } else { line.get(..ticks) }
}

fn block(info: &str, body: &[(usize, &str)]) -> Result<Option<Block>, String> {
    let content = || body.iter().map(|(_, line)| format!("{line}\n")).collect();
    if let Some(path) = info.split_whitespace().find_map(|word| word.strip_prefix("file=")) {
        return Ok(Some(Block::File { path: path.into(), content: content() }));
    }
    match info.split_whitespace().next() {
        Some("tree") => Ok(Some(Block::Tree(content()))),
        Some("console") => Ok(Some(Block::Console(steps(body)?))),
        _ => Ok(None),
    }
}

fn steps(body: &[(usize, &str)]) -> Result<Vec<Step>, String> {
    let mut steps: Vec<Step> = Vec::new();
    for (number, line) in body {
        if let Some(command) = line.strip_prefix("$ ") {
            steps.push(Step { line: *number, command: command.into(), expected: String::new(), exit: 0 });
            continue;
        }
        let step = steps.last_mut().ok_or(format!("{number}: output stands before any `$ command`"))?;
        if let Some(command) = line.strip_prefix("> ").filter(|_| step.expected.is_empty()) {
            step.command.push('\n');
            step.command.push_str(command);
        } else if let Some(code) = line.strip_prefix("[exit ").and_then(|rest| rest.strip_suffix(']')) {
            step.exit = code.parse().map_err(|_| format!("{number}: write an exit code as [exit N]"))?;
        } else {
            step.expected.push_str(line);
            step.expected.push('\n');
        }
    }
    Ok(steps)
}
