//! The faces of a build: what people and programs see of it. All are functions of the same events.

pub mod diagnostics;
mod frame;
mod json;
mod lines;
pub mod listing;
mod plain;
pub mod quantity;
pub mod report;
mod styled;
mod summary;
pub mod table;
pub mod timeline;
mod tty;
pub mod why;

#[cfg(test)]
mod tests;

use std::io::Write;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use galley_build::events::{Event, Events};

use json::Json;
use plain::Plain;
use timeline::Timeline;
use tty::Tty;

/// Which face a build has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaceKind {
    /// Numbered log lines.
    Plain,
    /// A live screen.
    Tty,
    /// JSON lines.
    Json,
    /// Nothing.
    Quiet,
}

/// One build's face, on standard error.
pub struct Face {
    start: Instant,
    color: bool,
    printer: Printer,
}

enum Printer {
    Plain(Mutex<(Timeline, Plain)>),
    Tty(Tty),
    Json(Mutex<Json>),
    Quiet,
}

impl Face {
    /// Starts a face; `start` is the moment that times count from. A live screen that cannot be started becomes a plain log.
    pub fn start(kind: FaceKind, start: Instant, color: bool) -> Self {
        let plain = || Printer::Plain(Mutex::default());
        let printer = match kind {
            FaceKind::Plain => plain(),
            FaceKind::Tty => Tty::start(start, color).map_or_else(|_| plain(), Printer::Tty),
            FaceKind::Json => Printer::Json(Mutex::default()),
            FaceKind::Quiet => Printer::Quiet,
        };
        Self { start, color, printer }
    }

    /// Ends a successful build: the live screen gives way to the warnings and one line of result, after `remarks`.
    pub fn succeed(self, remarks: &[String]) {
        let took = self.start.elapsed();
        let mut text = String::new();
        match self.printer {
            Printer::Plain(state) => {
                let (timeline, _) = state.into_inner().unwrap_or_else(PoisonError::into_inner);
                text = summary::closing(&timeline, took, remarks);
            }
            Printer::Tty(tty) => {
                let timeline = tty.finish();
                text = summary::warnings(&timeline);
                text += &summary::closing(&timeline, took, remarks);
            }
            Printer::Json(_) | Printer::Quiet => {}
        }
        to_stderr(text.as_bytes());
    }

    /// Ends a failed build with `error`, a text for people that ends with a line break.
    pub fn fail(self, error: &str) {
        let mut bytes = Vec::new();
        match self.printer {
            Printer::Json(_) => json::error(self.start.elapsed(), error, &mut bytes),
            Printer::Tty(tty) => {
                bytes.extend(summary::warnings(&tty.finish()).into_bytes());
                bytes.extend_from_slice(error.as_bytes());
            }
            Printer::Plain(_) => {
                bytes.push(b'\n');
                bytes.extend_from_slice(error.as_bytes());
            }
            Printer::Quiet => bytes.extend_from_slice(error.as_bytes()),
        }
        to_stderr(&bytes);
    }

    /// Whether errors are to be shown in colour.
    pub fn color(&self) -> bool {
        self.color && !matches!(self.printer, Printer::Json(_))
    }
}

impl Events for Face {
    fn event(&self, event: &Event) {
        match &self.printer {
            Printer::Plain(state) => {
                let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
                let (timeline, plain) = &mut *state;
                // Under the lock, so that times never run backwards in the log.
                let at = self.start.elapsed();
                timeline.apply(at, event);
                let mut out = Vec::new();
                plain.print(timeline, at, event, &mut out);
                to_stderr(&out);
            }
            Printer::Tty(tty) => tty.update(|timeline| timeline.apply(self.start.elapsed(), event)),
            Printer::Json(json) => {
                let mut json = json.lock().unwrap_or_else(PoisonError::into_inner);
                let mut out = Vec::new();
                json.print(self.start.elapsed(), event, &mut out);
                to_stderr(&out);
            }
            Printer::Quiet => {}
        }
    }
}

/// Errors are ignored: a reader that went away must not stop the build.
fn to_stderr(bytes: &[u8]) {
    if !bytes.is_empty() {
        let _ = std::io::stderr().lock().write_all(bytes);
    }
}
