//! The page that one run makes: `docs/results.md` has it below a mark, with `--write`.

use std::fmt::Write;
use std::path::Path;

use super::table::{self, Base, Row};
use super::{Options, claims};
use crate::Result;

/// What stands before the measured part of the page.
const MARK: &str = "<!-- From here on made by `cargo xtask examples --write`. -->\n";

/// Everything that was measured, with what has to be said about it.
pub(super) fn render(options: &Options, bases: &[Base], rows: &[Row<'_>], failures: &[String]) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "## What the article says, and what came out\n\n{}", claims::render(rows));
    let _ = writeln!(text, "## Every image\n\n{}", table::images(rows));
    let _ = writeln!(
        text,
        "Sizes: bytes of the layers' tar files in 10^6, base included, and of the same as a registry stores them; in brackets how much less than in \
         one stage. The first build has the bases and nothing else, and downloads its packages: one run. Rebuilds: medians of {}, whole processes; \
         after each edit the image has to answer with it. Measured {}.\n",
        options.rounds,
        circumstances(options),
    );
    let _ = writeln!(text, "## The bases\n\n{}", table::bases(bases));
    let _ = writeln!(text, "## What the services said\n\n{}", table::answers(rows));
    for failure in failures {
        let _ = writeln!(text, "- FAILED {failure}");
    }
    text
}

/// Where and how it was measured.
fn circumstances(options: &Options) -> String {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let root = rustix::process::geteuid().is_root() && !options.user;
    let user = if root { "as root" } else { "as a user with subordinate ids" };
    let bases = match (&options.config, &options.registry) {
        (None, Some(_)) => "with bases from the registry that `--registry` names",
        (Some(_), _) => "with the bases that `--config` names",
        (None, None) => "with bases that galley made from packages",
    };
    format!("on {cores} cores, {user}, {bases}")
}

/// Writes what was measured into the page, below its mark.
///
/// # Errors
/// A page without the mark, or one that cannot be written.
pub(super) fn write(page: &Path, measured: &str) -> Result<()> {
    let text = std::fs::read_to_string(page).map_err(|error| format!("{}: {error}", page.display()))?;
    let (head, _) = text
        .split_once(MARK)
        .ok_or_else(|| format!("{} has no line `{}`", page.display(), MARK.trim_end()))?;
    let whole = format!("{head}{MARK}\n{}\n", measured.trim_end());
    std::fs::write(page, whole).map_err(|error| format!("{}: {error}", page.display()).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_keeps_what_stands_above_the_mark() {
        let directory = tempfile::tempdir().unwrap();
        let page = directory.path().join("page.md");
        std::fs::write(&page, format!("head\n{MARK}old\n")).unwrap();
        write(&page, "new\n\n").unwrap();
        assert_eq!(std::fs::read_to_string(&page).unwrap(), format!("head\n{MARK}\nnew\n"));
        std::fs::write(&page, "no mark").unwrap();
        assert!(write(&page, "new").is_err());
    }
}
