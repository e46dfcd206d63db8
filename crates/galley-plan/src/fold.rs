//! Planning: every instruction of the needed stages is folded into vertices, an image configuration and a history.

mod base;
mod copy;
mod graph;
mod history;
mod metadata;
mod mounts;
mod run;
mod values;

use std::collections::BTreeMap;

use galley_image::ImageConfig;
use galley_syntax::suggest;
use galley_syntax::{Diagnostic, Instruction, InstructionKind, Span, Word};

use self::graph::Graph;
use crate::findings::Findings;
use crate::op::Op;
use crate::plan::{Origin, Plan, PlannedHistory, PlannedStage, Vertex, VertexId};
use crate::scope::{Expander, PROXIES, Scope};
use crate::stages::{Resolved, Source, Stage, Stages, Step};

/// Plans the targets.
///
/// # Errors
/// Everything that is wrong with the instructions of the stages that the targets need, and every need that
/// [`Stages::needs`] still has. Each has a span.
pub fn plan(stages: &Stages, resolved: &Resolved) -> Result<Plan, Vec<Diagnostic>> {
    let mut findings = Findings::default();
    findings.extend(stages.warnings.iter().cloned());
    let reach = stages.reach(resolved);
    findings.merge(reach.findings);
    findings.extend(unresolved(stages, resolved));
    let mut findings = Findings::from_warnings(findings.into_result()?);

    let mut graph = Graph::default();
    let mut done: BTreeMap<usize, State> = BTreeMap::new();
    for stage in reach.order.iter().filter_map(|index| stages.stage(*index)) {
        let world = World { stages, resolved, stage, done: &done };
        let state = fold_stage(&world, &mut graph, &mut findings);
        done.insert(stage.index, state);
    }
    findings.extend(unused_arguments(stages, &done));
    let warnings = findings.into_result()?;

    let targets = stages.targets.iter().filter_map(|target| done.keys().position(|index| index == target));
    let targets = targets.collect();
    let stages = done.into_iter().filter_map(|(index, state)| planned(stages, index, state)).collect();
    Ok(Plan { vertices: graph.vertices, stages, targets, warnings })
}

/// What a fold reads and never changes.
#[derive(Clone, Copy)]
pub(crate) struct World<'p> {
    pub(crate) stages: &'p Stages,
    pub(crate) resolved: &'p Resolved,
    pub(crate) stage: &'p Stage,
    /// The stages that this one may use.
    pub(crate) done: &'p BTreeMap<usize, State>,
}

/// What the instructions so far have made.
#[derive(Clone, Debug)]
pub(crate) struct State {
    pub(crate) top: Option<VertexId>,
    pub(crate) base: Option<VertexId>,
    pub(crate) config: ImageConfig,
    pub(crate) scope: Scope,
    pub(crate) history: Vec<PlannedHistory>,
    /// CMD stands in this very stage, so ENTRYPOINT leaves it.
    pub(crate) command_set: bool,
}

/// The fold of one stage.
pub(crate) struct Fold<'p, 'm> {
    pub(crate) world: &'m World<'p>,
    pub(crate) graph: &'m mut Graph,
    pub(crate) findings: &'m mut Findings,
    pub(crate) state: State,
    /// Where the instruction at hand stands, and its text's escape character.
    origin: Span,
    escape: char,
    /// How many steps there are so far.
    steps: u32,
}

fn fold_stage(world: &World<'_>, graph: &mut Graph, findings: &mut Findings) -> State {
    let stage = world.stage;
    let state = base::state(world, graph, findings);
    let (origin, escape) = (stage.from, world.stages.escape);
    let mut fold = Fold { world, graph, findings, state, origin, escape, steps: 0 };
    for step in world.stages.steps(stage, world.resolved).0 {
        fold.step(&step);
    }
    let (state, steps) = (fold.state, fold.steps);
    graph.set_step_count(stage.index, steps);
    state
}

impl Fold<'_, '_> {
    fn step(&mut self, step: &Step<'_>) {
        let mark = self.findings.mark();
        (self.origin, self.escape) = (step.origin, step.escape);
        self.instruction(&step.instruction);
        if let Some(what) = &step.foreign {
            self.findings.pin_since(mark, self.world.stage.image, what);
        }
    }

    fn instruction(&mut self, instruction: &Instruction) {
        match &instruction.kind {
            InstructionKind::Run(run) => self.run(instruction, run),
            InstructionKind::Copy(copy) => self.copy(instruction, &copy.into()),
            InstructionKind::Add(add) => self.add(instruction, add),
            InstructionKind::Workdir(path) => self.workdir(instruction, path),
            _ => self.metadata(instruction),
        }
    }

    /// The value of a word here; `None` where an error was reported.
    pub(crate) fn text(&mut self, word: &Word) -> Option<String> {
        let (mut expander, scope) = self.expander();
        expander.text(word, scope)
    }

