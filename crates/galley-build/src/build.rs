//! The straight line: parse, lower, resolve, plan, solve, export.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use galley_image::layer_tar::TarProfile;
use galley_image::{ChainId, DiffId, Digest, ImageConfig, Reference, Tree};
use galley_plan::{LowerOptions, NamedContextKind, Op, Plan, PlannedStage, Vertex, VertexId};
use galley_store::{Image, ImageLayer, LayerId, Lease, NewImage, Snapshot};

use crate::bases::{Line, Shared};
use crate::error::BuildError;
use crate::events::{Event, Events, Exported, Step, StepId};
use crate::export;
use crate::image::{StepLayer, configuration};
use crate::journal::Journal;
use crate::pull::fetch_blobs;
use crate::request::{BuildRequest, NamedContext, NetworkMode};
use crate::resolve::{Found, resolve};
use crate::solve::{Solver, step_id};
use crate::why;
use crate::world::World;

/// What a build made.
#[derive(Clone, Debug)]
pub struct Built {
    /// The image's id: the digest of its configuration.
    pub id: Digest,
    /// Its configuration.
    pub config: ImageConfig,
    /// The names that it was given.
    pub tags: Vec<Reference>,
    /// What was written for each output.
    pub written: Vec<export::Written>,
    /// One line about why steps ran; `None` when none did.
    pub why: Option<String>,
}

/// Builds `request`.
///
/// # Errors
/// [`BuildError`]. The store stays whole, and what was finished before the failure is found by the next build.
pub fn build(request: &BuildRequest, world: &World<'_>, events: &dyn Events) -> Result<Built, BuildError> {
    build_on(&Line::new(&Shared::new(), events), request, world, events)
}

/// [`build`], also of a base for the build that stands at `line`.
pub(crate) fn build_on(
    line: &Line<'_>,
    request: &BuildRequest,
    world: &World<'_>,
    events: &dyn Events,
) -> Result<Built, BuildError> {
    let planned = plan_on(line, request, world, events)?;
    solve(&planned, request, world, events, |solver, solved| {
        let journal = solver.journal();
        keep_journal(world, request, &journal)?;
        solved?;
        finish(&planned, request, world, events, solver, &journal)
    })
}

/// Builds what the target of `request` needs and returns the file tree that it ends with. No image is made of it, nothing
/// is written out, and the journal of the last build stays.
///
/// # Errors
/// As [`build`].
pub fn tree(request: &BuildRequest, world: &World<'_>, events: &dyn Events) -> Result<Arc<Tree>, BuildError> {
    let planned = self::plan(request, world, events)?;
    solve(&planned, request, world, events, |solver, solved| {
        solved?;
        let top = target(&planned.plan)?.top.map(|top| solver.top_snapshot(top)).transpose()?.flatten();
        Ok(world.store.tree(top)?)
    })
}

/// Solves the targets and hands the outcome, also a failure, to `rest`. Beside that, what the steps made is written to disk: after a
/// failure too, since what was finished before it is worth keeping through a power cut.
fn solve<'a, T>(
    planned: &'a PlanLine,
    request: &'a BuildRequest,
    world: &'a World<'a>,
    events: &'a dyn Events,
    rest: impl FnOnce(&Solver<'a>, Result<(), BuildError>) -> Result<T, BuildError>,
) -> Result<T, BuildError> {
    let PlanLine { plan, found, lease } = planned;
    events.event(&Event::Planned { steps: steps(plan) });
    for warning in &plan.warnings {
        events.event(&Event::Warning { step: None, message: warning.message.clone() });
    }
    let before = journal_of(world, &request.dockerfile_name)?.unwrap_or_default();
    let solver = Solver::new(plan, request, world, events, found, lease, before);
    let tops: Vec<VertexId> =
        plan.targets.iter().filter_map(|target| plan.stages.get(*target)?.top).collect();
    let solved = solver.solve(&tops).map(drop);
    found.save_digests(request)?;
    if !solver.anything_ran() {
        return rest(&solver, solved);
    }
    std::thread::scope(|scope| {
        let sync = scope.spawn(|| world.store.sync());
        let value = rest(&solver, solved)?;
        // A panic there was reported where it happened; nothing is known to be durable then, and nothing is marked so.
        sync.join().unwrap_or(Ok(()))?;
        Ok(value)
    })
}

/// A plan and what it was made from.
pub struct PlanLine {
    /// The plan.
    pub plan: Plan,
    pub(crate) found: Found,
    pub(crate) lease: Lease,
}

