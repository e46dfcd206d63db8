//! The live screen: draws the frame at most 20 times a second below whatever stands on the terminal, and wipes it at the end.

use std::io::Write;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossterm::cursor::{Hide, MoveToColumn, MoveUp, Show};
use crossterm::queue;
use crossterm::terminal::{Clear, ClearType};

use super::frame::frame;
use super::styled::StyledLine;
use super::timeline::Timeline;

/// Time between two frames.
const INTERVAL: Duration = Duration::from_millis(50);

/// The thread that draws. Dropping it, or [`Tty::finish`], wipes the screen.
pub struct Tty {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    state: Mutex<Drawn>,
    wake: Condvar,
}

struct Drawn {
    timeline: Timeline,
    finished: bool,
}

impl Tty {
    /// Starts to draw on standard error; `start` is the moment that times count from. The first frame comes after one interval, so
    /// that a build that finds everything cached draws nothing at all.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn start(start: Instant, color: bool) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            state: Mutex::new(Drawn { timeline: Timeline::default(), finished: false }),
            wake: Condvar::new(),
        });
        let for_thread = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("screen".into())
            .spawn(move || draw_until_finished(&for_thread, start, color))?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Lets `change` change the timeline.
    pub fn update(&self, change: impl FnOnce(&mut Timeline)) {
        change(&mut lock(&self.shared.state).timeline);
    }

    /// Wipes the screen and gives the timeline back.
    pub fn finish(mut self) -> Timeline {
        self.stop();
        std::mem::take(&mut lock(&self.shared.state).timeline)
    }

    fn stop(&mut self) {
        lock(&self.shared.state).finished = true;
        self.shared.wake.notify_all();
        if let Some(thread) = self.thread.take() {
            // A panic of the drawing thread has been reported by then, and the build goes on without a screen.
            let _ = thread.join();
        }
    }
}

impl Drop for Tty {
    fn drop(&mut self) {
        self.stop();
    }
}

fn lock(state: &Mutex<Drawn>) -> MutexGuard<'_, Drawn> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn draw_until_finished(shared: &Shared, start: Instant, color: bool) {
    let mut screen = Screen { color, ..Screen::default() };
    let mut state = lock(&shared.state);
    loop {
        let (next, _) = shared
            .wake
            .wait_timeout_while(state, INTERVAL, |state| !state.finished)
            .unwrap_or_else(PoisonError::into_inner);
        if next.finished {
            drop(next);
            screen.draw(&[], size().0);
            return;
        }
        let (columns, rows) = size();
        // The last row stays free: the cursor stands there, and filling it would scroll.
        let lines = frame(&next.timeline, start.elapsed(), columns, rows.saturating_sub(1));
        drop(next);
        screen.draw(&lines, columns);
        state = lock(&shared.state);
    }
}

/// The terminal's columns and rows; what a terminal without a size is given is the classic one.
fn size() -> (usize, usize) {
    // Serial lines and programs that record sessions have terminals of no size at all.
    let known = crossterm::terminal::size().ok().filter(|(columns, rows)| *columns > 0 && *rows > 0);
    let (columns, rows) = known.unwrap_or((80, 24));
    (usize::from(columns), usize::from(rows))
}

/// What stands on the screen.
#[derive(Default)]
struct Screen {
    color: bool,
    widths: Vec<usize>,
}

impl Screen {
    /// Replaces what stands there by `lines`. Errors are ignored: a terminal that went away must not stop the build.
    fn draw(&mut self, lines: &[StyledLine], columns: usize) {
        if self.widths.is_empty() && lines.is_empty() {
            return;
        }
        let mut out = Vec::new();
        let _ = self.queue(lines, columns, &mut out);
        let mut stderr = std::io::stderr().lock();
        let _ = stderr.write_all(&out).and_then(|()| stderr.flush());
        self.widths = lines.iter().map(StyledLine::width).collect();
    }

    fn queue(&self, lines: &[StyledLine], columns: usize, out: &mut Vec<u8>) -> std::io::Result<()> {
        // On a terminal that has become narrower, lines drawn before take several rows now.
        let rows: usize = self.widths.iter().map(|width| width.div_ceil(columns).max(1)).sum();
        if let Some(up) = u16::try_from(rows).ok().filter(|up| *up > 0) {
            queue!(out, MoveUp(up))?;
        }
        // Hidden only while drawing: a galley that is killed leaves the terminal with its cursor.
        queue!(out, Hide, MoveToColumn(0), Clear(ClearType::FromCursorDown))?;
        for line in lines {
            out.extend_from_slice(line.ansi(self.color).as_bytes());
            out.extend_from_slice(b"\r\n");
        }
        queue!(out, Show)
    }
}
