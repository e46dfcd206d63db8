//! Any text as the shell body of a RUN: nothing panics, and every word is the file's bytes.
#![no_main]

use galley_syntax::{parse, shell::RunBody};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let file = format!("FROM scratch\nRUN {text}");
    let parsed = parse(file.as_bytes());
    for body in parsed.instructions.iter().filter_map(RunBody::of) {
        for word in body.commands().flat_map(|command| &command.words) {
            for (run, span) in word.text.runs() {
                assert_eq!(word.as_str()[run].as_bytes(), span.of(file.as_bytes()));
            }
        }
    }
});
