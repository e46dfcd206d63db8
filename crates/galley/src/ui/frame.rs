//! The live screen as a pure function of the timeline, the time and the terminal's size: a head line, one line per stage, and under
//! each running step the last lines of its output.

use std::time::Duration;

use super::quantity;
use super::styled::{Style, StyledLine, visible};
use super::timeline::{State, StepState, Timeline, one_line};

/// The columns that stages' names may take.
const NAME_WIDTH: usize = 16;
/// The most steps that are drawn as one cell each.
const CELLS: usize = 24;
/// The most lines of output under one step.
const TAIL: usize = 8;

/// The screen at `now`: at most `height` lines of at most `width` columns.
pub fn frame(timeline: &Timeline, now: Duration, width: usize, height: usize) -> Vec<StyledLine> {
    let stages = stages(timeline);
    let mut lines = vec![head(timeline, now)];
    let room = height.saturating_sub(1);
    let shown = choose(&stages, room);
    let name_width = stages.iter().map(|stage| stage.name.chars().count()).max().unwrap_or(0).min(NAME_WIDTH);
    let hidden = stages.len() - shown.len();
    let fixed: usize = shown.iter().map(|stage| stage.rows()).sum::<usize>() + usize::from(hidden > 0);
    let running = shown.iter().flat_map(|stage| stage.active()).count();
    let tail = room.saturating_sub(fixed).checked_div(running).unwrap_or(0).min(TAIL);
    for stage in &shown {
        stage.draw(now, name_width, tail, &mut lines);
    }
    if hidden > 0 {
        let rest = quantity::count(hidden, "more stage");
        lines.push(StyledLine::default().with(Style::Dim, format!("  … {rest}")));
    }
    lines.truncate(height);
    lines.into_iter().map(|line| line.cut(width)).collect()
}

/// The steps of one stage, in plan order.
struct Stage<'a> {
    name: String,
    steps: Vec<&'a StepState>,
}

fn stages(timeline: &Timeline) -> Vec<Stage<'_>> {
    let mut stages: Vec<Stage<'_>> = Vec::new();
    for step in &timeline.steps {
        // Bases and contexts of no stage.
        let name = if step.step.stage.is_empty() { "inputs".into() } else { one_line(&step.step.stage) };
        match stages.iter_mut().find(|stage| stage.name == name) {
            Some(stage) => stage.steps.push(step),
            None => stages.push(Stage { name, steps: vec![step] }),
        }
    }
    stages
}

/// The stages that fit into `rows` lines: what runs or failed first, then what waits, then what is done; in plan order.
fn choose<'a, 'b>(stages: &'b [Stage<'a>], rows: usize) -> Vec<&'b Stage<'a>> {
    let needed: usize = stages.iter().map(Stage::rows).sum();
    let mut ranked: Vec<(u8, usize)> =
        stages.iter().enumerate().map(|(index, stage)| (stage.rank(), index)).collect();
    ranked.sort_unstable();
    // Where not everything fits, one line says how many are missing.
    let mut left = if needed <= rows { rows } else { rows.saturating_sub(1) };
    let mut chosen = Vec::new();
    for (_, index) in ranked {
        let Some(stage) = stages.get(index) else { continue };
        if stage.rows() <= left {
            left -= stage.rows();
            chosen.push(index);
        }
    }
    chosen.sort_unstable();
    chosen.into_iter().filter_map(|index| stages.get(index)).collect()
}

fn head(timeline: &Timeline, now: Duration) -> StyledLine {
    let line = StyledLine::default().with(Style::Plain, format!("galley {}", quantity::duration(now)));
    if timeline.steps.is_empty() {
        return line.with(Style::Dim, "  planning");
    }
    let done = timeline.count(|step| matches!(step.state, State::Done { .. }));
    let cached = timeline.count(|step| matches!(step.state, State::Cached(_)));
    let running = timeline.count(StepState::is_active);
    let total = timeline.steps.len();
    line.with(
        Style::Dim,
        format!("  {} of {total} steps: {cached} cached, {done} ran, {running} at work", done + cached),
    )
}

