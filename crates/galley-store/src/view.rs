//! Looks a path up in a stack of layers without merging them.

use std::collections::HashSet;
use std::sync::Arc;

use galley_image::{Change, Diff, Entry, Mtime, Tree, TreePath};

use crate::LayerId;

/// The layers of a snapshot, as its overlay shows them.
#[derive(Clone, Debug)]
pub(crate) struct View {
    /// Topmost first. Every manifest of the store lists the directories above its entries, so none is implied.
    layers: Vec<(LayerId, Arc<Diff>)>,
    root: Entry,
}

impl View {
    /// `layers`: topmost first.
    pub(crate) fn new(layers: Vec<(LayerId, Arc<Diff>)>) -> Self {
        let default = || Entry::directory(0o755, Mtime::default());
        let root = layers.iter().find_map(|(_, diff)| match diff.get(&TreePath::root()) {
            Some(Change::Put { entry, .. }) => Some(entry.clone()),
            _ => None,
        });
        Self { layers, root: root.unwrap_or_else(default) }
    }

    /// What is at `path`.
    pub(crate) fn get(&self, path: &TreePath) -> Option<&Entry> {
        self.find(path).map(|(entry, _)| entry)
    }

    /// What is at `path`, and the layer that it comes from; for the root of an empty stack there is no layer.
    pub(crate) fn find(&self, path: &TreePath) -> Option<(&Entry, Option<LayerId>)> {
        if path.is_root() {
            return Some((&self.root, None));
        }
        for (layer, diff) in &self.layers {
            match diff.get(path) {
                Some(Change::Put { entry, .. }) => return Some((entry, Some(*layer))),
                Some(Change::Whiteout) => return None,
                None if hides(diff, path) => return None,
                None => {}
            }
        }
        None
    }

    /// The layers merged. Nodes' origins count from the lowest.
    pub(crate) fn tree(&self) -> Tree {
        self.layers
            .iter()
            .rev()
            .zip(0..)
            .fold(Tree::empty(), |tree, ((_, diff), origin)| tree.apply(diff, origin))
    }

    /// The names of the layers.
    pub(crate) fn layer_ids(&self) -> HashSet<LayerId> {
        self.layers.iter().map(|(layer, _)| *layer).collect()
    }
}

/// Whether what a layer has above `path` keeps lower layers' `path` from showing.
fn hides(diff: &Diff, path: &TreePath) -> bool {
    path.ancestors().any(|above| match diff.get(&above) {
        Some(Change::Put { entry, opaque }) => *opaque || !entry.is_directory(),
        Some(Change::Whiteout) => true,
        None => false,
    })
}
