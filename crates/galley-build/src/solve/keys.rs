//! The keys of a vertex, computed from the plan and the contexts alone: nothing runs for them.

use std::sync::OnceLock;

use galley_image::{ChainId, TreeDigest};
use galley_plan::{CacheKey, InputKey, KeyEncoder, Op, Plan, VertexId, content_key, definition_key};
use galley_store::SnapshotId;

/// The definition keys of a plan, each computed once.
pub(crate) struct DefinitionKeys(Vec<OnceLock<CacheKey>>);

impl DefinitionKeys {
    pub(crate) fn new(plan: &Plan) -> Self {
        Self(plan.vertices.iter().map(|_| OnceLock::new()).collect())
    }

    /// The definition key of `id`. A step that reads a context has the digest of what it selects there in its key, which
    /// `context` is asked for: vertex and index of the source.
    ///
    /// # Errors
    /// Those of `context`.
    pub(crate) fn get<E>(
        &self,
        plan: &Plan,
        id: VertexId,
        context: &mut dyn FnMut(VertexId, usize) -> Result<TreeDigest, E>,
    ) -> Result<CacheKey, E> {
        // Inputs first, without recursion: a Dockerfile may have thousands of steps in one chain.
        let mut pending = vec![id];
        while let Some(&next) = pending.last() {
            let vertex = &plan.vertices[next.0];
            let missing = |input: &&VertexId| {
                self.0[input.0].get().is_none() && !matches!(plan.vertices[input.0].op, Op::Context(_))
            };
            let inputs: Vec<VertexId> =
                vertex.parent.iter().chain(&vertex.sources).filter(missing).copied().collect();
            if inputs.is_empty() {
                let key = self.compute(plan, next, context)?;
                let _ = self.0[next.0].set(key);
                pending.pop();
            } else {
                pending.extend(inputs);
            }
        }
        self.0[id.0].get().copied().map_or_else(|| self.compute(plan, id, context), Ok)
    }

    fn compute<E>(
        &self,
        plan: &Plan,
        id: VertexId,
        context: &mut dyn FnMut(VertexId, usize) -> Result<TreeDigest, E>,
    ) -> Result<CacheKey, E> {
        let vertex = &plan.vertices[id.0];
        let known = |input: VertexId| self.0[input.0].get().copied();
        let parent = vertex.parent.and_then(known);
        let made: Option<Vec<CacheKey>> = vertex.sources.iter().map(|source| known(*source)).collect();
        if let Some(key) =
            made.and_then(|sources| definition_key(&vertex.op, &vertex.platform, parent, &sources))
        {
            return Ok(key);
        }
        let mut inputs = Vec::with_capacity(vertex.sources.len());
        for (index, source) in vertex.sources.iter().enumerate() {
            inputs.push(match known(*source) {
                Some(key) => InputKey::Made(key),
                None => InputKey::Content(context(id, index)?),
            });
        }
        Ok(content_key(&vertex.op, &vertex.platform, parent, &inputs))
    }
}

/// What a step's content key says about the root file system that it stands on: this very snapshot.
pub(crate) fn snapshot_identity(snapshot: SnapshotId) -> CacheKey {
    let mut encoder = KeyEncoder::new("galley 1 identity of a snapshot");
    encoder.text(&snapshot.to_string());
    encoder.finish()
}

/// What a content key says about a base: these layers. Unpacked again under another name, it is still the same.
pub(crate) fn base_identity(chain: ChainId) -> CacheKey {
    let mut encoder = KeyEncoder::new("galley 1 identity of a base");
    encoder.bytes(chain.0.as_bytes());
    encoder.finish()
}
