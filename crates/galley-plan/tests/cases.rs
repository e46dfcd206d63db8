//! `testdata/plan`: a case is a Dockerfile, its expectation the text beside it. A new case is a new file; run once with
//! `GALLEY_UPDATE_TESTDATA=1` to write the text, and read it.

#![allow(clippy::unwrap_used, reason = "in a test, an unwrap is an assertion")]
#![allow(clippy::disallowed_methods, reason = "the cases are files; the crate under test reads none")]

mod support;

use std::fmt::Write;
use std::path::Path;

use galley_syntax::{Diagnostic, LineIndex, Span};
use galley_testkit::expect;
use support::Case;

#[test]
fn every_case_comes_out_as_written() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/plan");
    let mut failures = Vec::new();
    for case in expect::cases(&directory, "Dockerfile").unwrap() {
        let text = std::fs::read_to_string(&case).unwrap();
        failures.extend(expect::file(&case.with_extension("txt"), &outcome(&text)).err());
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// What a case comes out as.
fn outcome(text: &str) -> String {
    let case = Case::read(text);
    let source = text.as_bytes();
    match case.plan(source) {
        Err(diagnostics) => rendered(&diagnostics, source),
        Ok((plan, rounds)) => {
            let mut out = rendered(&plan.warnings, source);
            for (index, needs) in rounds.iter().enumerate() {
                let place =
                    |span: &Span| format!("line {}", LineIndex::new(source).line_column(span.start).line);
                for (need, span) in &needs.images {
                    writeln!(out, "needs {index}: image {} {} ({})", need.name, need.platform, place(span))
                        .unwrap();
                }
                for (name, span) in &needs.contexts {
                    writeln!(out, "needs {index}: context `{name}` ({})", place(span)).unwrap();
                }
            }
            out + &if case.dot { plan.to_dot() } else { plan.to_text() }
        }
    }
}

fn rendered(diagnostics: &[Diagnostic], source: &[u8]) -> String {
    let lines = LineIndex::new(source);
    let excerpt = |span: Span| {
        let at = lines.line_column(span.start);
        let text = String::from_utf8_lossy(span.of(source)).replace('\n', "\\n");
        format!("{}:{} `{text}`", at.line, at.column)
    };
    let mut out = String::new();
    for diagnostic in diagnostics {
        let severity = if diagnostic.is_error() { "error" } else { "warning" };
        writeln!(out, "{severity}[{}] {}", diagnostic.code, excerpt(diagnostic.span)).unwrap();
        writeln!(out, "    {}", diagnostic.message).unwrap();
        for label in &diagnostic.labels {
            writeln!(out, "    {}: {}", excerpt(label.span), label.message).unwrap();
        }
        for help in &diagnostic.help {
            writeln!(out, "    help: {help}").unwrap();
        }
    }
    out
}
