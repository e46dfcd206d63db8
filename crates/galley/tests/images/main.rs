//! Images in and out, through the program: archives, outputs, registries, contexts, names. Every file of `testdata/images` is run
//! beside a real registry, and what galley writes is read by skopeo and umoci.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod lab;
mod resume;

use std::path::Path;

use galley_testkit::expect::cases;
use galley_testkit::literate::Runner;

use lab::Lab;

/// The commands have `$REGISTRY`, whose images `base:1` and `base:many` (an index, with the same layers for this machine and for
/// another) are busybox; `$BASE`, the same as a docker archive; `$BLOBS`, where the registry keeps
/// its blobs; and `$LOCKED`, a registry with `base:1` that wants the user `ana` with the password `secret`.
#[test]
fn every_file_holds() {
    let Some(lab) = Lab::start() else { return };
    let runner = Runner { path: lab.path(), env: lab.environment(), user: None };
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/images");
    let cases = cases(&directory, "md").unwrap();
    let failures: Vec<String> = std::thread::scope(|scope| {
        let running: Vec<_> = cases.iter().map(|case| scope.spawn(|| runner.run(case))).collect();
        running.into_iter().filter_map(|case| case.join().unwrap().err()).collect()
    });
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
