//! What to say when a COPY finds nothing: where it looked, what is there instead, and whether an ignore file hid it.

use std::fmt;

use galley_image::{Tree, TreePath};
use galley_syntax::suggest;

use super::Source;
use super::select::fixed_part;

/// What keeps an existing path out of the build context.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HiddenBy {
    /// A line of an ignore file.
    Line {
        /// The file's name: `.dockerignore`, `app.Dockerfile.dockerignore`.
        file: String,
        /// The line, from 1.
        line: u32,
        /// The pattern in that line.
        pattern: String,
    },
    /// It is a socket, which no image can hold.
    Socket,
}

/// A source word that nothing matches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NothingFound {
    /// The source word.
    pub pattern: String,
    /// Where it was looked up: ``the build context``, ``stage `builder` ``.
    pub searched: String,
    /// Paths that are there and look alike, nearest first; at most three.
    pub nearest: Vec<String>,
    /// The link at that path and what it points to, where there is one that leads nowhere.
    pub dangling: Option<(String, String)>,
    /// Set where the path exists and something keeps it out.
    pub hidden_by: Option<HiddenBy>,
}

impl NothingFound {
    /// Looks around in `source` for what `pattern` may have meant.
    #[must_use]
    pub fn new(source: &Source<'_>, pattern: &str) -> Self {
        let path = TreePath::clean(pattern.as_bytes()).unwrap_or_default();
        let link = source.tree.get(&path).and_then(|node| node.entry.symlink_target());
        Self {
            pattern: pattern.to_owned(),
            searched: source.name.to_owned(),
            nearest: nearest(source.tree, &path),
            dangling: link.map(|target| (path.display(), String::from_utf8_lossy(target).into_owned())),
            hidden_by: source.hidden.and_then(|hidden| hidden(&fixed_part(&path))),
        }
    }

    /// Whether the source word has more `..` than there is above it.
    fn leaves(&self) -> bool {
        let mut depth = 0_i64;
        self.pattern.split('/').any(|component| {
            depth += match component {
                "" | "." => 0,
                ".." => -1,
                _ => 1,
            };
            depth < 0
        })
    }

    /// What to do about it, in one or two sentences; empty where nothing is known.
    #[must_use]
    pub fn help(&self) -> String {
        match &self.hidden_by {
            Some(HiddenBy::Line { file, line, pattern }) => {
                return format!(
                    "the file is there, but line {line} of {file} (`{pattern}`) keeps it out: remove that line, or add `!{}` below it",
                    self.pattern.trim_start_matches("./").trim_start_matches('/')
                );
            }
            Some(HiddenBy::Socket) => return "it is a socket, which no image can hold".to_owned(),
            None => {}
        }
        if let Some((link, target)) = &self.dangling {
            return format!(
                "{link} is a symbolic link to `{target}`, which does not exist in {}",
                self.searched
            );
        }
        let meant = match self.nearest.as_slice() {
            [] => String::new(),
            [one] => format!("did you mean `{one}`?"),
            [first @ .., last] => format!("did you mean `{}` or `{last}`?", first.join("`, `")),
        };
        match (self.leaves(), meant.is_empty()) {
            (false, _) => meant,
            (true, true) => format!("`..` does not lead out of {}", self.searched),
            (true, false) => format!("`..` does not lead out of {}; {meant}", self.searched),
        }
    }
}

impl fmt::Display for NothingFound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` matches nothing in {}", self.pattern, self.searched)?;
        match self.help() {
            help if help.is_empty() => Ok(()),
            help => write!(f, "; {help}"),
        }
    }
}

impl std::error::Error for NothingFound {}

/// How many names are offered.
const OFFERED: usize = 3;

/// Entries of the same name elsewhere, and entries of a similar name in the deepest directory of `path` that exists.
fn nearest(tree: &Tree, path: &TreePath) -> Vec<String> {
    let Some(name) = path.name() else { return Vec::new() };
    let elsewhere =
        tree.iter().filter(|(other, _)| other.name() == Some(name)).map(|(other, _)| shown(other));
    let mut found: Vec<String> = elsewhere.take(OFFERED).collect();
    found.sort_by_key(String::len);
    let Some(directory) =
        path.ancestors().filter(|above| tree.get(above).is_some_and(|node| node.entry.is_directory())).last()
    else {
        return found;
    };
    let missing = path.below(&directory).and_then(|rest| rest.split(|byte| *byte == b'/').next());
    let missing = String::from_utf8_lossy(missing.unwrap_or_default()).into_owned();
    // Of a name of one letter, every other such name would be near.
    let length = missing.chars().count();
    let limit = (length / 3).max(1).min(length.saturating_sub(1));
    let mut similar: Vec<(usize, String)> = tree
        .children(&directory)
        .map(|(name, _)| (distance(&missing, &String::from_utf8_lossy(name)), shown(&directory.join(name))))
        .filter(|(distance, _)| *distance <= limit)
        .collect();
    similar.sort();
    found.extend(similar.into_iter().map(|(_, path)| path));
    found.dedup();
    found.truncate(OFFERED);
    found
}

/// The edit distance, where a name that only adds an ending (`app` for `app.js`) or drops one counts as near.
fn distance(missing: &str, name: &str) -> usize {
    let stem = |name: &str| name.split('.').next().unwrap_or_default().to_owned();
    if !stem(missing).is_empty() && stem(missing).eq_ignore_ascii_case(&stem(name)) {
        return 1;
    }
    suggest::distance(missing, name)
}

fn shown(path: &TreePath) -> String {
    String::from_utf8_lossy(path.as_bytes()).into_owned()
}
