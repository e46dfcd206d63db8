//! Any bytes as a `.dockerignore` and a path: a walk decides as the whole path does, and never prunes what is in.
#![no_main]

use galley_syntax::ignore::IgnoreFile;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&[u8], &[u8])| {
    let (file, path) = input;
    let (ignore, _) = IgnoreFile::parse(file);
    let mut state = ignore.root();
    let mut pruned = false;
    for (at, _) in path.iter().enumerate().filter(|(_, byte)| **byte == b'/') {
        state = ignore.enter(&state, &path[..at]);
        pruned |= !ignore.may_contain_included(&state, &path[..at]);
    }
    let whole = ignore.excluded(path).map(|pattern| pattern.line);
    assert_eq!(ignore.excluded_in(&state, path).map(|pattern| pattern.line), whole);
    assert!(!pruned || whole.is_some());
});
