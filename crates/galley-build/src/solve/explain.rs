//! What a step reads, by name, and why it had to run: the facts for the journal.

use std::collections::BTreeMap;
use std::sync::Arc;

use galley_image::Diff;
use galley_plan::{InputKey, KeyEncoder, Op, VertexId};
use galley_store::{LayerId, StoreError};

use super::{Failure, Solver};
use crate::error::StepProblem;
use crate::journal::{SourceFact, StepFacts};
use crate::why::{Cause, changed_file, first_cause};

impl Solver<'_> {
    /// What a step reads; `digests` stand for its sources, as far as they are known.
    pub(super) fn facts(&self, id: VertexId, digests: &[InputKey]) -> Result<StepFacts, Failure> {
        let vertex = &self.plan.vertices[id.0];
        let mut operation = KeyEncoder::new("galley 1 journal operation");
        vertex.op.encode(&mut operation);
        let variables: BTreeMap<String, String> = match &vertex.op {
            Op::Run(run) => run.env.iter().cloned().collect(),
            _ => BTreeMap::new(),
        };
        let parent = vertex.parent.map(|parent| &self.plan.vertices[parent.0]);
        let base = parent.and_then(|parent| match &parent.op {
            Op::Image(image) => Some((
                image.reference.familiar(),
                image.chain.map(|chain| chain.to_string()).unwrap_or_default(),
            )),
            _ => None,
        });
        let step_below = parent.filter(|parent| !parent.op.is_source());
        let below = vertex.parent.map(|parent| self.definition_key(parent)).transpose()?;
        let mut sources = Vec::with_capacity(vertex.sources.len());
        for (index, source) in vertex.sources.iter().enumerate() {
            let context = matches!(self.plan.vertices[source.0].op, Op::Context(_));
            let digest = match digests.get(index) {
                Some(InputKey::Content(digest)) => Some(digest.to_string()),
                Some(InputKey::Made(key)) => Some(key.to_string()),
                None if context => Some(self.context_digest(id, index)?.to_string()),
                None => None,
            };
            sources.push(SourceFact { name: self.source_name(*source), context, digest });
        }
        Ok(StepFacts {
            operation: operation.finish().to_string(),
            variables,
            base,
            parent: below.map(|key| key.to_string()),
            parent_label: step_below.map(|parent| (parent.origin.line, parent.label.clone())),
            sources,
            snapshot: None,
        })
    }

    /// Why the step runs. `now` and `before` are the layers that it is about to make and made last, where they tell which file changed.
    pub(super) fn explain(
        &self,
        id: VertexId,
        facts: &StepFacts,
        now: Option<&Diff>,
        before: Option<&Diff>,
    ) -> Cause {
        if self.fresh[id.0] {
            return Cause::NoCache;
        }
        let vertex = &self.plan.vertices[id.0];
        let parent_ran =
            vertex.parent.and_then(|parent| self.cells[parent.0].peek()).is_some_and(|parent| parent.ran);
        first_cause(&vertex.label, facts, parent_ran, self.counterpart(vertex), &mut |index| {
            changed_file(&facts.sources.get(index)?.name, before?, now?)
        })
    }

    /// The layer that the same step made in the build before.
    pub(super) fn previous_layer(&self, id: VertexId) -> Result<Option<(LayerId, Arc<Diff>)>, StepProblem> {
        let store = self.world.store;
        let Some(entry) = self.counterpart(&self.plan.vertices[id.0]) else { return Ok(None) };
        let Some(Ok(snapshot)) = entry.read.snapshot.as_ref().map(|id| id.parse()) else { return Ok(None) };
        // Its files serve the new layer, so nobody may prune them now. If that happened before, or the store was reset since,
        // there is no previous layer.
        match self.lease.hold(snapshot) {
            Err(StoreError::Pruned(_) | StoreError::UnknownSnapshot(_)) => return Ok(None),
            held => held?,
        }
        let snapshot = store.snapshot(snapshot)?;
        Ok(Some((snapshot.layer, store.diff(snapshot.layer)?)))
    }
}
