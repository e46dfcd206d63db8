//! From a parsed Dockerfile to a plan, without touching anything outside.
//!
//! [`lower()`] understands names: global arguments, stages and their bases, contexts, targets. [`Stages::needs`] says which
//! images and contexts have to be looked up; the caller does so and asks again until nothing is missing, because triggers
//! of a base image may need more. [`plan()`] then folds every instruction into a [`Plan`]: a static graph of operations, and
//! an image configuration for each stage.
#![forbid(unsafe_code)]

mod findings;
mod fold;
pub mod key;
pub mod lower;
pub mod op;
mod path;
pub mod plan;
mod scope;
pub mod stages;
mod text;

pub use fold::plan;
pub use key::{CacheKey, InputKey, KeyEncoder, content_key, definition_key};
pub use lower::{LowerOptions, NamedContextKind, lower};
pub use op::{
    CacheSharing, ContextSource, Copy, CopySource, ImageSource, InlineFile, Mkdir, MountKind, Network, Op,
    Run, RunMount, Script, SecretEnv, Unpack,
};
pub use plan::{HISTORY_COMMENT, Origin, Plan, PlannedHistory, PlannedStage, Vertex, VertexId};
pub use stages::{ImageName, ImageNeed, Needs, Resolved, ResolvedImage, Stages};
