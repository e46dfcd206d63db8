//! From a source word to the entries that it selects.
//!
//! Wildcards are Go's `filepath.Match`, one path component at a time. A source that is a symbolic link is followed, also
//! its last component; links inside a copied directory are copied as links (Dockerfile reference, "COPY", and BuildKit's
//! `FollowSymlinks`). A directory stands for its content.

use galley_image::tree::ResolveError;
use galley_image::{Kind, Node, Tree, TreePath};
use galley_syntax::glob::Glob;

use super::exclude::Exclude;
use super::nearest::NothingFound;
use super::{Group, SelectOptions, Selected, Selection, Shape, Source};

/// Why a source word cannot be copied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SelectError {
    /// Nothing is there.
    #[error(transparent)]
    NothingFound(Box<NothingFound>),
    /// The source word or an `--exclude` is not a pattern.
    #[error("`{pattern}` is not a valid pattern: {reason}")]
    BadPattern {
        /// The pattern as written.
        pattern: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The way to the source leads in a circle of links, or through a file.
    #[error("`{pattern}` in {searched}: {source}")]
    Unreachable {
        /// The source word.
        pattern: String,
        /// Where it was looked up.
        searched: String,
        /// What is in the way.
        source: ResolveError,
    },
    /// A named pipe or device of a build context.
    #[error(
        "{path:?} in {searched} is a {kind}, which cannot be copied: list it in .dockerignore or use --exclude"
    )]
    Special {
        /// The file.
        path: TreePath,
        /// Where it was found.
        searched: String,
        /// What it is.
        kind: &'static str,
    },
    /// A name that means a deletion in a layer (OCI image-spec, layer.md, "Whiteouts").
    #[error(
        "{path:?} in {searched} cannot be put into an image: names that begin with `.wh.` mean deletions in layers; rename it, list it in .dockerignore or use --exclude"
    )]
    WhiteoutName {
        /// The file.
        path: TreePath,
        /// Where it was found.
        searched: String,
    },
}

/// What `pattern`, one source word of COPY or ADD, selects in `source`.
///
/// # Errors
/// [`SelectError`]. A wildcard that matches nothing in a directory that is there is no error; see [`Selection::missed`].
pub fn select<'t>(
    source: &Source<'t>,
    pattern: &str,
    options: &SelectOptions<'_>,
) -> Result<Selection<'t>, SelectError> {
    let exclude = Exclude::new(options.exclude)?;
    let mut selection =
        if options.parents { super::parents::select(source, pattern)? } else { matched(source, pattern)? };
    for group in &mut selection.groups {
        exclude.apply(group);
    }
    if !options.exclude.is_empty() {
        selection.groups.retain(|group| group.shape == Shape::Content || !group.entries.is_empty());
    }
    selection.groups.iter().flat_map(|group| &group.entries).try_for_each(|entry| allowed(source, entry))?;
    Ok(selection)
}

/// A name for what `pattern` and `options` select, whatever the tree: the key under which a tree digest is kept.
#[must_use]
pub fn selector(pattern: &str, options: &SelectOptions<'_>) -> [u8; 32] {
    let mut hash = blake3::Hasher::new_derive_key("galley copy selector 1");
    hash.update(&[u8::from(options.parents)]);
    for word in std::iter::once(pattern).chain(options.exclude.iter().map(String::as_str)) {
        hash.update(&(word.len() as u64).to_le_bytes()).update(word.as_bytes());
    }
    *hash.finalize().as_bytes()
}

fn matched<'t>(source: &Source<'t>, pattern: &str) -> Result<Selection<'t>, SelectError> {
    let paths = expand(source, pattern)?;
    let mut groups = Vec::with_capacity(paths.len());
    for path in &paths {
        groups.push(group(source, pattern, path)?);
    }
    let missed = groups.is_empty().then(|| NothingFound::new(source, pattern));
    match missed {
        // The directory before the first wildcard has to be there.
        Some(missed) if !fixed_part_exists(source, pattern)? => {
            Err(SelectError::NothingFound(Box::new(missed)))
        }
        missed => Ok(Selection { groups, missed }),
    }
}

/// Whether that exists which `pattern` names before its first wildcard.
fn fixed_part_exists(source: &Source<'_>, pattern: &str) -> Result<bool, SelectError> {
    let fixed = resolve(source, pattern, fixed_part(&clean(pattern, pattern)?).as_bytes())?;
    Ok(fixed.is_root() || source.tree.get(&fixed).is_some())
}

