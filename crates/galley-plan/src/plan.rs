//! The plan: a static graph of vertices, and what each stage's image will say.

use galley_image::{ImageConfig, Platform};
use galley_syntax::{Diagnostic, Span};

use crate::op::Op;

/// A static graph of what a build may have to do. Nothing in it depends on a file's content.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Every vertex comes after its parent and sources. Vertices with the same operation and inputs are one.
    pub vertices: Vec<Vertex>,
    /// The stages that the targets need, in the order of the file.
    pub stages: Vec<PlannedStage>,
    /// Indexes into [`Plan::stages`]: what was asked for.
    pub targets: Vec<usize>,
    /// What stops nothing but should be said; those of lowering included.
    pub warnings: Vec<Diagnostic>,
}

/// Index into [`Plan::vertices`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VertexId(pub usize);

/// One operation with its inputs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vertex {
    /// What it does.
    pub op: Op,
    /// The platform it is done for.
    pub platform: Platform,
    /// The root file system that a step stacks on; `None` is nothing at all (`scratch`), and so it is for sources.
    pub parent: Option<VertexId>,
    /// What the operation reads besides; it refers to these by index.
    pub sources: Vec<VertexId>,
    /// Where it stands in the Dockerfile. Never part of a key.
    pub origin: Origin,
    /// Where else the very same vertex stands: another stage with the same beginning.
    pub also: Vec<Origin>,
    /// What people read: `RUN npm ci`. Never part of a key.
    pub label: String,
}

/// A place in the Dockerfile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Number of the stage, from 0.
    pub stage: usize,
    /// The instruction; the FROM line for a trigger that came with a base. A source has its first user's.
    pub span: Span,
    /// The line where it starts, from 1.
    pub line: u32,
    /// Which of the stage's steps it is, from 1, and how many there are; `None` for sources.
    pub step: Option<(u32, u32)>,
}

/// What a stage comes out as.
#[derive(Clone, Debug, PartialEq)]
pub struct PlannedStage {
    /// Its number in the file, from 0.
    pub index: usize,
    /// Its name, lower case, where it has one.
    pub name: Option<String>,
    /// Its platform.
    pub platform: Platform,
    /// The root file system it ends with; `None` is empty.
    pub top: Option<VertexId>,
    /// The [`Op::Image`] vertex at the bottom of `top`; `None` where that is `scratch`.
    pub base: Option<VertexId>,
    /// The image's configuration with every instruction folded in. `rootfs` and `history` are still those of the base
    /// image: layers of steps are appended when they are known, together with [`PlannedStage::history`].
    pub config: ImageConfig,
    /// What the instructions add to the history, those of stages between this one and the base image included.
    pub history: Vec<PlannedHistory>,
}

/// One line of an image's history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedHistory {
    /// The instruction, with the values it had.
    pub created_by: String,
    /// The step that made the layer; `None` is an entry with `empty_layer`.
    pub vertex: Option<VertexId>,
}

/// The `comment` of every history entry: builders name themselves there.
pub const HISTORY_COMMENT: &str = "galley";

impl Plan {
    /// The vertex of that id; `None` for an id of another plan.
    #[must_use]
    pub fn vertex(&self, id: VertexId) -> Option<&Vertex> {
        self.vertices.get(id.0)
    }

    /// The stage's name, or its number as text.
    #[must_use]
    pub fn stage_name(&self, index: usize) -> String {
        self.stages
            .iter()
            .find(|stage| stage.index == index)
            .and_then(|stage| stage.name.clone())
            .unwrap_or_else(|| index.to_string())
    }
}
