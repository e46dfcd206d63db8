//! COPY and ADD, planned on values before a byte moves: [`select`] finds what a source word means in a tree, [`digest`]
//! says what the step can see of it, [`place`] says where each entry lands in the destination, and [`fill`] does it.
//!
//! The rules are those of BuildKit's file operations: the Dockerfile reference, "COPY" and "ADD", and, where that is
//! silent, what builds rely on.

mod archive;
mod exclude;
mod fill;
mod hash;
mod nearest;
mod parents;
mod place;
mod placement;
mod select;
mod source;
mod unpack;

pub use archive::{ArchiveError, find_archives, is_tar_header};
pub use fill::{FillError, Previous, fill};
pub use hash::{digest, hash_missing};
pub use nearest::{HiddenBy, NothingFound};
pub use place::{Action, FileFrom, PlaceError, PlaceOptions, Put, place, place_directory};
pub use select::{SelectError, select, selector};
pub use source::{ReadError, SourceBytes, inline_tree};
pub use unpack::UnpackError;

use galley_image::tree_digest::Unhashed;
use galley_image::{ContentDigest, Node, Tree, TreePath};
use galley_store::Compression;

/// Why files cannot be copied.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// A source word selects nothing that can be copied.
    #[error(transparent)]
    Select(#[from] SelectError),
    /// A source cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A selection has not been hashed.
    #[error(transparent)]
    Unhashed(#[from] Unhashed),
    /// An archive cannot be recognised.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// The selection does not fit the destination.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// The layer cannot be written.
    #[error(transparent)]
    Fill(#[from] FillError),
}

/// Says which line of an ignore file keeps a path out of a context.
pub type Hidden<'h> = dyn Fn(&TreePath) -> Option<HiddenBy> + Sync + 'h;

/// Where a source word of COPY or ADD is looked up.
#[derive(Clone, Copy)]
pub struct Source<'t> {
    /// The files.
    pub tree: &'t Tree,
    /// How messages name it: ``the build context``, ``stage `builder` ``.
    pub name: &'t str,
    /// Whether it is a build context, whose named pipes and devices cannot be copied.
    pub is_context: bool,
    /// Which line of an ignore file keeps a path out of the tree; `None` where nothing is ever kept out.
    pub hidden: Option<&'t Hidden<'t>>,
}

/// The flags of COPY and ADD that decide what is selected.
#[derive(Clone, Copy, Debug, Default)]
pub struct SelectOptions<'o> {
    /// `--parents`.
    pub parents: bool,
    /// `--exclude`, patterns as in `.dockerignore`, relative to the source directory (to the pivot with `--parents`).
    pub exclude: &'o [String],
}

/// What one source word selects.
#[derive(Clone, Debug)]
pub struct Selection<'t> {
    /// One group for each path that the word matches, in path order.
    pub groups: Vec<Group<'t>>,
    /// Set where a wildcard matched nothing. Docker copies nothing then and goes on; the user should hear of it.
    pub missed: Option<NothingFound>,
}

/// One matched path of a source word, and everything that is copied for it.
#[derive(Clone, Debug)]
pub struct Group<'t> {
    /// How it lands.
    pub shape: Shape,
    /// What is copied, depth first, parents before children. The directory whose content this is is not among them.
    pub entries: Vec<Selected<'t>>,
    /// Set by [`find_archives`]: the one entry is an archive whose content lands in place of it.
    pub archive: Option<Compression>,
}

/// How a matched path lands at the destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shape {
    /// One thing that is not a directory. It keeps this name when the destination is a directory.
    File {
        /// The last component of the path that matched, before links were followed.
        name: Box<[u8]>,
    },
    /// The content of a directory, which lands in the destination itself.
    Content,
}

/// One entry that is copied.
#[derive(Clone, Debug)]
pub struct Selected<'t> {
    /// Where it is in the source's tree.
    pub path: &'t TreePath,
    /// Where it lands, relative to the destination; empty for [`Shape::File`].
    pub below: &'t [u8],
    /// The entry, with the layer that holds its bytes.
    pub node: &'t Node,
    /// A regular file's content digest, once it is known.
    pub digest: Option<ContentDigest>,
    /// A directory that is here only because something below it was selected. It is made where it is missing; one that
    /// exists keeps its mode and owner.
    pub leads: bool,
}

impl Selection<'_> {
    /// Whether nothing at all is copied.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.groups.iter().all(|group| group.entries.is_empty())
    }

    /// How many entries are copied.
    #[must_use]
    pub fn len(&self) -> usize {
        self.groups.iter().map(|group| group.entries.len()).sum()
    }
}
