//! The Dockerfile language, case by case: every file of `conformance/cases` is built with the program and compared with its expectation.
//!
//! A user who is not root, or a machine without a static busybox, cannot run it: see `galley_testkit::machine`.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use galley_testkit::conformance::{Case, Galley, page};
use galley_testkit::expect;
use galley_testkit::machine::{cannot_run, has_programs};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

#[test]
fn every_case_comes_out_as_expected() {
    let home = tempfile::tempdir().unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_galley"));
    // The cases give files to other users and make devices: they say what root's builds are.
    let root_user = rustix::process::geteuid().is_root() || cannot_run("the cases of the language need root");
    if !root_user || !has_programs(&["/bin/busybox"]) {
        return;
    }
    let galley = Galley::new(program, home.path()).unwrap();
    let cases = expect::cases(&root().join("conformance/cases"), "case").unwrap();
    let (next, failures) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    // Several at a time, in one store: most of the time they wait for the disk.
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                while let Some(path) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(problem) = check(&galley, path) {
                        failures.lock().unwrap().push(problem);
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "{} of {} cases:\n{}", failures.len(), cases.len(), failures.join("\n"));
}

fn check(galley: &Galley, path: &Path) -> Result<(), String> {
    let case = Case::read(path)?;
    let made = galley.run(&case, &case.prepare()?)?;
    made.fits(&case)?;
    expect::file(&path.with_extension("expected"), &made.to_string())
}

#[test]
fn the_page_tells_every_difference() {
    let path = root().join("docs/conformance.md");
    let text = std::fs::read_to_string(&path).unwrap();
    expect::file(&path, &page(&text, &root().join("conformance/cases")).unwrap()).unwrap();
}
