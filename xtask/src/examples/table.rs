//! The tables of what was measured, as Markdown.

use std::fmt::Write;

use super::measure::Measured;
use super::weigh::Weight;
use super::{Example, SINGLE};
use crate::bench::race::Samples;
use crate::bench::table::duration;

/// One Dockerfile of an example.
pub(super) struct Row<'a> {
    pub(super) example: &'a Example,
    /// Which of its files: one of `FORMS`.
    pub(super) form: &'static str,
    pub(super) measured: Measured,
}

/// A base that the examples start from.
pub(super) struct Base {
    pub(super) name: String,
    /// Seconds until it was there.
    pub(super) made: f64,
    pub(super) weight: Weight,
}

/// Every image.
pub(super) fn images(rows: &[Row<'_>]) -> String {
    let mut text = String::from(
        "| example | file | layers | size | compressed | first build | nothing changed | one line edited |\n\
         |---|---|---|---|---|---|---|---|\n",
    );
    for row in rows {
        let single = rows.iter().find(|other| other.example.name == row.example.name && other.form == SINGLE);
        let whole = single.filter(|_| row.form != SINGLE).map(|single| &single.measured.weight);
        let Measured { weight, cold, unchanged, edited, .. } = &row.measured;
        let _ = writeln!(
            text,
            "| `{}`: {} | {} | {} | {} | {} | {} | {} | {} |",
            row.example.name,
            row.example.title,
            row.form,
            weight.layers,
            size(weight.plain, whole.map(|whole| whole.plain)),
            size(weight.packed, whole.map(|whole| whole.packed)),
            duration(*cold),
            median(unchanged),
            median(edited),
        );
    }
    text
}

/// The bases, the heaviest first.
pub(super) fn bases(bases: &[Base]) -> String {
    let mut sorted: Vec<&Base> = bases.iter().collect();
    sorted.sort_by_key(|base| (std::cmp::Reverse(base.weight.plain), &base.name));
    let mut text =
        String::from("| base | layers | size | compressed | there after |\n|---|---|---|---|---|\n");
    for Base { name, made, weight } in sorted {
        let (plain, packed) = (megabytes(weight.plain), megabytes(weight.packed));
        let _ = writeln!(text, "| `{name}` | {} | {plain} | {packed} | {} |", weight.layers, duration(*made));
    }
    text
}

/// What the examples said, so that it is seen that they ran.
pub(super) fn answers(rows: &[Row<'_>]) -> String {
    /// A page is longer than one wants to read.
    const LENGTH: usize = 120;
    let mut text = String::new();
    for row in rows {
        let answer = &row.measured.answer;
        let shown = answer.find("example-").map_or(0, |found| found.saturating_sub(LENGTH / 4));
        let shown: String = answer.chars().skip(shown).take(LENGTH).collect();
        let _ = writeln!(text, "- `{}`, {}: `GET /` answers `{shown}`", row.example.name, row.form);
    }
    text
}

fn median(samples: &Samples) -> String {
    samples.median().map_or("-".to_owned(), duration)
}

/// Decimal megabytes.
pub(super) fn megabytes(bytes: u64) -> String {
    // Sizes of images are far below 2^53.
    format!("{:.1} MB", bytes as f64 / 1e6)
}

/// How much smaller `part` is than `whole`, in percent; 0 where there is no whole.
pub(super) fn smaller(whole: u64, part: u64) -> f64 {
    if whole == 0 { 0.0 } else { 100.0 - 100.0 * part as f64 / whole as f64 }
}

/// Decimal megabytes, and how much less than `whole` they are.
fn size(bytes: u64, whole: Option<u64>) -> String {
    let share = whole.map(|whole| format!(" (-{:.1} %)", smaller(whole, bytes)));
    megabytes(bytes) + &share.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_compared_with_the_whole() {
        assert_eq!(size(12_340_000, None), "12.3 MB");
        assert_eq!(size(5_000_000, Some(1_000_000_000)), "5.0 MB (-99.5 %)");
        assert_eq!(smaller(0, 1).to_string(), "0");
    }
}
