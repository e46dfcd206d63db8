//! Each `testdata/parse/*.Dockerfile` with the text dump of its parse in the `.txt` beside it.
//!
//! A new case is a new file; `GALLEY_BLESS=1 cargo test -p galley-syntax --test parse` writes the dumps anew.

#![allow(clippy::unwrap_used, reason = "in a test, an unwrap is an assertion")]
#![allow(clippy::disallowed_methods, reason = "the crate is pure; its tests read their cases from files")]

mod dump;

use std::path::Path;

#[test]
fn dumps_match() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/parse");
    let bless = std::env::var_os("GALLEY_BLESS").is_some();
    let mut cases = 0;
    let mut wrong = Vec::new();
    for entry in std::fs::read_dir(&directory).expect("testdata/parse") {
        let path = entry.expect("entry").path();
        if path.extension().is_none_or(|extension| extension != "Dockerfile") {
            continue;
        }
        cases += 1;
        let source = std::fs::read(&path).expect("case");
        let parsed = galley_syntax::parse(&source);
        assert_eq!(parsed.print(), source, "{} does not round-trip", path.display());
        let dump = dump::dump(&parsed);
        let expected = path.with_extension("txt");
        if bless {
            std::fs::write(&expected, &dump).expect("bless");
        } else if std::fs::read_to_string(&expected).unwrap_or_default() != dump {
            wrong.push(format!("{}:\n{dump}", path.display()));
        }
    }
    assert!(cases >= 20, "only {cases} cases found");
    assert!(wrong.is_empty(), "{} of {cases} dumps differ:\n{}", wrong.len(), wrong.join("\n"));
}