/// The part of the line that runs nothing of the file: parse, lower, resolve, plan. A bound base that is not made yet is made for it, unless
/// [`crate::bases::Absent`] says otherwise.
///
/// # Errors
/// [`BuildError`].
pub fn plan(request: &BuildRequest, world: &World<'_>, events: &dyn Events) -> Result<PlanLine, BuildError> {
    plan_on(&Line::new(&Shared::new(), events), request, world, events)
}

fn plan_on(
    line: &Line<'_>,
    request: &BuildRequest,
    world: &World<'_>,
    events: &dyn Events,
) -> Result<PlanLine, BuildError> {
    let parsed = galley_syntax::parse(&request.dockerfile);
    let stages = galley_plan::lower(&parsed, &lower_options(request)).map_err(BuildError::Dockerfile)?;
    let lease = world.store.lease()?;
    let found = resolve(&stages, line, request, world, events, &lease)?;
    let plan = galley_plan::plan(&stages, &found.resolved).map_err(BuildError::Dockerfile)?;
    Ok(PlanLine { plan, found, lease })
}

/// The journal of the last build of a Dockerfile.
///
/// # Errors
/// The store cannot be read. A journal of another galley's format counts as none.
pub fn journal_of(world: &World<'_>, dockerfile: &str) -> Result<Option<Journal>, BuildError> {
    let text = world.store.journal(dockerfile)?;
    Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
}

fn keep_journal(world: &World<'_>, request: &BuildRequest, journal: &Journal) -> Result<(), BuildError> {
    // A journal is made of strings and maps with string keys, which JSON can always write.
    let text = serde_json::to_string(journal).unwrap_or_default();
    Ok(world.store.put_journal(&request.dockerfile_name, &text)?)
}

/// What lowering is told of `request`.
pub(crate) fn lower_options(request: &BuildRequest) -> LowerOptions {
    let kind = |context: &NamedContext| match context {
        NamedContext::Directory(_) => NamedContextKind::Directory,
        NamedContext::Image(_) | NamedContext::OciLayout { .. } => NamedContextKind::Image,
    };
    LowerOptions {
        targets: request.target.iter().cloned().collect(),
        build_args: request.build_args.clone(),
        named_contexts: request
            .named_contexts
            .iter()
            .map(|(name, context)| (name.clone(), kind(context)))
            .collect(),
        labels: request.labels.clone(),
        network: match request.network {
            NetworkMode::Host => galley_plan::Network::Host,
            NetworkMode::None => galley_plan::Network::None,
        },
        ..LowerOptions::new(request.platform.clone())
    }
}

fn steps(plan: &Plan) -> Vec<Step> {
    let step = |(index, vertex): (usize, &galley_plan::Vertex)| Step {
        id: step_id(VertexId(index)),
        stage: plan.stage_name(vertex.origin.stage),
        position: vertex.origin.step,
        label: vertex.label.clone(),
        line: vertex.origin.line,
    };
    plan.vertices.iter().enumerate().map(step).collect()
}

/// From the solved target to the image in the store, its names, and the outputs.
fn finish(
    planned: &PlanLine,
    request: &BuildRequest,
    world: &World<'_>,
    events: &dyn Events,
    solver: &Solver<'_>,
    journal: &Journal,
) -> Result<Built, BuildError> {
    let stage = target(&planned.plan)?;
    let top = stage.top.map(|top| solver.top_snapshot(top)).transpose()?.flatten();
    let chain = world.store.chain(top)?;
    let (config, layers) = assemble(request, world, &planned.plan, solver.found, stage, &chain)?;
    let size = export::size_of(world.store, &chain)?;
    let image = Image {
        id: Digest::of(&export::config_bytes(&config)),
        config: export::config_bytes(&config),
        layers,
        manifest: None,
        tags: request.tags.clone(),
        digests: Vec::new(),
        created: world.now,
        size,
    };
    if request.keeps_image() {
        let Image { id, config, layers, .. } = image.clone();
        world.store.put_image(&NewImage { config, layers, manifest: None })?;
        for tag in &request.tags {
            world.store.tag(tag, id)?;
        }
        let (tags, layers) = (request.tags.clone(), image.layers.len());
        events.event(&Event::Exported { result: Exported::Image { id, tags, size, layers } });
    }
    let written = write_outputs(&image, request, world, events, &planned.lease)?;
    let (id, tags) = (image.id, image.tags);
    Ok(Built { id, config, tags, written, why: why::summary(journal) })
}

fn write_outputs(
    image: &Image,
    request: &BuildRequest,
    world: &World<'_>,
    events: &dyn Events,
    lease: &Lease,
) -> Result<Vec<export::Written>, BuildError> {
    let mut written = Vec::with_capacity(request.outputs.len());
    for output in &request.outputs {
        if output.format.needs_blobs() {
            // The step of no vertex: layers of a base that no step of this build needed.
            fetch_blobs(image, world, events, StepId(u32::MAX), lease).map_err(BuildError::Layers)?;
        }
        let done = export::write(world.store, image, &request.tags, output)?;
        let result = Exported::Path { path: done.path.clone(), size: done.size };
        events.event(&Event::Exported { result });
        written.push(done);
    }
    Ok(written)
}

