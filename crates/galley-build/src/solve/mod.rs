//! Solving: for every vertex that the target needs, an earlier result or a run.
//!
//! The target is asked first and asks its inputs only when no record has its definition key; `docs/cache.md` states the rules. Inputs are
//! solved side by side, one thread each, and a vertex that several others need is solved once (`cell.rs`).

mod agree;
mod base;
mod cell;
mod explain;
mod files;
pub(crate) mod keys;
mod mounts;
mod run;
mod sources;
mod step;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use galley_image::ChainId;
use galley_plan::{CacheKey, Op, Plan, Vertex, VertexId};
use galley_sandbox::SandboxError;
use galley_store::{Lease, Snapshot, SnapshotId, StoreError};

use crate::error::{BuildError, FailedStep, StepProblem};
use crate::events::{Event, Events, Outcome, Reuse, StepId};
use crate::journal::{Journal, StepEntry, StepFacts, StepOutcome};
use crate::request::{BuildRequest, CachePolicy};
use crate::resolve::Found;
use crate::rooted::RootedError;
use crate::world::World;

use cell::Cell;
use keys::DefinitionKeys;

/// How much of a vertex somebody needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Need {
    /// To know which result it is: manifests and digests, not files.
    Identity,
    /// Its files.
    Bytes,
}

/// The root file system that a vertex comes out as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Root {
    /// No layers at all.
    Nothing,
    /// The layers of a base image, not unpacked as far as anybody had to know.
    Base(ChainId),
    /// A snapshot.
    At(SnapshotId),
}

/// A solved vertex.
#[derive(Clone, Debug)]
pub(crate) struct Solved {
    /// What it came out as.
    pub root: Root,
    /// What stands for it in the keys of steps on top of it; `None` for [`Root::Nothing`].
    pub identity: Option<CacheKey>,
    /// Whether it ran in this build.
    pub ran: bool,
}

impl Solved {
    /// The snapshot, where there is one by now.
    pub(crate) fn snapshot(&self) -> Option<SnapshotId> {
        match self.root {
            Root::At(id) => Some(id),
            Root::Nothing | Root::Base(_) => None,
        }
    }
}

/// The vertex cannot be solved; the reason is kept in [`Solver::failure`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stopped;

/// The stack of the thread that solves: a Dockerfile of thousands of steps recurses once per step. Only touched pages cost memory.
const STACK: usize = 256 << 20;

/// The stack of a thread that solves one more input.
const INPUT_STACK: usize = 64 << 20;

/// Solves the vertices of one plan.
pub(crate) struct Solver<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) request: &'a BuildRequest,
    pub(crate) world: &'a World<'a>,
    pub(crate) events: &'a dyn Events,
    pub(crate) found: &'a Found,
    pub(crate) lease: &'a Lease,
    keys: DefinitionKeys,
    cells: Vec<Cell>,
    /// Vertices whose earlier results do not count (`--no-cache`).
    fresh: Vec<bool>,
    /// Vertices with a fresh one among their inputs, directly or not.
    tainted: Vec<bool>,
    before: Journal,
    log: Mutex<BTreeMap<usize, (StepFacts, StepOutcome)>>,
    failure: Mutex<Option<BuildError>>,
    ran: AtomicBool,
}

impl<'a> Solver<'a> {
    /// A solver that has solved nothing yet. `before` is the journal of the last build of the same Dockerfile.
    pub(crate) fn new(
        plan: &'a Plan,
        request: &'a BuildRequest,
        world: &'a World<'a>,
        events: &'a dyn Events,
        found: &'a Found,
        lease: &'a Lease,
        before: Journal,
    ) -> Self {
        let is_fresh = |vertex: &Vertex| !vertex.op.is_source() && cache_is_off(plan, vertex, &request.cache);
        let fresh: Vec<bool> = plan.vertices.iter().map(is_fresh).collect();
        let mut tainted: Vec<bool> = Vec::with_capacity(fresh.len());
        for vertex in &plan.vertices {
            let mut inputs = vertex.parent.iter().chain(&vertex.sources);
            tainted.push(inputs.any(|input| fresh[input.0] || tainted[input.0]));
        }
        Self {
            plan,
            request,
            world,
            events,
            found,
            lease,
            keys: DefinitionKeys::new(plan),
            cells: plan.vertices.iter().map(|_| Cell::new()).collect(),
            fresh,
            tainted,
            before,
            log: Mutex::default(),
            failure: Mutex::default(),
            ran: AtomicBool::new(false),
        }
    }

