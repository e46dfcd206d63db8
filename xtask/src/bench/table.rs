//! The table: one row a case, the bar, and whether it is held.

use std::fmt::Write;

use super::race::{Outcome, Role, Samples};
use super::{Bar, Case, PEAK};

/// A case with what came of it.
pub(super) struct Row<'a> {
    case: &'a Case,
    outcome: Outcome,
}

impl<'a> Row<'a> {
    pub(super) fn new(case: &'a Case, outcome: Outcome) -> Row<'a> {
        Row { case, outcome }
    }

    fn of(&self, role: Role) -> Option<&Samples> {
        self.outcome.samples.iter().find(|samples| samples.role == role)
    }

    fn median(&self, role: Role) -> Option<f64> {
        self.of(role).filter(|samples| samples.problem.is_none()).and_then(Samples::median)
    }

    /// The bar in seconds, in this race; None where it stands on a control that was not measured.
    fn limit(&self) -> Option<f64> {
        let Bar { seconds, control, peer } = self.case.bar;
        let by_control = match control {
            Some(times) => Some(times * self.median(Role::Control)?),
            None => None,
        };
        let peers = [Role::BuildKit, Role::Buildah].into_iter().filter_map(|role| self.median(role));
        let by_peer = peer.zip(peers.min_by(f64::total_cmp)).map(|(times, faster)| times * faster);
        [seconds, by_control, by_peer].into_iter().flatten().min_by(f64::total_cmp)
    }

    /// Whether the bar is held, the memory is kept to, and the results are right.
    pub(super) fn passed(&self) -> bool {
        let held = self.median(Role::Galley).zip(self.limit()).is_some_and(|(median, limit)| median <= limit);
        held && self.of(Role::Galley).is_some_and(|samples| samples.peak < PEAK)
    }

    /// The verdict in a few words.
    pub(super) fn verdict(&self) -> String {
        let median = self.median(Role::Galley).map_or("-".to_owned(), duration);
        let verdict = if self.passed() { "PASS" } else { "MISS" };
        let mut text =
            format!("{verdict} {median} against {}", self.limit().map_or("-".to_owned(), duration));
        for samples in &self.outcome.samples {
            if let Some(problem) = &samples.problem {
                let _ = write!(text, "; {:?}: {problem}", samples.role);
            }
        }
        text
    }

    fn cell(&self, role: Role) -> String {
        match self.of(role) {
            Some(Samples { problem: Some(_), .. }) => "failed".to_owned(),
            Some(samples) => {
                let range = samples.seconds.first().zip(samples.seconds.last());
                let range = range.map(|(least, most)| format!("{}..{}", duration(*least), duration(*most)));
                let median = samples.median().map_or("-".to_owned(), duration);
                format!("{median} ({}; n={})", range.unwrap_or_default(), samples.seconds.len())
            }
            None => match (role, self.case.noted) {
                (Role::BuildKit, [noted, _]) | (Role::Buildah, [_, noted]) if !noted.is_empty() => {
                    format!("[{noted}]")
                }
                _ => String::new(),
            },
        }
    }

    fn line(&self) -> String {
        let roles = [Role::Galley, Role::Control, Role::BuildKit, Role::Buildah];
        let cells = roles.map(|role| self.cell(role)).join(" | ");
        let peak = self.of(Role::Galley).map_or(0, |samples| samples.peak >> 20);
        let verdict = if self.passed() { "PASS" } else { "**MISS**" };
        format!("| {} | {cells} | {} | {verdict} | {peak} MiB |\n", self.case.title, bar(self.case.bar))
    }
}

/// The whole table as Markdown, with what has to be said below it.
pub(super) fn render(rows: &[Row<'_>]) -> String {
    let mut text = String::from(
        "| case | galley | control | BuildKit | buildah | bar | | peak |\n|---|---|---|---|---|---|---|---|\n",
    );
    text.extend(rows.iter().map(Row::line));
    text.push_str(
        "\nMedians (least..most; runs) of whole processes, warm, in turns, the disk at rest before each. Results are looked at, not only timed; after \
         each no-op case an edit of the same size with the old mtime, a chmod and an added file must be seen at once. Galley's durability is one \
         `syncfs` a build, in the numbers; the control syncs nothing. Peak: the most memory any of galley's processes held, which must stay below \
         200 MiB. In brackets: noted when the bars were set, not measured in this run.\n",
    );
    for row in rows {
        for note in &row.outcome.notes {
            let _ = writeln!(text, "- {}: {note}", row.case.name);
        }
        for samples in &row.outcome.samples {
            if let Some(problem) = &samples.problem {
                let _ = writeln!(text, "- {}, {:?}: {problem}", row.case.name, samples.role);
            }
        }
    }
    text
}

/// A bar as a reader states it.
fn bar(bar: Bar) -> String {
    let parts = [
        bar.seconds.map(duration),
        bar.control.map(|times| format!("{times} x control")),
        bar.peer.map(|times| format!("1/{:.0} of the faster peer", 1.0 / times)),
    ];
    parts.into_iter().flatten().collect::<Vec<String>>().join(", ")
}

/// Seconds in three digits, as milliseconds where they are few.
pub(crate) fn duration(seconds: f64) -> String {
    if seconds < 0.1 { format!("{:.1} ms", seconds * 1000.0) } else { format!("{seconds:.2} s") }
}

#[cfg(test)]
mod tests;
