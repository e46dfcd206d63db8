//! The straight line: parse, lower, resolve, plan, solve, export.

use galley_image::{ChainId, Digest, ImageConfig, Reference};
use galley_plan::{LowerOptions, NamedContextKind, Op, Plan, PlannedStage, VertexId};
use galley_store::{ImageLayer, Lease, NewImage, Snapshot};

use crate::error::BuildError;
use crate::events::{Event, Events, Exported, Step};
use crate::export;
use crate::image::{StepLayer, configuration};
use crate::journal::Journal;
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
    let planned = self::plan(request, world, events)?;
    let PlanLine { plan, found, lease } = &planned;
    events.event(&Event::Planned { steps: steps(plan) });
    for warning in &plan.warnings {
        events.event(&Event::Warning { step: None, message: warning.message.clone() });
    }
    let before = journal_of(world, &request.dockerfile_name)?.unwrap_or_default();
    let solver = Solver::new(plan, request, world, events, found, lease, before);
    let tops: Vec<VertexId> =
        plan.targets.iter().filter_map(|target| plan.stages.get(*target)?.top).collect();
    let solved = solver.solve(&tops);
    found.save_digests(request)?;
    let journal = solver.journal();
    keep_journal(world, request, &journal)?;
    let built = solved.and_then(|_| finish(request, world, events, plan, &solver, &journal));
    if solver.anything_ran() {
        // Also after a failure: what was finished before it is worth keeping through a power cut.
        world.store.sync()?;
    }
    built
}

/// A plan and what it was made from.
pub struct PlanLine {
    /// The plan.
    pub plan: Plan,
    pub(crate) found: Found,
    pub(crate) lease: Lease,
}

/// The part of the line that runs nothing: parse, lower, resolve, plan.
///
/// # Errors
/// [`BuildError`].
pub fn plan(request: &BuildRequest, world: &World<'_>, events: &dyn Events) -> Result<PlanLine, BuildError> {
    let parsed = galley_syntax::parse(&request.dockerfile);
    let stages = galley_plan::lower(&parsed, &lower_options(request)).map_err(BuildError::Dockerfile)?;
    let lease = world.store.lease()?;
    let found = resolve(&stages, request, world, events, &lease)?;
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

fn lower_options(request: &BuildRequest) -> LowerOptions {
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
    request: &BuildRequest,
    world: &World<'_>,
    events: &dyn Events,
    plan: &Plan,
    solver: &Solver<'_>,
    journal: &Journal,
) -> Result<Built, BuildError> {
    let stage =
        plan.targets.first().and_then(|target| plan.stages.get(*target)).ok_or(BuildError::Cancelled)?;
    let top = stage.top.map(|top| solver.top_snapshot(top)).transpose()?.flatten();
    let chain = world.store.chain(top)?;
    let (config, layers) = assemble(request, world, plan, solver.found, stage, &chain)?;
    let bytes = export::config_bytes(&config);
    let id = world.store.put_image(&NewImage { config: bytes, layers, manifest: None })?;
    for tag in &request.tags {
        world.store.tag(tag, id)?;
    }
    let size = export::size_of(world.store, &chain)?;
    let image =
        Exported::Image { id, tags: request.tags.clone(), size, layers: config.rootfs.diff_ids.len() };
    events.event(&Event::Exported { result: image });
    let mut written = Vec::with_capacity(request.outputs.len());
    for output in &request.outputs {
        let done = export::write(world.store, id, &request.tags, output, request.source_date_epoch)?;
        events
            .event(&Event::Exported { result: Exported::Path { path: done.path.clone(), size: done.size } });
        written.push(done);
    }
    Ok(Built { id, config, tags: request.tags.clone(), written, why: why::summary(journal) })
}

/// The configuration of the target's image, and its layers. Diff IDs of new layers are hashed side by side.
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
    let profile = export::profile(request.source_date_epoch);
    let hashed = std::thread::scope(|scope| {
        let handles: Vec<_> = own
            .iter()
            .map(|snapshot| scope.spawn(|| world.store.diff_id(snapshot.layer, &profile)))
            .collect();
        let joined = handles
            .into_iter()
            .map(|handle| handle.join().map_err(|_| BuildError::Cancelled)?.map_err(BuildError::from));
        joined.collect::<Result<Vec<_>, BuildError>>()
    })?;
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
