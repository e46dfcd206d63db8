//! The journal of a build: what each step read and how it came out. The last one of every Dockerfile is kept in the
//! store, so that the next build can say what changed since, and `galley why` can say it again.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::why::Cause;

/// The journal of one build.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Journal {
    /// The target stage, as it was asked for.
    pub target: Option<String>,
    /// The steps, in plan order.
    pub steps: Vec<StepEntry>,
}

/// What one step read, and how it came out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepEntry {
    /// The stage's name, or its number.
    pub stage: String,
    /// Position within the stage, from 1; 0 for a base, a context or an inline file.
    pub position: u32,
    /// The instruction as people read it.
    pub label: String,
    /// The line in the Dockerfile, from 1.
    pub line: u32,
    /// What the step read.
    pub read: StepFacts,
    /// How it came out.
    pub outcome: StepOutcome,
}

/// Everything that can change a step's result, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepFacts {
    /// Hex digest of the operation with all its options.
    pub operation: String,
    /// Environment and build arguments that a RUN sees.
    pub variables: BTreeMap<String, String>,
    /// The base image: its name and the chain ID of its layers.
    pub base: Option<(String, String)>,
    /// The definition key of the step that it stands on.
    pub parent: Option<String>,
    /// The line and label of the step that it stands on.
    pub parent_label: Option<(u32, String)>,
    /// Stages, contexts and inline files that it reads: name, and the digest of the part that it selects.
    pub sources: Vec<SourceFact>,
    /// The snapshot that came out.
    pub snapshot: Option<String>,
}

/// One source that a step reads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceFact {
    /// What it is called: `context`, a named context, or a stage.
    pub name: String,
    /// Whether it is a build context, whose files people edit.
    pub context: bool,
    /// Hex tree digest of the selected part; `None` where nobody had to know it.
    pub digest: Option<String>,
}

/// How a step came out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum StepOutcome {
    /// An earlier result served: nothing before it changed.
    Unchanged,
    /// An earlier result served: something before it changed, but not what it reads.
    SameContent,
    /// A later step's result served.
    NotNeeded,
    /// It ran.
    Ran(Cause),
}

impl Journal {
    /// The entry that stands for the same step in this (earlier) journal: the same instruction in the same stage, else
    /// the same position in the same stage.
    #[must_use]
    pub fn counterpart(&self, stage: &str, position: u32, label: &str) -> Option<&StepEntry> {
        let of_stage = || {
            self.steps.iter().filter(|step| step.stage == stage && (step.position == 0) == (position == 0))
        };
        let distance = |step: &&StepEntry| step.position.abs_diff(position);
        of_stage()
            .filter(|step| step.label == label)
            .min_by_key(distance)
            .or_else(|| of_stage().find(|step| step.position == position))
    }
}
