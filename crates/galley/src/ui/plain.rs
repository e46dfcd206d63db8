//! Plain logs, for pipes and CI: every line carries its step's number, nothing is cut, nothing moves.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;
use std::time::Duration;

use galley_build::events::{Event, Exported, Outcome, Reuse, StepId, Stream};

use super::lines::{LineBuffer, OutputLine};
use super::quantity;
use super::timeline::{State, StepState, Timeline, base_line, one_line};

/// What the plain log has shown so far.
#[derive(Debug, Default)]
pub struct Plain {
    titled: HashSet<StepId>,
    lines: HashMap<StepId, LineBuffer>,
}

impl Plain {
    /// The log's next lines: `event`, which `timeline` has already taken, happened at `at`.
    pub fn print(&mut self, timeline: &Timeline, at: Duration, event: &Event, out: &mut Vec<u8>) {
        match event {
            Event::Planned { .. } | Event::Started { .. } => {}
            // A log tells what has come; how it comes is for a screen.
            Event::Progress { step, what, done, total }
                if (what.starts_with("layer") || what == "download") && Some(*done) == *total =>
            {
                if let Some(number) = self.title(timeline, *step, out) {
                    push(out, format_args!("#{number} {what} {}\n", quantity::bytes(*done)));
                }
            }
            Event::Progress { .. } => {}
            Event::Cached { step, why } => self.cached(timeline, *step, why, out),
            Event::Ran { step, why } => {
                if let Some(number) = self.title(timeline, *step, out) {
                    push(out, format_args!("#{number} because {}\n", one_line(why)));
                }
            }
            Event::Output { step, stream, bytes } => self.output(timeline, at, *step, (*stream, bytes), out),
            Event::Finished { step, outcome } => self.finished(timeline, at, *step, outcome, out),
            Event::Warning { step, message } => {
                let number = step.and_then(|step| self.title(timeline, step, out));
                let prefix = number.map(|number| format!("#{number} ")).unwrap_or_default();
                for line in message.lines() {
                    push(out, format_args!("{prefix}WARNING: {line}\n"));
                }
            }
            Event::Base { name, origin, bound_by, version, .. } => {
                push(out, format_args!("{}\n", base_line(name, origin, bound_by, version.as_deref())));
            }
            Event::Exported { result } => push(out, format_args!("{}\n", exported(result))),
        }
    }

    /// Writes a step's title at its first mention. The number, or `None` for a step that was never planned.
    fn title(&mut self, timeline: &Timeline, id: StepId, out: &mut Vec<u8>) -> Option<usize> {
        let (number, state) = timeline.numbered(id)?;
        if self.titled.insert(id) {
            if self.titled.len() > 1 {
                out.push(b'\n');
            }
            push(out, format_args!("#{number} {}\n", state.title()));
        }
        Some(number)
    }

    fn cached(&mut self, timeline: &Timeline, id: StepId, why: &Reuse, out: &mut Vec<u8>) {
        // A step whose result nobody needs tells nobody anything.
        let cached = |(_, state): (usize, &StepState)| matches!(state.state, State::Cached(_));
        if *why == Reuse::NotNeeded || !timeline.numbered(id).is_some_and(cached) {
            return;
        }
        if let Some(number) = self.title(timeline, id, out) {
            let remark = if *why == Reuse::SameContent { " (what it reads came out the same)" } else { "" };
            push(out, format_args!("#{number} CACHED{remark}\n"));
        }
    }

    fn output(
        &mut self,
        timeline: &Timeline,
        at: Duration,
        id: StepId,
        (stream, bytes): (Stream, &[u8]),
        out: &mut Vec<u8>,
    ) {
        let Some(number) = self.title(timeline, id, out) else { return };
        let time = elapsed(timeline, id, at);
        let lines = self.lines.entry(id).or_default();
        lines.push(stream, bytes, &mut |line| write_line(out, number, time, line));
    }

    fn finished(
        &mut self,
        timeline: &Timeline,
        at: Duration,
        id: StepId,
        outcome: &Outcome,
        out: &mut Vec<u8>,
    ) {
        let Some((number, state)) = timeline.numbered(id) else { return };
        if let Some(mut lines) = self.lines.remove(&id) {
            let time = elapsed(timeline, id, at);
            lines.finish(&mut |line| write_line(out, number, time, line));
        }
        let never_seen = !self.titled.contains(&id);
        if matches!(state.state, State::Cached(_)) || (never_seen && *outcome == Outcome::Cancelled) {
            return;
        }
        self.title(timeline, id, out);
        match state.state {
            State::Done { took, size: 0 } => {
                push(out, format_args!("#{number} DONE {}\n", quantity::duration(took)));
            }
            State::Done { took, size } => {
                let (time, size) = (quantity::duration(took), quantity::bytes(size));
                push(out, format_args!("#{number} DONE {time}, {size}\n"));
            }
            State::Failed { took } => {
                push(out, format_args!("#{number} FAILED {}\n", quantity::duration(took)));
            }
            _ => push(out, format_args!("#{number} CANCELLED\n")),
        }
    }
}

/// One line about a result.
pub fn exported(result: &Exported) -> String {
    match result {
        Exported::Image { id, tags, size, layers } => {
            let names: Vec<String> = tags.iter().map(galley_image::Reference::familiar).collect();
            let name = if names.is_empty() { String::new() } else { format!("{} ", names.join(", ")) };
            let layers = quantity::count(*layers, "layer");
            format!("image {name}{id} {} in {layers}", quantity::bytes(*size))
        }
        Exported::Path { path, size } => format!("wrote {path} {}", quantity::bytes(*size)),
    }
}

fn elapsed(timeline: &Timeline, id: StepId, at: Duration) -> Duration {
    let since = timeline.numbered(id).and_then(|(_, state)| match state.state {
        State::Running { since } => Some(since),
        State::Done { took, .. } | State::Failed { took } => Some(at.saturating_sub(took)),
        _ => state.started,
    });
    at.saturating_sub(since.unwrap_or(at))
}

fn write_line(out: &mut Vec<u8>, number: usize, time: Duration, line: OutputLine<'_>) {
    push(out, format_args!("#{number} {}.{:03} ", time.as_secs(), time.subsec_millis()));
    out.extend_from_slice(line.bytes);
    out.push(b'\n');
}

fn push(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    let mut line = String::new();
    // Writing to a String cannot fail.
    let _ = line.write_fmt(text);
    out.extend_from_slice(line.as_bytes());
}
