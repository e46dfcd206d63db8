//! Bad and hostile input, through the program: each has its own message, and nothing of it stays. Every file of
//! `testdata/hostile` is run against the binary; what needs a server, a small disk, a second thread or bytes that no tool
//! writes is in the modules.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod archives;
mod changes;
mod disk;
mod lab;
mod random;
mod registry;
mod rights;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use galley_testkit::expect::cases;
use galley_testkit::literate::Runner;

/// The store of each case is not in the context that it builds.
#[test]
fn every_file_holds() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/hostile");
    let wrapper = tempfile::tempdir().unwrap();
    let galley = wrapper.path().join("galley");
    let script = format!("#!/bin/sh\nexec {} --store \"$STORE\" \"$@\"\n", env!("CARGO_BIN_EXE_galley"));
    fs::write(&galley, script).unwrap();
    fs::set_permissions(&galley, fs::Permissions::from_mode(0o755)).unwrap();
    let mut failures = Vec::new();
    for case in cases(&directory, "md").unwrap() {
        let store = tempfile::tempdir().unwrap();
        let env =
            vec![("LC_ALL".into(), "C.UTF-8".into()), ("STORE".into(), store.path().join("store").into())];
        let runner = Runner { path: vec![wrapper.path().into()], env, user: None };
        failures.extend(runner.run(&case).err());
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
