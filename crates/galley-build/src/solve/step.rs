//! One step: found under its definition key, found under its content key, or run.

use galley_plan::{CacheKey, InputKey, Op, VertexId, content_key};
use galley_store::{ParentRule, Record, StepLock, Wait};

use super::keys::snapshot_identity;
use super::{Failure, Need, Root, Solved, Solver, step_id};
use crate::error::StepProblem;
use crate::events::{Event, Outcome, Reuse};
use crate::journal::{StepFacts, StepOutcome};
use crate::request::CachePolicy;

/// The inputs of a step, solved.
pub(super) struct Inputs {
    /// What it stands on; `None` for a step on nothing.
    pub parent: Option<Solved>,
    /// What it reads besides, in the vertex's order.
    pub sources: Vec<Solved>,
}

impl Solver<'_> {
    /// Solves a step.
    pub(super) fn solve_step(&self, id: VertexId, need: Need) -> Result<Solved, Failure> {
        let definition = self.definition_key(id)?;
        if !self.fresh[id.0] && !self.tainted[id.0] {
            let rule = self.parent_rule(id);
            if let Some(record) = self.lookup(definition, rule, need)? {
                let facts = StepFacts { snapshot: Some(record.result.to_string()), ..self.facts(id, &[])? };
                return Ok(self.reused(id, &record, Reuse::Unchanged, facts));
            }
        }
        let mut inputs = self.inputs(id, Need::Identity)?;
        loop {
            let digests = self.input_keys(id, &inputs)?;
            let content = self.content_key(id, &inputs, &digests);
            if let Some(solved) = self.same_content(id, content, definition, &digests, need)? {
                return Ok(solved);
            }
            let with_files = self.inputs(id, Need::Bytes)?;
            if with_files.identities() != inputs.identities() {
                // An input whose files were pruned ran again and came out differently: that changes this step's key.
                inputs = with_files;
                continue;
            }
            let _lock = self.step_lock(content)?;
            if let Some(solved) = self.same_content(id, content, definition, &digests, need)? {
                return Ok(solved);
            }
            return self.execute(id, &with_files, &digests, [content, definition]);
        }
    }

    /// The definition key of a vertex; selections of contexts are looked at for it.
    pub(super) fn definition_key(&self, id: VertexId) -> Result<CacheKey, Failure> {
        self.keys.get(self.plan, id, &mut |id, index| self.context_digest(id, index).map_err(Failure::from))
    }

    fn content_key(&self, id: VertexId, inputs: &Inputs, digests: &[InputKey]) -> CacheKey {
        let vertex = &self.plan.vertices[id.0];
        let parent = inputs.parent.as_ref().and_then(|parent| parent.identity);
        content_key(&vertex.op, &vertex.platform, parent, digests)
    }

    /// A step whose parent ran in this build hits only a record made on that very snapshot.
    fn parent_rule(&self, id: VertexId) -> ParentRule {
        let parent = self.plan.vertices[id.0].parent.and_then(|parent| self.cells[parent.0].peek());
        match parent {
            Some(parent) if parent.ran => ParentRule::Exactly(parent.snapshot()),
            _ => ParentRule::Any,
        }
    }

    fn lookup(&self, key: CacheKey, rule: ParentRule, need: Need) -> Result<Option<Record>, StepProblem> {
        let store = self.world.store;
        let live = store.lookup(&key.0, rule, self.lease)?;
        match (live, need) {
            (None, Need::Identity) => Ok(store.lookup_any_state(&key.0, rule)?),
            (live, _) => Ok(live),
        }
    }

    fn same_content(
        &self,
        id: VertexId,
        content: CacheKey,
        definition: CacheKey,
        digests: &[InputKey],
        need: Need,
    ) -> Result<Option<Solved>, Failure> {
        if self.fresh[id.0] {
            return Ok(None);
        }
        let Some(record) = self.lookup(content, ParentRule::Any, need)? else { return Ok(None) };
        // The content key again: the store forgets the keys of a result that served nobody for the longest time.
        for key in [content, definition] {
            self.world.store.put_record(&Record { key: key.0, ..record.clone() }, self.lease)?;
        }
        let facts = StepFacts { snapshot: Some(record.result.to_string()), ..self.facts(id, digests)? };
        Ok(Some(self.reused(id, &record, Reuse::SameContent, facts)))
    }

    fn reused(&self, id: VertexId, record: &Record, why: Reuse, facts: StepFacts) -> Solved {
        let outcome = if why == Reuse::Unchanged { StepOutcome::Unchanged } else { StepOutcome::SameContent };
        if self.note(id, facts, outcome) {
            self.tell(&Event::Cached { step: step_id(id), why });
        }
        solved_at(record.result, false)
    }

    pub(super) fn inputs(&self, id: VertexId, need: Need) -> Result<Inputs, Failure> {
        let vertex = &self.plan.vertices[id.0];
        let all: Vec<VertexId> = vertex.parent.iter().chain(&vertex.sources).copied().collect();
        let mut solved = self.demand_all(&all, need)?.into_iter();
        let parent = vertex.parent.and_then(|_| solved.next());
        Ok(Inputs { parent, sources: solved.collect() })
    }

    /// Two processes run a step once. `--no-cache` shares with nobody.
    fn step_lock(&self, key: CacheKey) -> Result<Option<StepLock>, StepProblem> {
        if self.request.cache == CachePolicy::Ignore {
            return Ok(None);
        }
        let interrupted = || self.world.cancel.is_cancelled();
        let mut waiting = |holder: &galley_store::Holder| {
            let message =
                format!("waiting for process {} ({}), which runs the same step", holder.pid, holder.process);
            self.tell(&Event::Warning { step: None, message });
        };
        let mut wait = Wait { interrupted: &interrupted, waiting: &mut waiting };
        Ok(Some(self.world.store.lock_step(&key.0, &mut wait)?))
    }

    fn execute(
        &self,
        id: VertexId,
        inputs: &Inputs,
        digests: &[InputKey],
        keys: [CacheKey; 2],
    ) -> Result<Solved, Failure> {
        if self.world.cancel.is_cancelled() {
            return Err(Failure::Input);
        }
        let vertex = &self.plan.vertices[id.0];
        self.tell(&Event::Started { step: step_id(id) });
        self.ran.store(true, std::sync::atomic::Ordering::Relaxed);
        let mut facts = self.facts(id, digests)?;
        let made = match &vertex.op {
            Op::Run(run) => self.run(id, run, inputs, &facts)?,
            Op::Copy(copy) => self.copy(id, copy, inputs, &facts)?,
            Op::Mkdir(mkdir) => self.mkdir(id, mkdir, inputs, &facts)?,
            Op::Merge => self.merge(id, inputs, &facts)?,
            // Sources are not steps: `demand` never sends one here.
            Op::Image(_) | Op::Context(_) | Op::Inline(_) => return Err(Failure::Input),
        };
        self.report_disagreement(id, keys, &made.snapshot)?;
        for key in keys {
            let record = Record {
                key: key.0,
                result: made.snapshot.id,
                inputs: String::new(),
                created: self.world.now,
            };
            self.world.store.put_record(&record, self.lease)?;
        }
        facts.snapshot = Some(made.snapshot.id.to_string());
        self.note(id, facts, StepOutcome::Ran(made.cause));
        let size = self.world.store.diff(made.snapshot.layer)?.size();
        self.tell(&Event::Finished { step: step_id(id), outcome: Outcome::Done { size } });
        Ok(solved_at(made.snapshot.id, true))
    }
}

impl Inputs {
    /// Every input, the parent first.
    fn identities(&self) -> Vec<Option<CacheKey>> {
        self.parent.iter().chain(&self.sources).map(|input| input.identity).collect()
    }
}

/// What a step's execution made.
pub(super) struct Made {
    /// The committed snapshot.
    pub snapshot: galley_store::Snapshot,
    /// Why it ran.
    pub cause: crate::why::Cause,
}

fn solved_at(snapshot: galley_store::SnapshotId, ran: bool) -> Solved {
    Solved { root: Root::At(snapshot), identity: Some(snapshot_identity(snapshot)), ran }
}
