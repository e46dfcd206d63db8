//! The program as people meet it: every file of `testdata/cli` is run against the binary.

#![allow(clippy::unwrap_used, reason = "in a test, an unwrap is an assertion")]

use std::path::{Path, PathBuf};

use galley_testkit::expect::cases;
use galley_testkit::literate::Runner;

#[test]
fn every_file_holds() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/cli");
    let binary = PathBuf::from(env!("CARGO_BIN_EXE_galley"));
    let path = binary.parent().map(Path::to_owned).into_iter().collect();
    let runner = Runner { path, env: vec![("LC_ALL".into(), "C.UTF-8".into())], user: None };
    let failures: Vec<String> =
        cases(&directory, "md").unwrap().iter().filter_map(|case| runner.run(case).err()).collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
