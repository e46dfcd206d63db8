//! JSON lines, for programs: one object per event, one line per object, nothing cut.

use std::collections::HashMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use galley_build::events::{Event, Exported, Outcome, Reuse, Step, StepId, Stream};
use serde_json::{Map, Value, json};

use super::lines::{LineBuffer, OutputLine};

/// The lines of output that are not complete yet.
#[derive(Debug, Default)]
pub struct Json {
    lines: HashMap<StepId, LineBuffer>,
}

impl Json {
    /// The next lines: `event` happened at `at`. Output comes as one object per line of it, in `text`, or in `base64` where it is
    /// not UTF-8.
    pub fn print(&mut self, at: Duration, event: &Event, out: &mut Vec<u8>) {
        match event {
            Event::Planned { steps } => {
                let steps: Vec<Value> = steps.iter().map(step).collect();
                write(out, at, "planned", json!({ "steps": steps }));
            }
            Event::Started { step } => write(out, at, "started", json!({ "step": step.0 })),
            Event::Cached { step, why } => {
                write(out, at, "cached", json!({ "step": step.0, "why": reuse(why) }));
            }
            Event::Ran { step, why } => write(out, at, "ran", json!({ "step": step.0, "why": why })),
            Event::Output { step, stream, bytes } => {
                let lines = self.lines.entry(*step).or_default();
                lines.push(*stream, bytes, &mut |line| output(out, at, *step, line));
            }
            Event::Progress { step, what, done, total } => {
                let fields = json!({ "step": step.0, "what": what, "done": done, "total": total });
                write(out, at, "progress", fields);
            }
            Event::Finished { step, outcome } => self.finished(at, *step, outcome, out),
            Event::Warning { step, message } => {
                let fields = json!({ "step": step.map(|step| step.0), "message": message });
                write(out, at, "warning", fields);
            }
            Event::Base { name, origin, bound_by, version, id } => {
                let fields = json!({ "name": name, "origin": origin, "bound_by": bound_by, "version": version, "image": id });
                write(out, at, "base", fields);
            }
            Event::Exported { result } => write(out, at, "exported", exported(result)),
        }
    }

    fn finished(&mut self, at: Duration, step: StepId, outcome: &Outcome, out: &mut Vec<u8>) {
        if let Some(mut lines) = self.lines.remove(&step) {
            lines.finish(&mut |line| output(out, at, step, line));
        }
        let fields = match outcome {
            Outcome::Done { size } => json!({ "step": step.0, "outcome": "done", "size": size }),
            Outcome::Cancelled => json!({ "step": step.0, "outcome": "cancelled" }),
            Outcome::Failed => json!({ "step": step.0, "outcome": "failed" }),
        };
        write(out, at, "finished", fields);
    }
}

/// The line that says why the build failed.
pub fn error(at: Duration, message: &str, out: &mut Vec<u8>) {
    write(out, at, "error", json!({ "message": message }));
}

fn step(step: &Step) -> Value {
    json!({
        "id": step.id.0,
        "stage": step.stage,
        "position": step.position.map(|(at, _)| at),
        "of": step.position.map(|(_, of)| of),
        "label": step.label,
        "line": step.line,
    })
}

fn reuse(why: &Reuse) -> &'static str {
    match why {
        Reuse::Unchanged => "unchanged",
        Reuse::SameContent => "same-content",
        Reuse::NotNeeded => "not-needed",
    }
}

fn output(out: &mut Vec<u8>, at: Duration, step: StepId, line: OutputLine<'_>) {
    let stream = match line.stream {
        Stream::Stdout => "stdout",
        Stream::Stderr => "stderr",
    };
    let fields = match std::str::from_utf8(line.bytes) {
        Ok(text) => json!({ "step": step.0, "stream": stream, "text": text }),
        Err(_) => json!({ "step": step.0, "stream": stream, "base64": STANDARD.encode(line.bytes) }),
    };
    write(out, at, "output", fields);
}

fn exported(result: &Exported) -> Value {
    match result {
        Exported::Image { id, tags, size, layers } => {
            let tags: Vec<String> = tags.iter().map(ToString::to_string).collect();
            json!({ "image": id, "tags": tags, "size": size, "layers": layers })
        }
        Exported::Path { path, size } => json!({ "path": path, "size": size }),
    }
}

fn write(out: &mut Vec<u8>, at: Duration, name: &str, fields: Value) {
    let mut object = Map::new();
    object.insert("time".into(), json!((at.as_secs_f64() * 1000.0).round() / 1000.0));
    object.insert("event".into(), json!(name));
    if let Value::Object(fields) = fields {
        object.extend(fields);
    }
    out.extend_from_slice(Value::Object(object).to_string().as_bytes());
    out.push(b'\n');
}
