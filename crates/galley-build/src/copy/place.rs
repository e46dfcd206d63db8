//! Where each selected entry lands: the plan of a layer, made from the merged tree of the destination alone.
//!
//! - A destination that ends in `/`, or is a directory, takes files under their own names; else a file takes the
//!   destination as its name. A directory's content always goes into the destination.
//! - Links on the way to the destination, and the destination itself, are followed inside the tree. Links found deeper, in
//!   the way of a copied directory, are an error, as in BuildKit; in the way of a file they are replaced.
//! - Missing directories are made 0755, owned by `--chown` or root. A copied directory gives its mode and owner also to an
//!   existing one below the destination; the destination itself keeps what it has.

use std::collections::HashMap;

use galley_image::tree::ResolveError;
use galley_image::{ContentDigest, Entry, Kind, LinkGroup, Mtime, Tree, TreePath};
use galley_store::Compression;
use galley_syntax::mode::Mode;

use super::placement::{Placement, as_copied};
use super::{Group, Selected, Selection, Shape};

/// What COPY and ADD say about the destination.
#[derive(Clone, Copy, Debug)]
pub struct PlaceOptions<'o> {
    /// Owner of everything copied and made; `None` keeps the sources' owners, and makes directories for root.
    pub chown: Option<(u32, u32)>,
    /// `--chmod`, for files and copied directories.
    pub chmod: Option<&'o Mode>,
    /// The time of directories that are made.
    pub created: Mtime,
}

/// One entry of the layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Action<'t> {
    /// Where.
    pub path: TreePath,
    /// What.
    pub put: Put<'t>,
}

/// What an [`Action`] puts there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Put<'t> {
    /// A directory, link, device or pipe: everything that has no bytes.
    Entry(Entry),
    /// A regular file.
    File {
        /// Its metadata. Link groups are renumbered: equal numbers are one file of this layer.
        entry: Entry,
        /// Where its bytes are.
        from: FileFrom<'t>,
    },
    /// The content of an archive is unpacked into the directory, which exists or is planned before.
    Archive {
        /// The directory, as it is without the archive.
        entry: Entry,
        /// Archives for this directory, in order.
        archives: Vec<(FileFrom<'t>, Compression)>,
    },
}

/// Where a file's bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileFrom<'t> {
    /// Index into the selections that were placed.
    pub selection: usize,
    /// Path in that selection's tree.
    pub path: &'t TreePath,
    /// The layer that holds the bytes, counted from the lowest.
    pub origin: u32,
    /// The content digest that was counted in the selection's tree digest.
    pub digest: Option<ContentDigest>,
}

impl Put<'_> {
    /// The entry that is there afterwards.
    #[must_use]
    pub fn entry(&self) -> &Entry {
        match self {
            Self::Entry(entry) | Self::File { entry, .. } | Self::Archive { entry, .. } => entry,
        }
    }
}

/// Why a selection cannot land where it should.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlaceError {
    /// The way there leads in a circle of links, or through a file.
    #[error("the destination cannot be reached: {0}")]
    Unreachable(ResolveError),
    /// A directory would replace something else.
    #[error("cannot copy a directory onto {path:?}, which {}", match link {
        Some(target) => format!("is a symbolic link to `{target}` there: copy into `{target}` instead"),
        None => "is not a directory there".to_owned(),
    })]
    DirectoryOntoFile {
        /// Where.
        path: TreePath,
        /// The target of the link that is there.
        link: Option<String>,
    },
    /// A file would replace a directory.
    #[error("cannot copy a file onto {path:?}, which is a directory there")]
    FileOntoDirectory {
        /// Where.
        path: TreePath,
    },
    /// Several files and one name.
    #[error(
        "{count} files cannot all become {path:?}: end the destination with `/` to copy them into a directory"
    )]
    SeveralFiles {
        /// The destination.
        path: TreePath,
        /// How many files.
        count: usize,
    },
}

/// The entries that a layer on `dest_tree` needs so that `selections` are copied to `dest` (absolute; a trailing `/` means
/// a directory). In path order. Existing directories on the way are not among them: the store's writer repeats those in
/// the layer as they are.
///
/// # Errors
/// [`PlaceError`].
pub fn place<'t>(
    dest_tree: &'t Tree,
    selections: &[Selection<'t>],
    dest: &str,
    options: &PlaceOptions<'_>,
) -> Result<Vec<Action<'t>>, PlaceError> {
    let mut copy = Copy {
        placement: Placement::new(dest_tree, options),
        options,
        dest: dest.as_bytes(),
        into_directory: dest.ends_with('/') || dest.ends_with("/."),
        links: HashMap::new(),
    };
    copy.refuse_several(selections)?;
    for (index, selection) in selections.iter().enumerate() {
        for group in
            selection.groups.iter().filter(|group| !group.entries.is_empty() || group.shape == Shape::Content)
        {
            copy.group(index, group)?;
        }
    }
    let mut actions = copy.placement.finish();
    drop_lone_links(&mut actions);
    Ok(actions)
}

