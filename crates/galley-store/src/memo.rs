//! Manifests and merged trees that were read once stay in memory, within bounds.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use galley_image::{Diff, Tree};

use crate::underlay::Underlay;
use crate::{LayerId, SnapshotId};

/// Entries that all manifests, and all trees, may have together. An entry takes some 250 bytes.
const MOST_ENTRIES: usize = 200_000;

/// What was read.
#[derive(Debug, Default)]
pub(crate) struct Memo {
    diffs: Mutex<Bounded<LayerId, Diff>>,
    trees: Mutex<Bounded<SnapshotId, Tree>>,
    underlays: Mutex<HashMap<LayerId, Option<Arc<Underlay>>>>,
}

impl Memo {
    pub(crate) fn diff(&self, layer: LayerId) -> Option<Arc<Diff>> {
        locked(&self.diffs).get(&layer)
    }

    pub(crate) fn put_diff(&self, layer: LayerId, diff: &Arc<Diff>) {
        locked(&self.diffs).put(layer, diff, diff.len());
    }

    pub(crate) fn tree(&self, snapshot: SnapshotId) -> Option<Arc<Tree>> {
        locked(&self.trees).get(&snapshot)
    }

    pub(crate) fn put_tree(&self, snapshot: SnapshotId, tree: &Arc<Tree>) {
        locked(&self.trees).put(snapshot, tree, tree.len());
    }

    /// What a layer lies over, if that is known: it may be nothing.
    #[expect(clippy::option_option, reason = "not known, and known to be nothing")]
    pub(crate) fn underlay(&self, layer: LayerId) -> Option<Option<Arc<Underlay>>> {
        locked(&self.underlays).get(&layer).cloned()
    }

    pub(crate) fn put_underlay(&self, layer: LayerId, underlay: Option<Arc<Underlay>>) {
        locked(&self.underlays).insert(layer, underlay);
    }

    /// A manifest now says more: trees merged from it are out of date.
    pub(crate) fn replace_diff(&self, layer: LayerId, diff: &Arc<Diff>) {
        *locked(&self.trees) = Bounded::default();
        self.put_diff(layer, diff);
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A map that forgets what was put first when it holds too much.
#[derive(Debug)]
struct Bounded<K, V> {
    values: HashMap<K, (Arc<V>, usize)>,
    order: VecDeque<K>,
    entries: usize,
}

impl<K, V> Default for Bounded<K, V> {
    fn default() -> Self {
        Self { values: HashMap::new(), order: VecDeque::new(), entries: 0 }
    }
}

impl<K: Copy + Eq + Hash, V> Bounded<K, V> {
    fn get(&self, key: &K) -> Option<Arc<V>> {
        self.values.get(key).map(|(value, _)| Arc::clone(value))
    }

    fn put(&mut self, key: K, value: &Arc<V>, entries: usize) {
        if let Some((_, before)) = self.values.insert(key, (Arc::clone(value), entries)) {
            self.entries -= before;
        } else {
            self.order.push_back(key);
        }
        self.entries += entries;
        // The newest stays, however large it is.
        while self.entries > MOST_ENTRIES && self.order.len() > 1 {
            let Some(oldest) = self.order.pop_front() else { break };
            if let Some((_, entries)) = self.values.remove(&oldest) {
                self.entries -= entries;
            }
        }
    }
}
