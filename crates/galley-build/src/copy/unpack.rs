//! Unpacks an archive that ADD brings in, into a directory of the destination.
//!
//! As docker unpacks: owners, modes and times are the archive's (`--chown` replaces the owners, `--chmod` does not reach
//! inside), an entry replaces what is there, directories merge, links on the way are followed inside the tree, and names
//! that leave the destination with `..` are refused. Files that the same instruction copies win over the archive's.

use std::collections::HashSet;
use std::io::{self, Read};

use galley_image::layer_tar::{self, LayerSink, Whiteouts, has_whiteout_name};
use galley_image::{Entry, Tree, TreePath};
use galley_store::{LayerWriter, StoreError};

use super::place::{Action, PlaceError, PlaceOptions, Put};
use super::placement::Placement;

/// Why an archive cannot be unpacked.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// Its bytes are damaged, or cannot be read.
    #[error("it is damaged: {0}")]
    Damaged(#[source] io::Error),
    /// Its structure is none that galley takes in.
    #[error(transparent)]
    Archive(layer_tar::ArchiveError),
    /// An entry cannot land where it should.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// An entry's name means a deletion in a layer.
    #[error("it holds {0:?}: names that begin with `.wh.` mean deletions in layers and cannot be stored")]
    WhiteoutName(TreePath),
    /// A hard link to something that is not there.
    #[error("it holds {path:?} as a hard link to {target:?}, which it does not hold")]
    HardLink {
        /// The link.
        path: TreePath,
        /// What it should link to.
        target: TreePath,
    },
    /// The layer cannot be written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Unpacks the tar in `reader` into the directory `root` of the layer that `writer` makes, in which `actions` are done.
pub(super) fn unpack(
    writer: &mut LayerWriter,
    dest_tree: &Tree,
    actions: &[Action<'_>],
    root: &TreePath,
    options: &PlaceOptions<'_>,
    reader: &mut dyn Read,
) -> Result<(), UnpackError> {
    let fixed = actions.iter().filter(|action| !action.put.entry().is_directory());
    let mut sink = Unpacking {
        writer,
        placement: Placement::after(dest_tree, options, actions),
        fixed: fixed.map(|action| &action.path).collect(),
        root,
        options,
    };
    match layer_tar::read(reader, Whiteouts::Literal, &mut sink) {
        Ok(_) => Ok(()),
        Err(layer_tar::ReadError::Sink(error)) => Err(error),
        Err(layer_tar::ReadError::Archive(error)) => Err(UnpackError::Archive(error)),
    }
}

struct Unpacking<'a, 't, 'o> {
    writer: &'a mut LayerWriter,
    placement: Placement<'t, 'o>,
    /// What the instruction itself put there, directories aside.
    fixed: HashSet<&'a TreePath>,
    root: &'a TreePath,
    options: &'o PlaceOptions<'o>,
}

impl Unpacking<'_, '_, '_> {
    /// Where an archive's `path` lands; links above it are followed.
    fn landing(&self, path: &TreePath) -> Result<TreePath, UnpackError> {
        if has_whiteout_name(path) {
            return Err(UnpackError::WhiteoutName(path.clone()));
        }
        let parent = self.root.join(path.parent().unwrap_or_default().as_bytes());
        Ok(self.placement.resolve(parent.as_bytes())?.join(path.name().unwrap_or_default()))
    }

    /// Makes the missing directories above `landing`, as COPY would.
    fn lead_to(&mut self, landing: &TreePath) -> Result<(), UnpackError> {
        for directory in self.placement.make_directories(&landing.parent().unwrap_or_default())? {
            if let Some(entry) = self.placement.entry(&directory) {
                self.writer.put_directory(&directory, entry)?;
            }
        }
        Ok(())
    }
}

impl LayerSink for Unpacking<'_, '_, '_> {
    type Error = UnpackError;

    fn put(&mut self, path: TreePath, mut entry: Entry, content: &mut dyn Read) -> Result<(), UnpackError> {
        // The archive's own root does not change the directory that it is unpacked into.
        if path.is_root() {
            return Ok(());
        }
        let landing = self.landing(&path)?;
        if self.fixed.contains(&landing) {
            return Ok(());
        }
        self.lead_to(&landing)?;
        if let Some((uid, gid)) = self.options.chown {
            (entry.uid, entry.gid) = (uid, gid);
        }
        if entry.is_directory() {
            self.writer.put_directory(&landing, &entry)?;
        } else if entry.file().is_some() {
            self.writer.put_file(&landing, &entry, content)?;
        } else {
            self.writer.put_special(&landing, &entry)?;
        }
        self.placement.replace(landing, Put::Entry(entry));
        Ok(())
    }

    fn hard_link(&mut self, path: TreePath, target: TreePath) -> Result<(), UnpackError> {
        let (landing, original) = (self.landing(&path)?, self.landing(&target)?);
        if self.fixed.contains(&landing) {
            return Ok(());
        }
        let Some(entry) = self.placement.entry(&original).filter(|entry| !entry.is_directory()).cloned()
        else {
            return Err(UnpackError::HardLink { path, target });
        };
        self.lead_to(&landing)?;
        self.writer.put_hardlink(&landing, &original)?;
        self.placement.replace(landing, Put::Entry(entry));
        Ok(())
    }

    // Whiteouts::Literal gives neither of these.
    fn whiteout(&mut self, path: TreePath) -> Result<(), UnpackError> {
        Err(UnpackError::WhiteoutName(path))
    }

    fn opaque(&mut self, path: TreePath) -> Result<(), UnpackError> {
        Err(UnpackError::WhiteoutName(path))
    }
}
