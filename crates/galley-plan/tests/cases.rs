//! `testdata/plan`: a case is a Dockerfile, its expectation the text beside it. A new case is a new file; run once with
//! `GALLEY_UPDATE_TESTDATA=1` to write the text, and read it.

mod support;

use std::path::Path;

use galley_testkit::expect;

#[test]
fn every_case_comes_out_as_written() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/plan");
    let mut failures = Vec::new();
    for case in expect::cases(&directory, "Dockerfile").unwrap() {
        let text = std::fs::read_to_string(&case).unwrap();
        failures.extend(expect::file(&case.with_extension("txt"), &support::outcome(&text)).err());
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