/// The components of `path` before the first one with a wildcard.
pub(super) fn fixed_part(path: &TreePath) -> TreePath {
    let components = path.components().take_while(|component| !has_wildcard(component));
    components.fold(TreePath::root(), |fixed, component| fixed.join(component))
}

/// The paths that `pattern` matches: itself where it has no wildcard, whether it exists or not.
pub(super) fn expand(source: &Source<'_>, pattern: &str) -> Result<Vec<TreePath>, SelectError> {
    let clean = clean(pattern, pattern)?;
    let components: Vec<&[u8]> = clean.components().collect();
    let Some(first) = components.iter().position(|component| has_wildcard(component)) else {
        return Ok(vec![clean]);
    };
    let (fixed, wild) = components.split_at(first);
    let base = resolve(source, pattern, &fixed.join(&b'/'))?;
    let globs = wild.iter().map(|component| Glob::new(&String::from_utf8_lossy(component)));
    let globs: Vec<Glob> = globs.collect::<Result<_, _>>().map_err(|error| SelectError::BadPattern {
        pattern: pattern.to_owned(),
        reason: error.to_string(),
    })?;
    let mut found = Vec::new();
    descend(source.tree, &base, &globs, &mut found);
    Ok(found)
}

/// `part` of the source word `pattern` as a path: a leading `/`, `.` and `..` mean the source's root at most.
pub(super) fn clean(part: &str, pattern: &str) -> Result<TreePath, SelectError> {
    TreePath::clean(part.as_bytes())
        .map_err(|error| SelectError::BadPattern { pattern: pattern.to_owned(), reason: error.to_string() })
}

/// Whether Go's `filepath.Match` would treat `component` as more than a name.
pub(super) fn has_wildcard(component: &[u8]) -> bool {
    let mut bytes = component.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'*' | b'?' | b'[' => return true,
            b'\\' => {
                bytes.next();
            }
            _ => {}
        }
    }
    false
}

fn descend(tree: &Tree, base: &TreePath, wild: &[Glob], found: &mut Vec<TreePath>) {
    let Some((component, rest)) = wild.split_first() else {
        found.push(base.clone());
        return;
    };
    for (name, node) in tree.children(base) {
        if component.matches(name) && (rest.is_empty() || node.entry.is_directory()) {
            descend(tree, &base.join(name), rest, found);
        }
    }
}

fn group<'t>(source: &Source<'t>, pattern: &str, path: &TreePath) -> Result<Group<'t>, SelectError> {
    let resolved = resolve(source, pattern, path.as_bytes())?;
    let subtree = source.tree.subtree(&resolved);
    let Some(((first, node), content)) = subtree.split_first().filter(|((first, _), _)| *first == resolved)
    else {
        return Err(SelectError::NothingFound(Box::new(NothingFound::new(source, pattern))));
    };
    if node.entry.is_directory() {
        let entries =
            content.iter().filter_map(|(path, node)| selected(path, path.below(first)?, node)).collect();
        return Ok(Group { shape: Shape::Content, entries, archive: None });
    }
    let name = path.name().or(first.name()).unwrap_or_default().into();
    let entries = selected(first, &[], node).into_iter().collect();
    Ok(Group { shape: Shape::File { name }, entries, archive: None })
}

pub(super) fn selected<'t>(path: &'t TreePath, below: &'t [u8], node: &'t Node) -> Option<Selected<'t>> {
    let digest = node.entry.file().and_then(|file| file.digest);
    Some(Selected { path, below, node, digest, leads: false })
}

pub(super) fn resolve(source: &Source<'_>, pattern: &str, path: &[u8]) -> Result<TreePath, SelectError> {
    source.tree.resolve(path, true).map_err(|error| SelectError::Unreachable {
        pattern: pattern.to_owned(),
        searched: source.name.to_owned(),
        source: error,
    })
}

fn allowed(source: &Source<'_>, entry: &Selected<'_>) -> Result<(), SelectError> {
    let (path, searched) = (|| entry.path.clone(), || source.name.to_owned());
    if entry.path.name().is_some_and(|name| name.starts_with(b".wh.")) {
        return Err(SelectError::WhiteoutName { path: path(), searched: searched() });
    }
    let kind = match &entry.node.entry.kind {
        Kind::CharDevice { .. } | Kind::BlockDevice { .. } if source.is_context => "device",
        Kind::Fifo if source.is_context => "named pipe",
        _ => return Ok(()),
    };
    Err(SelectError::Special { path: path(), searched: searched(), kind })
}
