//! The events of a base's own build, as part of those of the build that asked for it.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::events::{Event, Events, Step, StepId};

/// Gives the steps of bases numbers that no step of the build has: those count from 0, and a plan of so many steps fits in no memory.
pub(super) struct Numbers(AtomicU32);

impl Numbers {
    pub(super) fn new() -> Self {
        Self(AtomicU32::new(1 << 30))
    }

    /// The first of `count` numbers.
    pub(super) fn take(&self, count: usize) -> u32 {
        self.0.fetch_add(u32::try_from(count).unwrap_or(u32::MAX >> 4), Ordering::Relaxed)
    }
}

/// Passes a base's events on: steps under the base's name and under numbers of their own. The image is no result of the build that asked.
pub(super) struct Nested<'a> {
    pub(super) events: &'a dyn Events,
    pub(super) numbers: &'a Numbers,
    /// The base's name.
    pub(super) name: String,
    /// The number of its step 0, once there is a plan.
    pub(super) first: OnceLock<u32>,
}

impl Nested<'_> {
    fn id(&self, step: StepId) -> StepId {
        // A step of no plan keeps its number.
        if step.0 == u32::MAX {
            return step;
        }
        StepId(self.first.get().copied().unwrap_or_default().saturating_add(step.0))
    }

    fn step(&self, step: &Step) -> Step {
        let stage = match step.stage.as_str() {
            "" => self.name.clone(),
            stage => format!("{} {stage}", self.name),
        };
        Step { id: self.id(step.id), stage, ..step.clone() }
    }
}

impl Events for Nested<'_> {
    fn event(&self, event: &Event) {
        let renumbered = match event {
            Event::Planned { steps } => {
                self.first.get_or_init(|| self.numbers.take(steps.len()));
                Event::Planned { steps: steps.iter().map(|step| self.step(step)).collect() }
            }
            Event::Started { step } => Event::Started { step: self.id(*step) },
            Event::Cached { step, why } => Event::Cached { step: self.id(*step), why: why.clone() },
            Event::Ran { step, why } => Event::Ran { step: self.id(*step), why: why.clone() },
            Event::Output { step, stream, bytes } => {
                Event::Output { step: self.id(*step), stream: *stream, bytes: bytes.clone() }
            }
            Event::Progress { step, what, done, total } => {
                Event::Progress { step: self.id(*step), what: what.clone(), done: *done, total: *total }
            }
            Event::Finished { step, outcome } => {
                Event::Finished { step: self.id(*step), outcome: outcome.clone() }
            }
            Event::Warning { step: None, message } => {
                Event::Warning { step: None, message: format!("{}: {message}", self.name) }
            }
            Event::Warning { step: Some(step), message } => {
                Event::Warning { step: Some(self.id(*step)), message: message.clone() }
            }
            Event::Base { .. } => event.clone(),
            Event::Exported { .. } => return,
        };
        self.events.event(&renumbered);
    }
}
