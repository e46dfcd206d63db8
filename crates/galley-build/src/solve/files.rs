//! Steps that only touch files: COPY and ADD, WORKDIR, and the stacking of a linked copy.

use galley_image::{Change, Diff, Entry, Mtime, Tree, TreePath};
use galley_plan::{Copy, Mkdir, VertexId};
use galley_store::{FileSource, Snapshot};

use super::sources::{SourceFiles, copy_error, part_of};
use super::step::{Inputs, Made};
use super::{Failure, Solver, step_id};
use crate::copy::{self, Action, PlaceOptions, Previous, Selection, SourceBytes};
use crate::error::StepProblem;
use crate::events::Event;
use crate::journal::StepFacts;
use crate::owner;

impl Solver<'_> {
    /// COPY and ADD.
    pub(super) fn copy(
        &self,
        id: VertexId,
        op: &Copy,
        inputs: &Inputs,
        facts: &StepFacts,
    ) -> Result<Made, Failure> {
        let store = self.world.store;
        let parent = inputs.parent.as_ref().map(|parent| self.snapshot_of(parent)).transpose()?.flatten();
        let prepared = store.prepare(parent.map(|parent| parent.id), self.lease)?;
        let dest_tree = prepared.parent_tree()?;
        let chown = op.chown.as_deref().map(|owner| self.owner(owner, parent, &dest_tree)).transpose()?;
        let options = PlaceOptions { chown, chmod: op.chmod.as_ref(), created: self.created() };

        let sources = self.opened(id, inputs)?;
        let names: Vec<String> =
            self.plan.vertices[id.0].sources.iter().map(|source| self.source_name(*source)).collect();
        let mut selections: Vec<Selection<'_>> = Vec::with_capacity(op.sources.len());
        let mut bytes: Vec<SourceBytes<'_>> = Vec::with_capacity(op.sources.len());
        for word in &op.sources {
            let (files, name) = (&sources[word.source], &names[word.source]);
            let mut selection = part_of(op, word).select(&files.source(name)).map_err(copy_error)?;
            copy::hash_missing(&mut selection, &files.bytes()).map_err(copy_error)?;
            self.warn_of_missed(id, selection.missed.as_ref());
            selections.push(selection);
            bytes.push(files.bytes());
        }
        copy::find_archives(&mut selections, &bytes, op.unpack).map_err(copy_error)?;
        let actions = copy::place(&dest_tree, &selections, &op.dest, &options).map_err(copy_error)?;

        let before = self.previous_layer(id)?;
        let cause =
            self.explain(id, facts, Some(&planned(&actions)), before.as_ref().map(|(_, diff)| &**diff));
        self.tell(&Event::Ran { step: step_id(id), why: cause.to_string() });
        let previous = before.as_ref().map(|(layer, diff)| Previous { layer: *layer, diff });
        let mut writer = prepared.writer()?;
        copy::fill(&mut writer, &dest_tree, &actions, &bytes, &options, previous).map_err(copy_error)?;
        Ok(Made { snapshot: prepared.commit_written(writer)?, cause })
    }

    /// WORKDIR.
    pub(super) fn mkdir(
        &self,
        id: VertexId,
        op: &Mkdir,
        inputs: &Inputs,
        facts: &StepFacts,
    ) -> Result<Made, Failure> {
        let parent = inputs.parent.as_ref().map(|parent| self.snapshot_of(parent)).transpose()?.flatten();
        let prepared = self.world.store.prepare(parent.map(|parent| parent.id), self.lease)?;
        let tree = prepared.parent_tree()?;
        let owner = self.owner(&op.owner, parent, &tree)?;
        let options = PlaceOptions { chown: Some(owner), chmod: None, created: self.created() };
        let actions = copy::place_directory(&tree, &op.path, &options).map_err(copy_error)?;
        let cause = self.explain(id, facts, None, None);
        self.tell(&Event::Ran { step: step_id(id), why: cause.to_string() });
        let mut writer = prepared.writer()?;
        copy::fill(&mut writer, &tree, &actions, &[], &options, None).map_err(copy_error)?;
        Ok(Made { snapshot: prepared.commit_written(writer)?, cause })
    }

    /// Stacks the layer of a linked copy on the parent. Where the parent has a link, or a directory with other metadata, on the way to the
    /// copied files, the layer is rewritten for it: it was made without knowing the parent.
    pub(super) fn merge(&self, id: VertexId, inputs: &Inputs, facts: &StepFacts) -> Result<Made, Failure> {
        let store = self.world.store;
        let cause = self.explain(id, facts, None, None);
        self.tell(&Event::Ran { step: step_id(id), why: cause.to_string() });
        let parent = inputs.parent.as_ref().map(|parent| self.snapshot_of(parent)).transpose()?.flatten();
        let linked = inputs.sources.first().and_then(super::Solved::snapshot).ok_or(Failure::Input)?;
        let diff = store.diff(store.snapshot(linked)?.layer)?;
        let tree = store.tree(parent.map(|parent| parent.id))?;
        let Some(moved) = rerooted(&tree, &diff)? else {
            return Ok(Made {
                snapshot: store.stack(parent.map(|parent| parent.id), linked, self.lease)?,
                cause,
            });
        };
        let layer = store.snapshot(linked)?.layer;
        let prepared = store.prepare(parent.map(|parent| parent.id), self.lease)?;
        let mut writer = prepared.writer()?;
        let mut first_of_group = std::collections::HashMap::new();
        for (path, from, entry) in &moved {
            let group = entry.file().and_then(|file| file.link_group);
            match group.and_then(|group| first_of_group.get(&group)) {
                Some(first) => writer.put_hardlink(path, first)?,
                None if entry.is_directory() => writer.put_directory(path, entry)?,
                None if entry.file().is_some() => {
                    writer.put_file_from(path, entry, FileSource::Layer { layer, path: from.clone() })?;
                }
                None => writer.put_special(path, entry)?,
            }
            if let Some(group) = group {
                first_of_group.entry(group).or_insert_with(|| path.clone());
            }
        }
        Ok(Made { snapshot: prepared.commit_written(writer)?, cause })
    }

    /// The files of every source of a step.
    pub(super) fn opened(&self, id: VertexId, inputs: &Inputs) -> Result<Vec<SourceFiles<'_>>, StepProblem> {
        let vertex = &self.plan.vertices[id.0];
        let each = vertex.sources.iter().zip(&inputs.sources);
        each.map(|(source, solved)| self.files_of(*source, self.snapshot_of(solved)?)).collect()
    }

    /// The owner that `--chown` or WORKDIR gives, by the accounts of the root file system below.
    fn owner(&self, written: &str, parent: Option<Snapshot>, tree: &Tree) -> Result<(u32, u32), StepProblem> {
        let written = if written.is_empty() { "0" } else { written };
        let (passwd, group) = self.accounts(parent, tree)?;
        let owner = owner::resolve(written, &passwd, &group)?;
        Ok((owner.uid, owner.gid))
    }

    /// `/etc/passwd` and `/etc/group` of a root file system; empty where it has none.
    pub(super) fn accounts(
        &self,
        parent: Option<Snapshot>,
        tree: &Tree,
    ) -> Result<(Vec<u8>, Vec<u8>), StepProblem> {
        let chain = self.world.store.chain(parent.map(|parent| parent.id))?;
        let read = |path: &str| {
            crate::files::read_in_tree(self.world.store, tree, &chain, path)
                .map_err(|source| StepProblem::Io { path: path.into(), source })
        };
        Ok((read("/etc/passwd")?.unwrap_or_default(), read("/etc/group")?.unwrap_or_default()))
    }

    /// The time of things that this build makes.
    pub(super) fn created(&self) -> Mtime {
        Mtime { seconds: self.request.source_date_epoch.unwrap_or(self.world.now), nanoseconds: 0 }
    }
}

