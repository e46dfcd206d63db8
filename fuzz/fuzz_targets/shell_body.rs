//! Any text as the shell body of a RUN: nothing panics, and every word is the file's bytes.
#![no_main]

use galley_syntax::{parse, shell::RunBody};
use libfuzzer_sys::fuzz_target;

/// The shell's parser is not ours: galley catches its panics, which libfuzzer's hook would take for crashes.
fn pass_over_panics_of_the_parser() {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let in_parser = panic.location().is_some_and(|place| place.file().contains("brush-parser"));
        if !in_parser {
            hook(panic);
        }
    }));
}

fuzz_target!(
    init: pass_over_panics_of_the_parser(),
    |text: &str| {
        let file = format!("FROM scratch\nRUN {text}");
        let parsed = parse(file.as_bytes());
        for body in parsed.instructions.iter().filter_map(RunBody::of) {
            for word in body.commands().flat_map(|command| &command.words) {
                for (run, span) in word.text.runs() {
                    assert_eq!(word.as_str()[run].as_bytes(), span.of(file.as_bytes()));
                }
            }
        }
    }
);
