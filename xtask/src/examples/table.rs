//! The table of `examples/README.md`.

use std::fmt::Write;

use super::Example;
use super::measure::Measured;
use crate::bench::race::Samples;
use crate::bench::table::duration;

/// One Dockerfile of an example.
pub(super) struct Row<'a> {
    pub(super) example: &'a Example,
    /// `single` or `multi`.
    pub(super) form: &'static str,
    pub(super) measured: Measured,
}

/// The table as Markdown, with what has to be said below it.
pub(super) fn render(rows: &[Row<'_>], rounds: usize) -> String {
    let mut text = String::from(
        "| example | stages | layers | size | compressed | pull of the bases | first build | nothing changed | one line edited |\n\
         |---|---|---|---|---|---|---|---|---|\n",
    );
    for row in rows {
        let single =
            rows.iter().find(|other| other.example.name == row.example.name && other.form == "single");
        let whole = single.filter(|_| row.form != "single").map(|single| &single.measured.weight);
        let Measured { weight, pull, cold, unchanged, edited, .. } = &row.measured;
        let _ = writeln!(
            text,
            "| {}: {} | {} | {} | {} | {} | {} | {} | {} | {} |",
            row.example.name,
            row.example.title,
            row.form,
            weight.layers,
            size(weight.plain, whole.map(|whole| whole.plain)),
            size(weight.packed, whole.map(|whole| whole.packed)),
            duration(*pull),
            duration(*cold),
            median(unchanged),
            median(edited),
        );
    }
    let _ = write!(
        text,
        "\nSizes: bytes of the layers' tar files, base included, and of the same as a registry stores them; in brackets how much less than in one \
         stage. The pull starts from an empty store; the first build has the bases and nothing else, and downloads its packages. Rebuilds: medians of \
         {rounds}, whole processes; after each edit the image has to answer with it.\n\n"
    );
    for row in rows {
        let _ =
            writeln!(text, "- {}, {}: `GET /` answers `{}`", row.example.name, row.form, row.measured.answer);
    }
    text
}

fn median(samples: &Samples) -> String {
    samples.median().map_or("-".to_owned(), duration)
}

/// Decimal megabytes, and how much less than `whole` they are.
fn size(bytes: u64, whole: Option<u64>) -> String {
    // Sizes of images are far below 2^53.
    let part = |bytes: u64| bytes as f64;
    let mut text = format!("{:.1} MB", part(bytes) / 1e6);
    if let Some(whole) = whole.filter(|whole| *whole > 0) {
        let _ = write!(text, " (-{:.1} %)", 100.0 - 100.0 * part(bytes) / part(whole));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_compared_with_the_whole() {
        assert_eq!(size(12_340_000, None), "12.3 MB");
        assert_eq!(size(5_000_000, Some(1_000_000_000)), "5.0 MB (-99.5 %)");
        assert_eq!(size(1, Some(0)), "0.0 MB");
    }
}