/// The layer that the actions will make, as far as it is known before archives are unpacked.
fn planned(actions: &[Action<'_>]) -> Diff {
    actions.iter().map(|action| (action.path.clone(), Change::put(action.put.entry().clone()))).collect()
}

/// An entry of a linked layer on a parent: its path there, its path in the layer, and what it is.
type Moved = (TreePath, TreePath, Entry);

/// The entries of a linked layer as they have to be on `tree`. `None` where the layer fits as it is.
fn rerooted(tree: &Tree, diff: &Diff) -> Result<Option<Vec<Moved>>, StepProblem> {
    let mut moved = Vec::with_capacity(diff.len());
    let mut fits = true;
    for (from, change) in diff {
        let Change::Put { entry, .. } = change else { continue };
        // A directory that the copy only made on its way takes what the parent has there.
        let path = tree.resolve(from.as_bytes(), entry.is_directory())?;
        let existing = tree.get(&path).map(|node| &node.entry);
        let entry = match existing {
            Some(existing) if entry.is_directory() && existing.is_directory() => existing,
            Some(existing) if entry.is_directory() && !existing.is_directory() => {
                return Err(StepProblem::NotADirectory { path });
            }
            _ => entry,
        };
        fits &= path == *from && change == &Change::put(entry.clone());
        moved.push((path, from.clone(), entry.clone()));
    }
    Ok((!fits).then_some(moved))
}