    /// Solves `tops` with their files, side by side.
    ///
    /// # Errors
    /// The first failure.
    pub(crate) fn solve(&self, tops: &[VertexId]) -> Result<Vec<Solved>, BuildError> {
        let solved = std::thread::scope(|scope| {
            let thread = std::thread::Builder::new().name("solve".into()).stack_size(STACK);
            match thread.spawn_scoped(scope, || self.demand_all(tops, Need::Bytes)) {
                Ok(handle) => handle.join().unwrap_or(Err(Stopped)),
                Err(_) => self.demand_all(tops, Need::Bytes),
            }
        });
        self.tell_unasked();
        match solved {
            Ok(solved) => Ok(solved),
            Err(Stopped) => Err(lock(&self.failure).take().unwrap_or(BuildError::Cancelled)),
        }
    }

    /// The snapshot of a vertex that was solved; `None` for an empty root.
    pub(crate) fn top_snapshot(&self, id: VertexId) -> Result<Option<SnapshotId>, BuildError> {
        Ok(self.cells[id.0].peek().and_then(|solved| solved.snapshot()))
    }

    /// Whether any step ran, so that there is something to make durable.
    pub(crate) fn anything_ran(&self) -> bool {
        self.ran.load(Ordering::Relaxed)
    }

    /// The journal of this build, as far as it got.
    pub(crate) fn journal(&self) -> Journal {
        let mut log = std::mem::take(&mut *lock(&self.log));
        let entry = |(index, vertex): (usize, &Vertex)| {
            let (read, outcome) =
                log.remove(&index).unwrap_or((StepFacts::default(), StepOutcome::NotNeeded));
            let read =
                if read == StepFacts::default() { self.earlier_facts(vertex).unwrap_or(read) } else { read };
            StepEntry {
                stage: self.plan.stage_name(vertex.origin.stage),
                position: vertex.origin.step.map_or(0, |(position, _)| position),
                label: vertex.label.clone(),
                line: vertex.origin.line,
                read,
                outcome,
            }
        };
        let steps = self.plan.vertices.iter().enumerate().map(entry).collect();
        Journal { target: self.request.target.clone(), steps }
    }

    /// What a step read that nobody looked at in this build: as in the build before, since its result still serves.
    fn earlier_facts(&self, vertex: &Vertex) -> Option<StepFacts> {
        self.counterpart(vertex).filter(|entry| entry.label == vertex.label).map(|entry| entry.read.clone())
    }

    pub(super) fn counterpart(&self, vertex: &Vertex) -> Option<&StepEntry> {
        let stage = self.plan.stage_name(vertex.origin.stage);
        self.before.counterpart(&stage, vertex.origin.step.map_or(0, |(position, _)| position), &vertex.label)
    }

    /// The result of a vertex, at least as complete as `need`.
    pub(super) fn demand(&self, id: VertexId, need: Need) -> Result<Solved, Stopped> {
        self.cells[id.0].get(need, |_| {
            if self.world.cancel.is_cancelled() {
                return Err(Stopped);
            }
            let vertex = &self.plan.vertices[id.0];
            let solved = match &vertex.op {
                Op::Image(image) => self.solve_image(id, image, need),
                Op::Context(_) | Op::Inline(_) => {
                    Ok(Solved { root: Root::Nothing, identity: None, ran: false })
                }
                Op::Run(_) | Op::Copy(_) | Op::Mkdir(_) | Op::Merge => self.solve_step(id, need),
            };
            solved.map_err(|problem| self.fail(id, problem))
        })
    }

