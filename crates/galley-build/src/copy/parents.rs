//! `--parents`: the source's directories are kept, from the root or from the pivot `/./` on (Dockerfile reference,
//! "COPY --parents"). Wildcards know `**` here, and links on the way are not followed.

use galley_image::TreePath;

use super::exclude::Matcher;
use super::nearest::NothingFound;
use super::select::{SelectError, clean, expand, has_wildcard, resolve, selected};
use super::{Group, Selection, Shape, Source};

pub(super) fn select<'t>(source: &Source<'t>, pattern: &str) -> Result<Selection<'t>, SelectError> {
    let (root, wanted) = pattern.split_once("/./").unwrap_or(("/", pattern));
    let wanted = clean(wanted, pattern)?;
    let matcher = Matcher::new(&wanted, pattern)?;
    let mut groups = Vec::new();
    for root in expand(source, root)? {
        let root = resolve(source, pattern, root.as_bytes())?;
        groups.push(below(source, &root, &matcher));
    }
    let found = groups.iter().any(|group| !group.entries.is_empty());
    let missed = (!found && !wanted.is_root()).then(|| NothingFound::new(source, pattern));
    match missed {
        Some(missed) if !pattern.split('/').any(|component| has_wildcard(component.as_bytes())) => {
            Err(SelectError::NothingFound(Box::new(missed)))
        }
        missed => Ok(Selection { groups, missed }),
    }
}

/// Everything below `root` that matches, with the directories that lead there.
fn below<'t>(source: &Source<'t>, root: &TreePath, matcher: &Matcher) -> Group<'t> {
    let mut entries = Vec::new();
    // Directories above the entry at hand that have not matched themselves, outermost first.
    let mut leading = Vec::new();
    let mut whole: Option<&TreePath> = None;
    for (path, node) in source.tree.subtree(root) {
        let Some(below) = path.below(root).filter(|below| !below.is_empty()) else { continue };
        leading.retain(|(above, ..): &(&TreePath, _, _)| path.below(above).is_some());
        let inside = whole.is_some_and(|whole| path.below(whole).is_some());
        if inside || matcher.matches(below) {
            if !inside {
                whole = Some(path);
            }
            for (path, below, node) in leading.drain(..) {
                entries.extend(
                    selected(path, below, node).map(|entry| super::Selected { leads: true, ..entry }),
                );
            }
            entries.extend(selected(path, below, node));
        } else if node.entry.is_directory() {
            leading.push((path, below, node));
        }
    }
    Group { shape: Shape::Content, entries, archive: None }
}
