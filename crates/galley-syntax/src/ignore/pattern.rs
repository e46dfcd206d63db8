//! One compiled pattern of moby's patternmatcher.
//!
//! Its quirks are part of the semantics: `**foo` matches whatever ends in `foo`, `foo**` whatever starts with it, a `**`
//! elsewhere stands for any number of whole directories, and only those `**` do not match a line end.

use crate::glob::{Class, Element, Glob, GlobError, class, next_char};

/// How a pattern is matched; the plain forms need no automaton.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Form {
    /// No wildcard.
    Exact(String),
    /// `text**`
    Prefix(String),
    /// `**text`
    Suffix(String),
    /// Anything else.
    Steps { steps: Vec<Step>, prefix: String, suffix: String },
}

/// One step of the automaton.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    /// One character.
    One(Element),
    /// `*`
    Star,
    /// `**` or `**/` with something behind it: nothing, or any text that ends in `/`.
    Directories,
    /// `**` at the end: any text.
    Rest,
}

/// A compiled pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Compiled {
    form: Form,
    /// The components, to tell what can lie below a directory; `None` stands for one with `**` in it.
    components: Vec<Option<Glob>>,
}

impl Compiled {
    /// Compiles a cleaned pattern.
    pub(super) fn new(pattern: &str) -> Result<Self, GlobError> {
        // docker accepts what `filepath.Match` accepts, and nothing else.
        Glob::new(pattern)?;
        let components = pattern
            .split('/')
            .map(|part| if part.contains("**") { None } else { Glob::new(part).ok() })
            .collect();
        Ok(Self { form: form(pattern)?, components })
    }

    /// True where the whole of `path` matches.
    pub(super) fn matches(&self, path: &[u8]) -> bool {
        match &self.form {
            Form::Exact(text) => path == text.as_bytes(),
            Form::Prefix(text) => path.starts_with(text.as_bytes()),
            Form::Suffix(text) => {
                // `**/foo` is also `foo` itself.
                let whole = text.strip_prefix('/').is_some_and(|rest| path == rest.as_bytes());
                path.ends_with(text.as_bytes()) || whole
            }
            Form::Steps { steps, prefix, suffix } => {
                path.starts_with(prefix.as_bytes()) && path.ends_with(suffix.as_bytes()) && run(steps, path)
            }
        }
    }

    /// False where no path below the directory can match by itself (rather than through the directory).
    pub(super) fn may_match_below(&self, directory: &[u8]) -> bool {
        let mut components = self.components.iter();
        for part in directory.split(|byte| *byte == b'/') {
            match components.next() {
                Some(Some(glob)) if glob.matches(part) => {}
                Some(Some(_)) | None => return false,
                Some(None) => return true,
            }
        }
        components.next().is_some()
    }
}

fn form(pattern: &str) -> Result<Form, GlobError> {
    let special = |text: &str| text.contains(['*', '?', '[', ']', '\\']);
    if !special(pattern) {
        return Ok(Form::Exact(pattern.to_owned()));
    }
    if let Some(rest) = pattern.strip_prefix("**").filter(|rest| !special(rest)) {
        return Ok(Form::Suffix(rest.to_owned()));
    }
    if let Some(rest) = pattern.strip_suffix("**").filter(|rest| !special(rest)) {
        return Ok(Form::Prefix(rest.to_owned()));
    }
    let steps = steps(pattern)?;
    let literal = |step: &Step| match step {
        Step::One(Element::Literal(c)) => Some(*c),
        _ => None,
    };
    let prefix: String = steps.iter().map_while(literal).collect();
    let backwards: Vec<char> = steps.iter().rev().map_while(literal).collect();
    let suffix = backwards.into_iter().rev().collect();
    Ok(Form::Steps { steps, prefix, suffix })
}

fn steps(pattern: &str) -> Result<Vec<Step>, GlobError> {
    let mut steps = Vec::new();
    let mut chars = pattern.chars().peekable();
    while let Some(c) = chars.next() {
        steps.push(match c {
            '*' if chars.next_if_eq(&'*').is_some() => {
                chars.next_if_eq(&'/');
                if chars.peek().is_none() { Step::Rest } else { Step::Directories }
            }
            '*' => Step::Star,
            '?' => Step::One(Element::Any),
            '[' => {
                let class: Class = class(&mut chars, pattern)?;
                Step::One(Element::Class(class))
            }
            '\\' => Step::One(Element::Literal(chars.next().unwrap_or('\\'))),
            c => Step::One(Element::Literal(c)),
        });
    }
    Ok(steps)
}

/// Runs the automaton over `path`, all possibilities at once, so that no pattern takes more than its length times the
/// path's.
fn run(steps: &[Step], path: &[u8]) -> bool {
    let mut states = vec![false; steps.len() + 1];
    let mut next = states.clone();
    enter(steps, &mut states, 0);
    let mut rest = path;
    while let Some((c, len)) = next_char(rest) {
        rest = rest.get(len..).unwrap_or_default();
        next.fill(false);
        for (index, step) in steps.iter().enumerate() {
            if states.get(index) != Some(&true) {
                continue;
            }
            match step {
                Step::One(element) if element.matches(c) => enter(steps, &mut next, index + 1),
                Step::Star if c != '/' => enter(steps, &mut next, index),
                Step::Rest if c != '\n' => enter(steps, &mut next, index),
                Step::Directories if c != '\n' => {
                    mark(&mut next, index);
                    if c == '/' {
                        enter(steps, &mut next, index + 1);
                    }
                }
                _ => {}
            }
        }
        std::mem::swap(&mut states, &mut next);
    }
    states.last() == Some(&true)
}

fn mark(states: &mut [bool], index: usize) {
    if let Some(state) = states.get_mut(index) {
        *state = true;
    }
}

/// Makes a step the next one, and those behind it where it may match nothing.
fn enter(steps: &[Step], states: &mut [bool], from: usize) {
    for index in from..states.len() {
        mark(states, index);
        if !matches!(steps.get(index), Some(Step::Star | Step::Directories | Step::Rest)) {
            break;
        }
    }
}