/// The entries that a layer on `dest_tree` needs so that the directory `path` exists (WORKDIR); none where it does.
///
/// # Errors
/// [`PlaceError::Unreachable`].
pub fn place_directory<'t>(
    dest_tree: &'t Tree,
    path: &str,
    options: &PlaceOptions<'_>,
) -> Result<Vec<Action<'t>>, PlaceError> {
    let mut placement = Placement::new(dest_tree, options);
    let path = placement.resolve(path.as_bytes())?;
    placement.make_directories(&path)?;
    Ok(placement.finish())
}

struct Copy<'t, 'o> {
    placement: Placement<'t, 'o>,
    options: &'o PlaceOptions<'o>,
    dest: &'o [u8],
    into_directory: bool,
    /// Hard links: the number in this layer of each file that is linked in its source.
    links: HashMap<(usize, u32, LinkGroup), LinkGroup>,
}

impl<'t> Copy<'t, '_> {
    fn refuse_several(&self, selections: &[Selection<'t>]) -> Result<(), PlaceError> {
        let is_file =
            |group: &&Group<'_>| matches!(group.shape, Shape::File { .. }) && group.archive.is_none();
        let count = selections.iter().flat_map(|selection| &selection.groups).filter(is_file).count();
        let path = self.placement.resolve(self.dest)?;
        if count > 1 && !self.into_directory && !self.placement.is_directory(&path) {
            return Err(PlaceError::SeveralFiles { path, count });
        }
        Ok(())
    }

    fn group(&mut self, selection: usize, group: &Group<'t>) -> Result<(), PlaceError> {
        let dest = self.placement.resolve(self.dest)?;
        match (&group.shape, group.archive) {
            (Shape::Content, _) => {
                self.destination(&dest)?;
                group.entries.iter().try_for_each(|entry| self.entry(selection, &dest, entry))
            }
            (Shape::File { .. }, Some(compression)) => {
                self.destination(&dest)?;
                for entry in &group.entries {
                    self.archive(&dest, from(selection, entry), compression);
                }
                Ok(())
            }
            (Shape::File { name }, None) => {
                if self.into_directory {
                    self.destination(&dest)?;
                }
                let path = if self.placement.is_directory(&dest) { dest.join(name) } else { dest };
                self.placement.make_directories(&path.parent().unwrap_or_default())?;
                group.entries.iter().try_for_each(|entry| self.leaf(selection, path.clone(), entry))
            }
        }
    }

    /// Makes the directory that content goes into.
    fn destination(&mut self, dest: &TreePath) -> Result<(), PlaceError> {
        match self.placement.entry(dest) {
            Some(there) if !there.is_directory() => {
                Err(PlaceError::DirectoryOntoFile { path: dest.clone(), link: None })
            }
            _ => self.placement.make_directories(dest).map(|_| ()),
        }
    }

    fn entry(&mut self, selection: usize, dest: &TreePath, entry: &Selected<'t>) -> Result<(), PlaceError> {
        let path = dest.join(entry.below);
        if !entry.node.entry.is_directory() {
            return self.leaf(selection, path, entry);
        }
        if entry.leads && self.placement.is_directory(&path) {
            return Ok(());
        }
        self.placement.directory(path, as_copied(&entry.node.entry, self.options))
    }

    fn leaf(&mut self, selection: usize, path: TreePath, entry: &Selected<'t>) -> Result<(), PlaceError> {
        let mut copied = as_copied(&entry.node.entry, self.options);
        let Kind::File(content) = &mut copied.kind else {
            return self.placement.leaf(path, Put::Entry(copied));
        };
        content.digest = entry.digest;
        let next = LinkGroup(u32::try_from(self.links.len()).unwrap_or(u32::MAX));
        content.link_group = content
            .link_group
            .map(|group| *self.links.entry((selection, entry.node.origin, group)).or_insert(next));
        self.placement.leaf(path, Put::File { entry: copied, from: from(selection, entry) })
    }

    fn archive(&mut self, dest: &TreePath, from: FileFrom<'t>, compression: Compression) {
        let Some(entry) = self.placement.entry(dest).cloned() else { return };
        let mut archives = self.placement.archives(dest);
        archives.push((from, compression));
        self.placement.replace(dest.clone(), Put::Archive { entry, archives });
    }
}

fn from<'t>(selection: usize, entry: &Selected<'t>) -> FileFrom<'t> {
    FileFrom { selection, path: entry.path, origin: entry.node.origin, digest: entry.digest }
}

/// A link group with one member left is an ordinary file.
fn drop_lone_links(actions: &mut [Action<'_>]) {
    let mut members: HashMap<LinkGroup, usize> = HashMap::new();
    let group = |action: &Action<'_>| action.put.entry().file()?.link_group;
    for group in actions.iter().filter_map(group) {
        *members.entry(group).or_default() += 1;
    }
    for action in actions {
        let Put::File { entry, .. } = &mut action.put else { continue };
        let Kind::File(content) = &mut entry.kind else { continue };
        content.link_group =
            content.link_group.filter(|group| members.get(group).is_some_and(|count| *count > 1));
    }
}