impl Stage<'_> {
    fn active(&self) -> impl Iterator<Item = &StepState> {
        self.steps.iter().copied().filter(|step| step.is_active())
    }

    /// Lines without output: one, and one more for each further step that runs.
    fn rows(&self) -> usize {
        self.active().count().max(1)
    }

    fn rank(&self) -> u8 {
        let any = |matching: fn(&StepState) -> bool| self.steps.iter().any(|step| matching(step));
        if any(|step| matches!(step.state, State::Failed { .. })) || any(StepState::is_active) {
            0
        } else if any(|step| step.state == State::Waiting) {
            1
        } else {
            2
        }
    }

    fn draw(&self, now: Duration, name_width: usize, tail: usize, lines: &mut Vec<StyledLine>) {
        let name: String = self.name.chars().take(name_width).collect();
        let mut line = StyledLine::default().with(Style::Plain, format!(" {name:name_width$}  "));
        line = self.cells(line);
        let mut active = self.active();
        let Some(first) = active.next() else {
            lines.push(self.summary(line));
            return;
        };
        lines.push(describe(line.with(Style::Plain, "  "), first, now));
        push_tail(first, tail, lines);
        for step in active {
            let indent = " ".repeat(name_width + 3);
            lines.push(describe(StyledLine::default().with(Style::Plain, indent), step, now));
            push_tail(step, tail, lines);
        }
    }

    fn cells(&self, line: StyledLine) -> StyledLine {
        if self.steps.len() > CELLS {
            let finished =
                self.steps.iter().filter(|step| step.state != State::Waiting && !step.is_active()).count();
            return line.with(Style::Plain, format!("{finished}/{}", self.steps.len()));
        }
        self.steps.iter().fold(line, |line, step| match step.state {
            State::Waiting => line.with(Style::Dim, "□"),
            State::Looking | State::Running { .. } => line.with(Style::Active, "▣"),
            State::Cached(_) => line.with(Style::Dim, "▪"),
            State::Done { .. } => line.with(Style::Good, "■"),
            State::Failed { .. } => line.with(Style::Bad, "✗"),
            State::Cancelled => line.with(Style::Bad, "-"),
        })
    }

    /// What to say about a stage in which nothing runs.
    fn summary(&self, line: StyledLine) -> StyledLine {
        if let Some(step) = self.steps.iter().find(|step| matches!(step.state, State::Failed { .. })) {
            return line.with(Style::Bad, format!("  failed: {}", one_line(&step.step.label)));
        }
        if self.steps.iter().any(|step| step.state == State::Waiting) {
            return line;
        }
        if self.steps.iter().all(|step| matches!(step.state, State::Cached(_))) {
            return line.with(Style::Dim, "  cached");
        }
        let (time, size) =
            self.steps.iter().fold((Duration::ZERO, 0_u64), |(time, size), step| match step.state {
                State::Done { took, size: added } => (time + took, size.saturating_add(added)),
                _ => (time, size),
            });
        let size = if size > 0 { format!("  {}", quantity::bytes(size)) } else { String::new() };
        line.with(Style::Dim, format!("  {}{size}", quantity::duration(time)))
    }
}

fn describe(line: StyledLine, step: &StepState, now: Duration) -> StyledLine {
    let since = match step.state {
        State::Running { since } => since,
        _ => step.started.unwrap_or(now),
    };
    let time = quantity::duration(now.saturating_sub(since));
    // Time and progress stand before the label, so that a narrow screen cuts the label.
    let line = line.with(Style::Active, format!("{time:>6}  "));
    let line = match step.progress_text() {
        Some(progress) => line.with(Style::Dim, progress + "  "),
        None => line,
    };
    line.with(Style::Plain, one_line(&step.step.label))
}

fn push_tail(step: &StepState, rows: usize, lines: &mut Vec<StyledLine>) {
    let mut last: Vec<String> =
        step.tail.lines().rev().map(visible).filter(|line| !line.trim().is_empty()).take(rows).collect();
    last.reverse();
    lines.extend(last.iter().map(|line| StyledLine::default().with(Style::Dim, format!("   │ {line}"))));
}
