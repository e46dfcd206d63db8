//! Any bytes as a Dockerfile: every byte comes back, spans stay inside, fixes apply.
#![no_main]

use galley_syntax::{apply, parse};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|source: &[u8]| {
    let parsed = parse(source);
    assert_eq!(parsed.print(), source);
    for instruction in &parsed.instructions {
        assert!(instruction.span.end as usize <= source.len());
        for (run, span) in instruction.text.runs() {
            assert_eq!(instruction.text.as_str()[run].as_bytes(), span.of(source));
        }
    }
    for fix in parsed.diagnostics.iter().flat_map(|diagnostic| &diagnostic.fixes) {
        assert!(apply(source, &fix.edits).is_ok());
    }
});
