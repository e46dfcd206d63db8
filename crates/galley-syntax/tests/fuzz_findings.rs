//! What fuzzing found once: every file of `testdata/fuzz` goes through what its target in `fuzz/fuzz_targets` holds.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "a finding is a file")]

use std::path::Path;

use galley_syntax::parse;
use galley_syntax::shell::{RunBody, ShellError};

fn findings(target: &str) -> Vec<String> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/fuzz").join(target);
    let files = std::fs::read_dir(directory).unwrap();
    let found: Vec<_> = files.map(|file| text(&std::fs::read(file.unwrap().path()).unwrap())).collect();
    assert!(!found.is_empty(), "{target} has no findings");
    found
}

/// libfuzzer gives a target that takes text the valid beginning of its bytes.
fn text(bytes: &[u8]) -> String {
    bytes.utf8_chunks().next().map_or(String::new(), |chunk| chunk.valid().to_owned())
}

#[test]
fn every_word_of_a_shell_body_is_the_files_bytes() {
    for text in findings("shell_body") {
        let file = format!("FROM scratch\nRUN {text}");
        for body in parse(file.as_bytes()).instructions.iter().filter_map(RunBody::of) {
            for word in body.commands().flat_map(|command| &command.words) {
                for (run, span) in word.text.runs() {
                    assert_eq!(word.as_str()[run].as_bytes(), span.of(file.as_bytes()));
                }
            }
        }
    }
}

#[test]
fn a_descriptor_that_no_shell_has_is_too_much() {
    let body = |shell: &str| {
        let parsed = parse(format!("FROM scratch\nRUN {shell}\n").as_bytes());
        parsed.instructions.iter().find_map(RunBody::of).unwrap().script
    };
    for huge in ["x 2147483648>f", "x 9999999999<f", "x 00000000000000000001>&2", "x <<E 99999999999 >f"] {
        assert!(matches!(body(huge), Err(ShellError::TooComplex { .. })), "{huge}");
    }
    for fine in ["x 999999999>f", "x 99999999999 >f", "x 99999999999 2>f", "x a99999999999; y >f"] {
        assert!(body(fine).is_ok(), "{fine}");
    }
}