fn target(plan: &Plan) -> Result<&PlannedStage, BuildError> {
    plan.targets.first().and_then(|target| plan.stages.get(*target)).ok_or(BuildError::Cancelled)
}

/// The diff IDs of layers packed under profiles. Those that are not known yet are hashed side by side.
fn diff_ids(world: &World<'_>, packed: &[(LayerId, TarProfile)]) -> Result<Vec<DiffId>, BuildError> {
    let store = world.store;
    let known = packed.iter().map(|(layer, profile)| store.known_diff_id(*layer, profile));
    let known = known.collect::<Result<Vec<_>, _>>()?;
    let unknown: Vec<_> = packed.iter().zip(&known).filter(|(_, known)| known.is_none()).collect();
    let next = AtomicUsize::new(0);
    let work = || -> Result<(), BuildError> {
        while let Some(((layer, profile), _)) = unknown.get(next.fetch_add(1, Ordering::Relaxed)) {
            store.diff_id(*layer, profile)?;
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let others: Vec<_> = (1..world.threads.min(unknown.len())).map(|_| scope.spawn(work)).collect();
        let own = work();
        let joined = others.into_iter().map(|other| other.join().unwrap_or(Err(BuildError::Cancelled)));
        joined.chain([own]).collect::<Result<(), _>>()
    })?;
    let asked = packed.iter().zip(known);
    asked
        .map(|((layer, profile), known)| known.map_or_else(|| Ok(store.diff_id(*layer, profile)?), Ok))
        .collect()
}

/// The configuration of the target's image, and its layers.
fn assemble(
    request: &BuildRequest,
    world: &World<'_>,
    plan: &Plan,
    found: &Found,
    stage: &PlannedStage,
    chain: &[Snapshot],
) -> Result<(ImageConfig, Vec<ImageLayer>), BuildError> {
    let base = stage.config.rootfs.diff_ids.len();
    let own = chain.get(base..).unwrap_or_default();
    let made_by = stage.history.iter().filter_map(|step| plan.vertex(step.vertex?));
    let packed = own.iter().zip(made_by).map(|(snapshot, vertex)| {
        let profile = export::profile(request.source_date_epoch, has_times_of_a_checkout(plan, vertex));
        (snapshot.layer, profile)
    });
    let hashed = diff_ids(world, &packed.collect::<Vec<_>>())?;
    let mut own_layers = Vec::with_capacity(own.len());
    for (diff_id, snapshot) in hashed.iter().zip(own) {
        own_layers.push(StepLayer { diff_id: *diff_id, created: world.store.layer_created(snapshot.layer)? });
    }
    let mut made = own_layers.into_iter();
    let config = configuration(stage, request.source_date_epoch, |_| made.next());
    let base_image = stage.base.and_then(|id| match &plan.vertex(id)?.op {
        Op::Image(image) => found.image(&image.reference, &image.platform),
        _ => None,
    });
    let diff_ids = &config.rootfs.diff_ids;
    let mut layers = Vec::with_capacity(diff_ids.len());
    for (index, (diff_id, snapshot)) in diff_ids.iter().zip(chain).enumerate() {
        if let Some(chain) = ChainId::of(&diff_ids[..=index]).filter(|_| index >= base) {
            world.store.bind_chain(chain, snapshot.id)?;
        }
        // A base's blob is never packed anew: the image keeps its name.
        let blob = base_image.and_then(|image| image.layers.get(index).cloned().flatten());
        layers.push(ImageLayer { diff_id: *diff_id, blob, snapshot: Some(snapshot.id) });
    }
    Ok((config, layers))
}

/// Whether the times of the files that a step puts into its layer may be those of a checkout: they come out of a build
/// context, or out of a stage that may have them from there. Those of an image are the image's.
fn has_times_of_a_checkout(plan: &Plan, vertex: &Vertex) -> bool {
    match &vertex.op {
        Op::Run(_) => false,
        Op::Copy(_) => {
            let mut sources = vertex.sources.iter().filter_map(|source| plan.vertex(*source));
            !sources.all(|source| matches!(source.op, Op::Image(_)))
        }
        Op::Merge => {
            let mut layers = vertex.sources.iter().filter_map(|layer| plan.vertex(*layer));
            layers.any(|layer| has_times_of_a_checkout(plan, layer))
        }
        Op::Mkdir(_) => true,
        Op::Image(_) | Op::Context(_) | Op::Inline(_) => true,
    }
}