    /// The results of several vertices, solved side by side.
    pub(super) fn demand_all(&self, ids: &[VertexId], need: Need) -> Result<Vec<Solved>, Stopped> {
        let Some((first, rest)) = ids.split_first() else { return Ok(Vec::new()) };
        std::thread::scope(|scope| {
            let others: Vec<_> = rest
                .iter()
                .map(|id| {
                    let thread =
                        std::thread::Builder::new().name(format!("solve {}", id.0)).stack_size(INPUT_STACK);
                    thread.spawn_scoped(scope, move || self.demand(*id, need))
                })
                .collect();
            let mut solved = vec![self.demand(*first, need)];
            for (id, handle) in rest.iter().zip(others) {
                solved.push(match handle {
                    Ok(handle) => handle.join().unwrap_or(Err(Stopped)),
                    // No more threads: one after the other is slower and right.
                    Err(_) => self.demand(*id, need),
                });
            }
            solved.into_iter().collect()
        })
    }

    /// Keeps the first real failure and stops everything else.
    fn fail(&self, id: VertexId, failure: Failure) -> Stopped {
        if let Failure::Problem(problem, output) = failure {
            let outcome = if is_interruption(&problem) { Outcome::Cancelled } else { Outcome::Failed };
            self.tell(&Event::Finished { step: step_id(id), outcome });
            let vertex = &self.plan.vertices[id.0];
            let error = if is_interruption(&problem) {
                BuildError::Cancelled
            } else {
                BuildError::Step(Box::new(FailedStep {
                    stage: self.plan.stage_name(vertex.origin.stage),
                    line: vertex.origin.line,
                    span: vertex.origin.span,
                    label: vertex.label.clone(),
                    problem,
                    output,
                }))
            };
            let mut kept = lock(&self.failure);
            // Steps that were stopped because of the first failure are not failures of their own.
            if kept.is_none() {
                *kept = Some(error);
            }
        }
        self.world.cancel.cancel();
        Stopped
    }

    /// Writes down how a vertex was solved; true the first time. One that was found by its identity is solved again for its files.
    pub(super) fn note(&self, id: VertexId, facts: StepFacts, outcome: StepOutcome) -> bool {
        lock(&self.log).insert(id.0, (facts, outcome)).is_none()
    }

    pub(super) fn tell(&self, event: &Event) {
        self.events.event(event);
    }

    /// Steps that nobody had to look at.
    fn tell_unasked(&self) {
        if lock(&self.failure).is_some() {
            return;
        }
        for (index, cell) in self.cells.iter().enumerate() {
            let is_source = self.plan.vertices[index].op.is_source();
            if cell.peek().is_none() && !is_source {
                self.tell(&Event::Cached { step: step_id(VertexId(index)), why: Reuse::NotNeeded });
            }
        }
    }

    /// The snapshot behind a solved vertex.
    pub(super) fn snapshot_of(&self, solved: &Solved) -> Result<Option<Snapshot>, StepProblem> {
        Ok(match solved.root {
            Root::Nothing => None,
            Root::At(id) => Some(self.world.store.snapshot(id)?),
            Root::Base(chain) => self.world.store.chain_snapshot_any_state(chain)?,
        })
    }
}

/// Why a vertex was not solved.
pub(crate) enum Failure {
    /// An input was not.
    Input,
    /// It was not itself; with the last lines that it wrote.
    Problem(StepProblem, Vec<String>),
}

impl<P: Into<StepProblem>> From<P> for Failure {
    fn from(problem: P) -> Self {
        Self::Problem(problem.into(), Vec::new())
    }
}

impl From<Stopped> for Failure {
    fn from(_: Stopped) -> Self {
        Self::Input
    }
}

/// The number that events know a vertex by.
pub(crate) fn step_id(id: VertexId) -> StepId {
    StepId(u32::try_from(id.0).unwrap_or(u32::MAX))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn cache_is_off(plan: &Plan, vertex: &Vertex, policy: &CachePolicy) -> bool {
    match policy {
        CachePolicy::Use => false,
        CachePolicy::Ignore => true,
        CachePolicy::IgnoreStages(stages) => {
            let origins = std::iter::once(&vertex.origin).chain(&vertex.also);
            origins.into_iter().any(|origin| stages.contains(&plan.stage_name(origin.stage)))
        }
    }
}

fn is_interruption(problem: &StepProblem) -> bool {
    match problem {
        StepProblem::Sandbox(error) => matches!(error, RootedError::Sandbox(SandboxError::Cancelled)),
        StepProblem::Store(error) => matches!(error, StoreError::Interrupted(_)),
        _ => false,
    }
}
