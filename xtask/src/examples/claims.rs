//! What the article says of each kind of program, and what was measured instead.
//!
//! The article is "Docker Multi-Stage Build Optimization | Practical Guide to ~90% Smaller Images". Each `Dockerfile.article` is its file for that
//! program, changed only where it does not build or run.

use std::fmt::Write;

use super::table::{Row, megabytes, smaller};
use super::{ARTICLE, MULTI, SINGLE};
use crate::bench::table::duration;

/// One line of the article.
struct Claim {
    /// Its heading there.
    what: &'static str,
    /// The example that is such a program.
    example: &'static str,
    /// What it says an image of one stage has, and one of several.
    sizes: [&'static str; 2],
    /// How much smaller it says that is, in percent.
    percent: u8,
}

const CLAIMS: [Claim; 7] = [
    Claim { what: "Node.js application", example: "node", sizes: ["1.2 GB", "200 MB"], percent: 83 },
    Claim { what: "Go application", example: "go", sizes: ["800 MB", "10 MB"], percent: 99 },
    Claim { what: "Rust application", example: "rust", sizes: ["2 GB", "80 MB"], percent: 96 },
    Claim { what: "Python application", example: "python", sizes: ["1 GB", "200 MB"], percent: 80 },
    Claim { what: "Next.js application", example: "nextjs", sizes: ["1.5 GB", "180 MB"], percent: 88 },
    Claim { what: "Go microservice", example: "go-service", sizes: ["800 MB", "8 MB"], percent: 99 },
    Claim { what: "Rust web server", example: "rust-web", sizes: ["2.1 GB", "85 MB"], percent: 96 },
];

/// The article's tables with what was measured beside it. Examples that were left out have no line.
pub(super) fn render(rows: &[Row<'_>]) -> String {
    let find =
        |example: &str, form: &str| rows.iter().find(|row| row.example.name == example && row.form == form);
    let mut text = String::from(
        "| the article | its one stage | its several | it says | `examples/` | one stage | its file | | this file | |\n\
         |---|---|---|---|---|---|---|---|---|---|\n",
    );
    for claim in &CLAIMS {
        let Some(single) = find(claim.example, SINGLE) else { continue };
        let whole = single.measured.weight.plain;
        let cells = [ARTICLE, MULTI].map(|form| match find(claim.example, form) {
            Some(row) => {
                let plain = row.measured.weight.plain;
                format!("{} | {}", megabytes(plain), verdict(whole, plain, claim.percent))
            }
            None => "- | -".to_owned(),
        });
        let [normal, multi] = claim.sizes;
        let _ = writeln!(
            text,
            "| {} | {normal} | {multi} | -{} % | `{}` | {} | {} |",
            claim.what,
            claim.percent,
            claim.example,
            megabytes(whole),
            cells.join(" | "),
        );
    }
    text.push_str(&times(find("node", SINGLE), find("node", MULTI)));
    text
}

/// How much smaller it is, and whether that is what the article says, to the percent.
fn verdict(whole: u64, part: u64, percent: u8) -> String {
    let share = smaller(whole, part);
    let word = if share.round() >= f64::from(percent) { "reached" } else { "**missed**" };
    format!("-{share:.1} %, {word}")
}

/// The article's build times: its benchmark of a Node.js application.
fn times(single: Option<&Row<'_>>, multi: Option<&Row<'_>>) -> String {
    let (Some(single), Some(multi)) = (single, multi) else { return String::new() };
    let edited = |row: &Row<'_>| row.measured.edited.median().unwrap_or(f64::NAN);
    let mut text = String::from(
        "\n| Node.js application | the article: one stage | several | here: one stage | several |\n|---|---|---|---|---|\n",
    );
    let mut line = |what: &str, theirs: [&str; 2], ours: [String; 2]| {
        let _ = writeln!(text, "| {what} | {} | {} |", theirs.join(" | "), ours.join(" | "));
    };
    let both = [single, multi];
    line("layers", ["12", "8"], both.map(|row| row.measured.weight.layers.to_string()));
    line("first build", ["3 min 30 s", "1 min 10 s"], both.map(|row| duration(row.measured.cold)));
    line("a source edited", ["5 min", "20 to 30 s"], both.map(|row| duration(edited(row))));
    let unchanged = both.map(|row| row.measured.unchanged.median().map_or("-".to_owned(), duration));
    line("nothing changed", ["not said", "not said"], unchanged);
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::examples::{EXAMPLES, has};

    #[test]
    fn every_claim_has_an_example_with_the_articles_file() {
        for claim in &CLAIMS {
            let example = EXAMPLES.iter().find(|example| example.name == claim.example).unwrap();
            assert!(has(example, "Dockerfile.article"), "{}", claim.example);
        }
    }

    #[test]
    fn a_claim_is_held_to_the_percent() {
        assert_eq!(verdict(1000, 175, 83), "-82.5 %, reached");
        assert_eq!(verdict(1000, 176, 83), "-82.4 %, **missed**");
    }
}
