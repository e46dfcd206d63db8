//! What a build tells while it runs: one enum, one sink. Every face (plain, tty, JSON lines) is a pure function of these.

use galley_image::{Digest, Reference};

/// Takes events. Called from several threads.
pub trait Events: Send + Sync {
    /// Takes one event.
    fn event(&self, event: &Event);
}

/// Drops everything.
pub struct NoEvents;

impl Events for NoEvents {
    fn event(&self, _: &Event) {}
}

/// Number of a step in [`Event::Planned`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StepId(pub u32);

/// A step as people know it: an instruction of the Dockerfile, or the loading of a base or context.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Its number, in plan order.
    pub id: StepId,
    /// The stage's name, or its index as text.
    pub stage: String,
    /// The position within the stage, from 1, and how many there are: `[builder 2/5]`. `None` for sources.
    pub position: Option<(u32, u32)>,
    /// What it does: `RUN npm ci`.
    pub label: String,
    /// The line of the Dockerfile, from 1; 0 for what stands in no line.
    pub line: u32,
}

/// Where output came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The steps that the target needs. Comes once, before anything of them; before it, and perhaps side by side, come the steps of each
    /// bound base that has to be made.
    Planned {
        /// In plan order.
        steps: Vec<Step>,
    },
    /// A step is being looked at or worked on.
    Started {
        /// Which.
        step: StepId,
    },
    /// A step needs no work: an earlier result serves, or nothing that runs needs it.
    Cached {
        /// Which.
        step: StepId,
        /// Why.
        why: Reuse,
    },
    /// A step has to run.
    Ran {
        /// Which.
        step: StepId,
        /// Why, in one line.
        why: String,
    },
    /// A running step wrote something. Bytes as they came, never cut, secrets masked.
    Output {
        /// Which.
        step: StepId,
        /// Where to.
        stream: Stream,
        /// What.
        bytes: Vec<u8>,
    },
    /// How far a step has come.
    Progress {
        /// Which.
        step: StepId,
        /// What is counted: `layer 3f4a…`, `files`.
        what: String,
        /// Bytes or items done.
        done: u64,
        /// Bytes or items in all, where known.
        total: Option<u64>,
    },
    /// A step has ended.
    Finished {
        /// Which.
        step: StepId,
        /// Whether it succeeded, was stopped, or failed.
        outcome: Outcome,
    },
    /// Something the user should know, which stops nothing.
    Warning {
        /// The step that it belongs to.
        step: Option<StepId>,
        /// The text.
        message: String,
    },
    /// A name stands for a base that the configuration binds. Nothing is substituted silently: this comes in every build.
    Base {
        /// The name, as people write it.
        name: String,
        /// What it is made of: `builtin:golang`, a Dockerfile.
        origin: String,
        /// The configuration file that says so.
        bound_by: String,
        /// Its version, where it says one.
        version: Option<String>,
        /// The image.
        id: Digest,
    },
    /// A result has been written.
    Exported {
        /// What and where.
        result: Exported,
    },
}

/// Why a step did not have to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reuse {
    /// The step and everything before it are unchanged.
    Unchanged,
    /// Something before it ran again, but what this step reads came out the same.
    SameContent,
    /// A later step's result serves, so nobody needs this one.
    NotNeeded,
}

/// How a step ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Done; `size` is the bytes that its layer adds.
    Done {
        /// Bytes.
        size: u64,
    },
    /// Stopped because the build was cancelled or another step failed.
    Cancelled,
    /// Failed; the build's error says more.
    Failed,
}

/// What an export made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Exported {
    /// The image in the store.
    Image {
        /// The image's id: the digest of its configuration.
        id: Digest,
        /// Its names.
        tags: Vec<Reference>,
        /// Bytes of all layers, uncompressed.
        size: u64,
        /// How many layers.
        layers: usize,
    },
    /// A file or directory.
    Path {
        /// Where.
        path: String,
        /// Bytes written.
        size: u64,
    },
}
