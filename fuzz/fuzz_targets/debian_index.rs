//! Paragraphs, indexes and locks: no panic, fields cover no more than the text, a condensed index reads the same, and a lock is what it was written as.
#![no_main]

use std::collections::HashMap;

use galley_bases::archive::closure::{Variant, closure};
use galley_bases::archive::deb822::paragraphs;
use galley_bases::archive::index::{Universe, condense, read, read_condensed};
use galley_bases::archive::lock::Lock;
use galley_bases::archive::sources::{one_line, stanzas};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let mut length = 0;
    for paragraph in paragraphs(text) {
        length += paragraph.text().len();
        let fields: usize = paragraph.fields().map(|field| field.name.len() + field.value.len()).sum();
        assert!(fields <= paragraph.text().len());
    }
    assert!(length <= text.len());
    let condensed = condense(text);
    let names = |packages: Vec<galley_bases::archive::index::Package<'_>>| {
        packages.iter().map(|package| (package.name.to_owned(), package.size)).collect::<Vec<_>>()
    };
    assert_eq!(names(read(text, 0).collect()), names(read_condensed(&condensed, 0).collect()));
    let universe = Universe::new(read_condensed(&condensed, 0), "amd64", &HashMap::new());
    let all: Vec<String> = universe.names().map(str::to_owned).collect();
    if let Ok(chosen) = closure(&universe, Variant::Essential, &all) {
        assert!(chosen.len() <= all.len());
    }
    if let Ok(lock) = Lock::parse(text) {
        assert_eq!(Lock::parse(&lock.to_text()), Ok(lock));
    }
    let _ = (one_line(text), stanzas(text));
});
