//! The timeline: a pure fold over stamped events. Every face reads it, none keeps a state of the build of its own.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;

use galley_build::events::{Event, Exported, Outcome, Reuse, Step, StepId, Stream};

use super::lines::{LineBuffer, OutputLine};
use super::quantity;

/// What has happened so far.
#[derive(Clone, Debug, Default)]
pub struct Timeline {
    /// The steps in plan order.
    pub steps: Vec<StepState>,
    /// Warnings, with the index into `steps` of the step they belong to.
    pub warnings: Vec<(Option<usize>, String)>,
    /// One line about each bound base.
    pub bases: Vec<String>,
    /// Results.
    pub exported: Vec<Exported>,
    by_id: HashMap<StepId, usize>,
}

/// One step so far.
#[derive(Clone, Debug)]
pub struct StepState {
    /// The step.
    pub step: Step,
    /// How it stands.
    pub state: State,
    /// When it was first looked at.
    pub started: Option<Duration>,
    /// Why it had to run.
    pub why: Option<String>,
    /// What is counted, by name.
    pub progress: BTreeMap<String, Progress>,
    /// The name of what was counted last.
    counted: Option<String>,
    /// The last lines of its output.
    pub tail: Tail,
}

/// How a step stands. Times are since the build's start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Nobody has looked at it.
    Waiting,
    /// It is looked at: its inputs are hashed, or it waits for another build's lock.
    Looking,
    /// It needs no work.
    Cached(Reuse),
    /// It runs.
    Running {
        /// When it began to run.
        since: Duration,
    },
    /// It is done.
    Done {
        /// How long it took.
        took: Duration,
        /// The bytes that its layer adds.
        size: u64,
    },
    /// It was stopped because the build was cancelled or another step failed.
    Cancelled,
    /// It failed.
    Failed {
        /// How long it took.
        took: Duration,
    },
}

/// How far something has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Bytes or items done.
    pub done: u64,
    /// Bytes or items in all, where known.
    pub total: Option<u64>,
}

/// How many lines of output a [`Tail`] keeps.
const TAIL_LINES: usize = 64;
/// How many bytes of each line a [`Tail`] keeps.
const TAIL_WIDTH: usize = 4096;

/// The last lines of a step's output. Only for looking at: plain and JSON logs are written from the events themselves.
#[derive(Clone, Debug, Default)]
pub struct Tail {
    lines: VecDeque<Vec<u8>>,
    buffer: LineBuffer,
}

impl Tail {
    fn push(&mut self, stream: Stream, bytes: &[u8]) {
        let (lines, buffer) = (&mut self.lines, &mut self.buffer);
        buffer.push(stream, bytes, &mut |line: OutputLine<'_>| {
            if lines.len() == TAIL_LINES {
                lines.pop_front();
            }
            lines.push_back(line.bytes.get(..TAIL_WIDTH).unwrap_or(line.bytes).to_vec());
        });
    }

    /// The lines, oldest first, the unfinished last one included.
    pub fn lines(&self) -> impl DoubleEndedIterator<Item = &[u8]> {
        self.lines.iter().map(Vec::as_slice).chain(self.buffer.unfinished())
    }
}

impl Timeline {
    /// Takes the next event. Events of steps that were never planned are dropped.
    pub fn apply(&mut self, at: Duration, event: &Event) {
        match event {
            Event::Planned { steps } => self.plan(steps),
            Event::Started { step } => self.change(*step, |state| {
                state.started.get_or_insert(at);
                if state.state == State::Waiting {
                    state.state = State::Looking;
                }
            }),
            Event::Cached { step, why } => {
                self.change(*step, |state| {
                    // A step that ran in this build stays so, also where a second reader finds its result.
                    if matches!(state.state, State::Waiting | State::Looking) {
                        state.state = State::Cached(why.clone());
                    }
                });
            }
            Event::Ran { step, why } => self.change(*step, |state| {
                state.why = Some(why.clone());
                state.state = State::Running { since: at };
            }),
            Event::Output { step, stream, bytes } => {
                self.change(*step, |state| state.tail.push(*stream, bytes));
            }
            Event::Progress { step, what, done, total } => self.change(*step, |state| {
                state.progress.insert(what.clone(), Progress { done: *done, total: *total });
                state.counted = Some(what.clone());
            }),
            Event::Finished { step, outcome } => self.change(*step, |state| state.finish(at, outcome)),
            Event::Warning { step, message } => {
                let index = step.and_then(|id| self.index(id));
                self.warnings.push((index, message.clone()));
            }
            Event::Base { name, origin, bound_by, version, .. } => {
                let line = base_line(name, origin, bound_by, version.as_deref());
                // Several stages may stand on one.
                if !self.bases.contains(&line) {
                    self.bases.push(line);
                }
            }
            Event::Exported { result } => self.exported.push(result.clone()),
        }
    }