    pub(crate) fn expander(&mut self) -> (Expander<'_>, &Scope) {
        let globals = Some(&self.world.stages.globals);
        let expander = Expander { escape: self.escape, globals, findings: self.findings };
        (expander, &self.state.scope)
    }

    /// Where a source is in the plan.
    pub(crate) fn source(&mut self, source: &Source) -> VertexId {
        base::source(source, self.origin, self.world, self.graph)
    }

    /// Adds a step that becomes the stage's root file system.
    pub(crate) fn stack(&mut self, op: Op, sources: Vec<VertexId>, label: &Instruction) -> VertexId {
        self.steps += 1;
        let id = self.vertex(op, self.state.top, sources, label);
        self.state.top = Some(id);
        id
    }

    /// Adds a vertex for the instruction at hand.
    pub(crate) fn vertex(
        &mut self,
        op: Op,
        parent: Option<VertexId>,
        sources: Vec<VertexId>,
        instruction: &Instruction,
    ) -> VertexId {
        let stage = self.world.stage;
        let step = Some((self.steps, 0));
        let origin = self.world.stages.origin(stage, self.origin, step);
        let label = instruction.text.as_str().split_whitespace().collect::<Vec<_>>().join(" ");
        let platform = stage.platform.clone();
        self.graph.add(Vertex { op, platform, parent, sources, origin, also: Vec::new(), label })
    }

    /// Adds a line to the history.
    pub(crate) fn history(&mut self, created_by: String, vertex: Option<VertexId>) {
        self.state.history.push(PlannedHistory { created_by, vertex });
    }

    /// The working directory.
    pub(crate) fn cwd(&self) -> String {
        crate::path::join("/", &self.state.config.config.working_dir)
    }
}

impl Stages {
    pub(crate) fn origin(&self, stage: &Stage, span: Span, step: Option<(u32, u32)>) -> Origin {
        Origin { stage: stage.index, span, line: self.lines.line_column(span.start).line, step }
    }
}

fn planned(stages: &Stages, index: usize, state: State) -> Option<PlannedStage> {
    let stage = stages.stage(index)?;
    let mut config = state.config;
    if stages.targets.contains(&index) {
        config.config.labels.extend(stages.options.labels.clone());
    }
    let (name, platform) = (stage.name.clone(), stage.platform.clone());
    let (top, base, history) = (state.top, state.base, state.history);
    Some(PlannedStage { index, name, platform, top, base, config, history })
}

fn unresolved(stages: &Stages, resolved: &Resolved) -> Vec<Diagnostic> {
    let needs = stages.needs(resolved);
    let images = needs.images.iter().map(|(need, span)| {
        let text = format!("the image {} for {} has not been looked up", need.name, need.platform);
        Diagnostic::error("unresolved", *span, text)
    });
    let contexts = needs.contexts.iter().map(|(name, span)| {
        let text = match name.as_str() {
            "" => "there is no build context to read from".to_owned(),
            name => format!("the context `{name}` has not been looked up"),
        };
        Diagnostic::error("unresolved", *span, text)
    });
    images.chain(contexts).collect()
}

/// A warning for every `--build-arg` that no ARG declares.
fn unused_arguments(stages: &Stages, done: &BTreeMap<usize, State>) -> Vec<Diagnostic> {
    fn declared(instruction: &Instruction) -> Vec<&str> {
        match &instruction.kind {
            InstructionKind::Arg(arg) => arg.args.iter().map(|arg| arg.name.as_str()).collect(),
            InstructionKind::Onbuild(onbuild) => declared(&onbuild.instruction),
            _ => Vec::new(),
        }
    }
    let instructions = stages.list.iter().flat_map(|stage| &stage.instructions);
    let mut known: Vec<&str> = instructions.flat_map(declared).collect();
    let scopes = done.values().map(|state| &state.scope).chain([&stages.globals]);
    known.extend(scopes.flat_map(|scope| scope.arguments().map(|(name, _)| name)));
    let predefined = |name: &str| {
        PROXIES.iter().any(|proxy| proxy.eq_ignore_ascii_case(name)) || name == "SOURCE_DATE_EPOCH"
    };
    let place = stages.list.first().map_or(Span::default(), |stage| stage.from);
    let unused =
        stages.options.build_args.keys().filter(|name| !predefined(name) && !known.contains(&name.as_str()));
    let warning = |name: &String| {
        let text = format!("no ARG declares the build argument `{name}`, so it changes nothing");
        let warning = Diagnostic::warning("unused-build-arg", place, text);
        warning.help(
            suggest::did_you_mean(name, known.iter().copied())
                .unwrap_or_else(|| format!("write `ARG {name}` where it is used")),
        )
    };
    unused.map(warning).collect()
}
