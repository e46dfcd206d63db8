//! Where a stage begins: the base's configuration and root file system. And where sources enter the plan.

use galley_image::{ChainId, ImageConfig, Platform};
use galley_syntax::{Diagnostic, Span};

use super::graph::Graph;
use super::{State, World};
use crate::findings::Findings;
use crate::op::{ContextSource, Copy, CopySource, ImageSource, Op, Unpack};
use crate::plan::{PlannedHistory, Vertex, VertexId};
use crate::scope::Scope;
use crate::stages::{ImageNeed, Source, Stage};

/// The PATH of an image that sets none.
pub(crate) const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The state after FROM.
pub(crate) fn state(world: &World<'_>, graph: &mut Graph, findings: &mut Findings) -> State {
    let stage = world.stage;
    match &stage.base {
        Source::Empty => fresh(empty_config(&stage.platform), None, None),
        Source::Stage(index) => match world.done.get(index) {
            Some(base) => {
                let mut state = State { command_set: false, ..base.clone() };
                state.config.config.on_build.clear();
                state
            }
            None => fresh(empty_config(&stage.platform), None, None),
        },
        Source::Image(need) => {
            let id = source(&stage.base, stage.from, world, graph);
            let mut config = image_config(world, need);
            config.forget_container();
            if !stage.platform.accepts(&config.platform) {
                findings.push(other_platform(stage, need, &config.platform));
            }
            if !stage.replaced {
                config.config.on_build.clear();
            }
            fresh(config, Some(id), Some(id))
        }
        Source::Directory(name) => directory(name, world, graph),
    }
}

fn fresh(mut config: ImageConfig, top: Option<VertexId>, base: Option<VertexId>) -> State {
    let mut scope = Scope::default();
    if !config.config.env.iter().any(|variable| variable.starts_with("PATH=")) {
        config.config.env.push(format!("PATH={DEFAULT_PATH}"));
    }
    for variable in &config.config.env {
        let (name, value) = variable.split_once('=').unwrap_or((variable, ""));
        scope.set(name, value);
    }
    State { top, base, config, scope, history: Vec::new(), command_set: false }
}

fn empty_config(platform: &Platform) -> ImageConfig {
    let mut config = ImageConfig::scratch(platform.clone());
    "/".clone_into(&mut config.config.working_dir);
    config
}

fn image_config(world: &World<'_>, need: &ImageNeed) -> ImageConfig {
    // Needs are checked before the fold begins, so the other arm is never the result of a build.
    world.resolved.images.get(need).map_or_else(|| empty_config(&need.platform), |image| image.config.clone())
}

fn other_platform(stage: &Stage, need: &ImageNeed, found: &Platform) -> Diagnostic {
    let text = format!("the image {} is for {found}, not for {}", need.name, stage.platform);
    let warning = Diagnostic::warning("base-platform", stage.image, text);
    warning.help(format!("use an image for {}, or build for {found} with `--platform`", stage.platform))
}

/// A directory as a base: all its files as the one layer.
fn directory(name: &str, world: &World<'_>, graph: &mut Graph) -> State {
    let stage = world.stage;
    let context = source(&stage.base, stage.from, world, graph);
    let copy = Copy {
        sources: vec![CopySource { source: 0, pattern: "/".to_owned() }],
        dest: "/".to_owned(),
        chown: None,
        chmod: None,
        exclude: Vec::new(),
        parents: false,
        link: false,
        unpack: Unpack::Never,
    };
    let top = graph.add(Vertex {
        op: Op::Copy(copy),
        platform: stage.platform.clone(),
        parent: None,
        sources: vec![context],
        origin: world.stages.origin(stage, stage.from, None),
        also: Vec::new(),
        label: format!("FROM {name}"),
    });
    let mut state = fresh(empty_config(&stage.platform), Some(top), None);
    state.history.push(PlannedHistory { created_by: format!("COPY --from={name} / /"), vertex: Some(top) });
    state
}

/// The vertex that a source is read from.
pub(crate) fn source(source: &Source, origin: Span, world: &World<'_>, graph: &mut Graph) -> VertexId {
    let (op, label, platform) = match source {
        Source::Stage(index) => match world.done.get(index).and_then(|stage| stage.top) {
            Some(top) => return top,
            None => (Op::Inline(Vec::new()), "an empty tree".to_owned(), None),
        },
        Source::Empty => (Op::Inline(Vec::new()), "an empty tree".to_owned(), None),
        Source::Directory(name) => {
            let label = if name.is_empty() { "context".to_owned() } else { format!("context {name}") };
            (Op::Context(ContextSource { name: name.clone() }), label, None)
        }
        Source::Image(need) => match world.resolved.images.get(need) {
            Some(image) => {
                let reference = image.reference.clone();
                let chain = ChainId::of(&image.config.rootfs.diff_ids);
                let platform = need.platform.clone();
                let label = format!("image {}", need.name);
                let op = Op::Image(ImageSource { reference, chain, platform: platform.clone() });
                (op, label, Some(platform))
            }
            None => (Op::Inline(Vec::new()), format!("image {}", need.name), None),
        },
    };
    // Files without a program in them are for every platform: one vertex serves all stages.
    let platform = platform.unwrap_or_else(|| world.stages.options.platform.clone());
    let origin = world.stages.origin(world.stage, origin, None);
    graph.add(Vertex { op, platform, parent: None, sources: Vec::new(), origin, also: Vec::new(), label })
}