    /// The index into [`Timeline::steps`] of a step.
    pub fn index(&self, id: StepId) -> Option<usize> {
        self.by_id.get(&id).copied()
    }

    /// A step and its number as people see it, from 1.
    pub fn numbered(&self, id: StepId) -> Option<(usize, &StepState)> {
        let index = self.index(id)?;
        Some((index + 1, self.steps.get(index)?))
    }

    /// How many steps `matching` holds for.
    pub fn count(&self, matching: impl Fn(&StepState) -> bool) -> usize {
        self.steps.iter().filter(|step| matching(step)).count()
    }

    fn plan(&mut self, steps: &[Step]) {
        // Steps of bases that had to be made may be there already.
        for step in steps {
            self.by_id.insert(step.id, self.steps.len());
            self.steps.push(StepState::new(step));
        }
    }

    fn change(&mut self, id: StepId, with: impl FnOnce(&mut StepState)) {
        if let Some(step) = self.index(id).and_then(|index| self.steps.get_mut(index)) {
            with(step);
        }
    }
}

impl StepState {
    fn new(step: &Step) -> Self {
        Self {
            step: step.clone(),
            state: State::Waiting,
            started: None,
            why: None,
            progress: BTreeMap::new(),
            counted: None,
            tail: Tail::default(),
        }
    }

    fn finish(&mut self, at: Duration, outcome: &Outcome) {
        let since = match self.state {
            State::Cached(_) => return,
            State::Running { since } => since,
            _ => self.started.unwrap_or(at),
        };
        let took = at.saturating_sub(since);
        self.state = match outcome {
            Outcome::Done { size } => State::Done { took, size: *size },
            Outcome::Cancelled => State::Cancelled,
            Outcome::Failed => State::Failed { took },
        };
    }

    /// `[builder 2/5] RUN npm ci`, on one line.
    pub fn title(&self) -> String {
        let Step { stage, position, label, .. } = &self.step;
        let label = one_line(label);
        match position {
            Some((at, of)) => format!("[{stage} {at}/{of}] {label}"),
            None if stage.is_empty() => label,
            None => format!("[{stage}] {label}"),
        }
    }

    /// Whether something is being done for it now.
    pub fn is_active(&self) -> bool {
        matches!(self.state, State::Running { .. } | State::Looking)
    }

    /// How far it has come, for people: the bytes of all its layers together, else what was counted last.
    pub fn progress_text(&self) -> Option<String> {
        let mut layers =
            self.progress.iter().filter(|(what, _)| what.starts_with("layer")).map(|(_, count)| *count);
        if let Some(first) = layers.next() {
            let sum = layers.fold(first, |sum, next| Progress {
                done: sum.done.saturating_add(next.done),
                total: sum.total.zip(next.total).map(|(a, b)| a.saturating_add(b)),
            });
            let of = sum.total.map(|total| format!(" of {}", quantity::bytes(total))).unwrap_or_default();
            return Some(format!("{}{of}", quantity::bytes(sum.done)));
        }
        let what = self.counted.as_ref()?;
        let count = self.progress.get(what)?;
        if what.starts_with("download") {
            let of = count.total.map(|total| format!(" of {}", quantity::bytes(total))).unwrap_or_default();
            return Some(format!("{}{of}", quantity::bytes(count.done)));
        }
        let of = count.total.map(|total| format!(" of {total}")).unwrap_or_default();
        Some(format!("{}{of} {what}", count.done))
    }
}

/// The one line about a bound base.
pub fn base_line(name: &str, origin: &str, bound_by: &str, version: Option<&str>) -> String {
    let version = version.map(|version| format!(", version {version}")).unwrap_or_default();
    one_line(&format!("base {name}: {origin}{version} (bound by {bound_by})"))
}

/// `text` with line breaks and other control characters as spaces.
pub fn one_line(text: &str) -> String {
    text.trim().chars().map(|character| if character.is_control() { ' ' } else { character }).collect()
}
