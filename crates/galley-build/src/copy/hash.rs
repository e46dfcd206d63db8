//! What a step can see of a selection, as one digest, and the reading that this takes.

use std::collections::HashMap;

use galley_image::tree_digest::Unhashed;
use galley_image::{ContentDigest, Kind, LinkGroup, TreeDigest, TreeHasher, TreePath};

use super::source::{ReadError, SourceBytes};
use super::{Selected, Selection, Shape};

/// Fills in the content digests that `selection` lacks; of files that are hard-linked together one is read.
///
/// # Errors
/// [`ReadError`]: a file that cannot be read, or that changed since its tree was made.
pub fn hash_missing(selection: &mut Selection<'_>, bytes: &SourceBytes<'_>) -> Result<(), ReadError> {
    let is_missing = |entry: &Selected<'_>| entry.digest.is_none() && entry.node.entry.file().is_some();
    let mut wanted: Vec<Selected<'_>> = Vec::new();
    let mut linked: HashMap<(u32, LinkGroup), usize> = HashMap::new();
    for entry in selection.groups.iter().flat_map(|group| &group.entries).filter(|entry| is_missing(entry)) {
        if group_of(entry).is_none_or(|group| linked.insert(group, wanted.len()).is_none()) {
            wanted.push(entry.clone());
        }
    }
    if wanted.is_empty() {
        return Ok(());
    }
    let digests = bytes.digests(&wanted)?;
    let by_path: HashMap<&TreePath, ContentDigest> =
        wanted.iter().zip(&digests).map(|(entry, digest)| (entry.path, *digest)).collect();
    let by_group: HashMap<(u32, LinkGroup), ContentDigest> =
        wanted.iter().zip(&digests).filter_map(|(entry, digest)| Some((group_of(entry)?, *digest))).collect();
    for entry in
        selection.groups.iter_mut().flat_map(|group| &mut group.entries).filter(|entry| is_missing(entry))
    {
        let by_group = || by_group.get(&group_of(entry)?);
        entry.digest = by_path.get(entry.path).or_else(by_group).copied();
    }
    Ok(())
}

/// The digest of everything that a copy of `selection` can show: names from the destination on, and all that
/// [`TreeHasher`] counts.
///
/// # Errors
/// [`Unhashed`] where [`hash_missing`] has not run before.
pub fn digest(selection: &Selection<'_>) -> Result<TreeDigest, Unhashed> {
    let mut hasher = TreeHasher::new();
    for group in &selection.groups {
        match &group.shape {
            Shape::File { name } => hasher.note(name),
            Shape::Content => hasher.note(b""),
        }
        for entry in &group.entries {
            let known = entry.node.entry.file().map(|file| file.digest);
            if known.is_none_or(|known| known == entry.digest) {
                hasher.add(entry.below, &entry.node.entry, entry.node.origin)?;
                continue;
            }
            let mut hashed = entry.node.entry.clone();
            if let Kind::File(file) = &mut hashed.kind {
                file.digest = entry.digest;
            }
            hasher.add(entry.below, &hashed, entry.node.origin)?;
        }
    }
    Ok(hasher.finish())
}

fn group_of(entry: &Selected<'_>) -> Option<(u32, LinkGroup)> {
    Some((entry.node.origin, entry.node.entry.file()?.link_group?))
}
