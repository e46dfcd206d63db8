//! Generated projects and what people do to them: after every build the image is that of a clean build.
//!
//! A case is a list of operations (`case.rs`). It is run on a store, and each of its builds is made once more in a store
//! that is new; the two images must have the same tree and the same configuration. What failed once is a file in
//! `testdata/cache/` and is run first, with both kinds of snapshots. `GALLEY_MODEL_CASES` says how many cases are generated for each,
//! `GALLEY_MODEL_SEED` where they begin.

mod case;
mod generate;
mod outline;
mod project;

use std::path::Path;

use galley_testkit::expect::cases;

use self::case::{Op, parse, print};
use self::generate::generate;
use self::project::Project;
use crate::machine::{KINDS, Machine};

/// Cases for each kind of snapshots.
const CASES: u64 = 8;

/// Runs of a failing case in search of a smaller one.
const SHRINKS: usize = 80;

fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Runs a case; says at which operation what was wrong, or how many builds succeeded and failed.
fn run(machine: Machine, ops: &[Op]) -> Result<(usize, usize), String> {
    let mut project = Project::new(machine);
    for (at, op) in ops.iter().enumerate() {
        project.apply(op).map_err(|error| format!("operation {} ({op:?}): {error}", at + 1))?;
    }
    project.finish()
}

/// Leaves out what the failure does not need.
fn shrunk(ops: Vec<Op>, fails: impl Fn(&[Op]) -> bool) -> Vec<Op> {
    let mut smallest = ops;
    let mut at = smallest.len();
    for _ in 0..SHRINKS {
        let Some(next) = at.checked_sub(1) else { break };
        at = next;
        let mut fewer = smallest.clone();
        fewer.remove(at);
        if fails(&fewer) {
            smallest = fewer;
        }
    }
    smallest
}

#[test]
fn cases_that_failed_once_hold() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/cache");
    for path in cases(&directory, "case").unwrap() {
        let ops = parse(&std::fs::read_to_string(&path).unwrap()).unwrap();
        for kind in KINDS {
            let Some(machine) = Machine::new(kind) else { return };
            run(machine, &ops).unwrap_or_else(|error| panic!("{}, {kind}: {error}", path.display()));
        }
    }
}

#[test]
fn an_incremental_build_equals_a_clean_one() {
    let first = variable("GALLEY_MODEL_SEED").unwrap_or(1);
    let count = variable("GALLEY_MODEL_CASES").unwrap_or(CASES);
    let (mut good, mut bad) = (0, 0);
    for seed in first..first + count {
        for kind in KINDS {
            let Some(machine) = Machine::new(kind) else { return };
            let ops = generate(seed);
            let error = match run(machine, &ops) {
                Ok((succeeded, failed)) => {
                    good += succeeded;
                    bad += failed;
                    continue;
                }
                Err(error) => error,
            };
            let fails = |ops: &[Op]| Machine::new(kind).is_some_and(|machine| run(machine, ops).is_err());
            let small = print(&shrunk(ops, fails));
            panic!(
                "GALLEY_MODEL_SEED={seed}, {kind}: {error}\nkeep this in testdata/cache/NAME.case:\n{small}"
            );
        }
    }
    eprintln!("{good} builds equal clean ones, {bad} fail as clean ones do");
    assert!(good > bad, "most of what is generated has to build, to say anything");
}
