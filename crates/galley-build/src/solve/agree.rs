//! Whether a step comes out as it did before: the report of a build that is to be reproducible and is not.

use galley_image::TreePath;
use galley_plan::{CacheKey, Op, VertexId};
use galley_store::{LayerId, ParentRule, Snapshot, SnapshotState};

use super::{Solver, step_id};
use crate::differences::{Difference, differences, unhashed};
use crate::error::StepProblem;
use crate::events::Event;
use crate::export;

/// How many paths are named.
const NAMED: usize = 5;

impl Solver<'_> {
    /// With `SOURCE_DATE_EPOCH`, says in what `made`, which a RUN step just made, differs from the result that an earlier
    /// run had under one of `keys`.
    pub(super) fn report_disagreement(
        &self,
        id: VertexId,
        keys: [CacheKey; 2],
        made: &Snapshot,
    ) -> Result<(), StepProblem> {
        let is_run = matches!(self.plan.vertices[id.0].op, Op::Run(_));
        let Some(epoch) = self.request.source_date_epoch.filter(|_| is_run) else { return Ok(()) };
        let Some(before) = self.earlier_result(keys, made)? else { return Ok(()) };
        self.learn_digests(&before, made)?;
        let store = self.world.store;
        let times = export::profile(Some(epoch), false).times;
        let found = differences(&*store.diff(before.layer)?, &*store.diff(made.layer)?, times);
        if !found.is_empty() {
            self.tell(&Event::Warning { step: Some(step_id(id)), message: message(&found) });
        }
        Ok(())
    }

    fn earlier_result(&self, keys: [CacheKey; 2], made: &Snapshot) -> Result<Option<Snapshot>, StepProblem> {
        for key in keys {
            let record = self.world.store.lookup_any_state(&key.0, ParentRule::Any)?;
            if let Some(record) = record.filter(|record| record.result != made.id) {
                return Ok(Some(self.world.store.snapshot(record.result)?));
            }
        }
        Ok(None)
    }

    /// Files that a RUN wrote are hashed when somebody asks. Of a pruned result, what was not hashed cannot be any more.
    fn learn_digests(&self, before: &Snapshot, made: &Snapshot) -> Result<(), StepProblem> {
        if before.state == SnapshotState::Pruned {
            return Ok(());
        }
        let store = self.world.store;
        let (earlier, now) = (store.diff(before.layer)?, store.diff(made.layer)?);
        let files: Vec<(LayerId, TreePath)> = unhashed(&earlier, &now)
            .into_iter()
            .flat_map(|path| [(before.layer, path.clone()), (made.layer, path.clone())])
            .collect();
        store.digest_files(&files)?;
        Ok(())
    }
}

fn message(found: &[Difference]) -> String {
    let named: Vec<String> = found.iter().take(NAMED).map(ToString::to_string).collect();
    let more = match found.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(", and {more} more"),
    };
    format!(
        "not reproducible: the step came out otherwise than before from the same inputs, so the image has another digest: {}{more}",
        named.join(", ")
    )
}
