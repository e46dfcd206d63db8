//! Several galleys in one store: what they share, what they wait for, and what they must not take from each other.
//!
//! A step of these Dockerfiles writes a line into a cache mount, so that runs can be counted, and then waits for a file
//! there, so that the test decides when it ends.

use std::fs;
use std::path::Path;

use rustix::process::Signal;

use crate::machine::{KINDS, Machine, Running, succeed, wait_for};

const START: &str = r#"FROM scratch
COPY --from=tools busybox /bin/
SHELL ["/bin/busybox", "sh", "-c"]
"#;

/// Counts its runs, waits for the gate, and does what gives another result every time.
const SLOW: &str = "RUN --mount=type=cache,id=gate,target=/gate echo run >> /gate/runs; \
                    until [ -e /gate/open ]; do sleep 0.02; done; cat /proc/sys/kernel/random/uuid > /stamp\n";

fn machine() -> Option<Machine> {
    Machine::new(KINDS[0])
}

/// How many lines a file has.
fn lines(file: &Path) -> usize {
    fs::read_to_string(file).map_or(0, |text| text.lines().count())
}

/// Waits until the slow step has begun `count` times; returns the directory with the gate.
fn begun(machine: &Machine, count: usize) -> std::path::PathBuf {
    let gate = machine.cache_with("runs");
    wait_for(&format!("{count} runs"), || (lines(&gate.join("runs")) >= count).then_some(()));
    gate
}

fn open(gate: &Path) {
    fs::write(gate.join("open"), "").unwrap();
}

#[test]
fn two_builds_of_one_file_run_a_step_once() {
    let Some(machine) = machine() else { return };
    let dockerfile = format!("{START}{SLOW}");
    let (first_id, second_id) = (machine.path("first"), machine.path("second"));
    let build = |id: &Path| machine.build(&dockerfile, &["--iidfile", &id.display().to_string()]);
    let first = Running::start(&mut build(&first_id));
    let gate = begun(&machine, 1);
    let mut second = Running::start(&mut build(&second_id));
    let waits = second.line_with("waiting for process");
    assert!(waits.contains(&first.id().to_string()) && waits.contains("galley build"), "{waits}");
    open(&gate);
    first.succeed();
    second.succeed();
    assert_eq!(lines(&gate.join("runs")), 1);
    assert_eq!(fs::read(first_id).unwrap(), fs::read(second_id).unwrap());
    machine.assert_whole("at the end");
    machine.assert_swept("at the end");
}

#[test]
fn if_the_builder_is_killed_the_waiter_runs() {
    let Some(machine) = machine() else { return };
    let dockerfile = format!("{START}{SLOW}");
    let first = Running::start(&mut machine.build(&dockerfile, &[]));
    let gate = begun(&machine, 1);
    let mut second = Running::start(&mut machine.build(&dockerfile, &[]));
    second.line_with("waiting for process");
    assert!(first.kill());
    begun(&machine, 2);
    open(&gate);
    second.succeed();
    assert_eq!(lines(&gate.join("runs")), 2);
    machine.prune("at the end");
}

#[test]
fn if_the_step_fails_the_waiter_runs_it_itself() {
    let Some(machine) = machine() else { return };
    // It fails the first time.
    let step = "RUN --mount=type=cache,id=gate,target=/gate echo run >> /gate/runs; \
                until [ -e /gate/open ]; do sleep 0.02; done; [ $(wc -l < /gate/runs) -gt 1 ]\n";
    let dockerfile = format!("{START}{step}");
    let mut first = Running::start(&mut machine.build(&dockerfile, &[]));
    let gate = begun(&machine, 1);
    let mut second = Running::start(&mut machine.build(&dockerfile, &[]));
    second.line_with("waiting for process");
    open(&gate);
    assert_eq!(first.end().code(), Some(1));
    second.succeed();
    assert_eq!(lines(&gate.join("runs")), 2);
}

#[test]
fn waiting_can_be_interrupted() {
    let Some(machine) = machine() else { return };
    let dockerfile = format!("{START}{SLOW}");
    let first = Running::start(&mut machine.build(&dockerfile, &[]));
    let gate = begun(&machine, 1);
    let mut second = Running::start(&mut machine.build(&dockerfile, &[]));
    second.line_with("waiting for process");
    second.signal(Signal::INT);
    assert_eq!(second.end().code(), Some(130), "{}", second.seen.join("\n"));
    open(&gate);
    first.succeed();
    assert_eq!(lines(&gate.join("runs")), 1);
    machine.assert_swept("at the end");
}

#[test]
fn different_files_are_built_at_once() {
    let Some(machine) = machine() else { return };
    let builds = ["one", "two"].map(|name| {
        let dockerfile = format!("{START}ENV NAME={name}\n{SLOW}");
        Running::start(&mut machine.build(&dockerfile, &["-t", name]))
    });
    let gate = begun(&machine, 2);
    open(&gate);
    builds.into_iter().for_each(Running::succeed);
    machine.assert_whole("at the end");
}

#[test]
fn without_cache_a_build_shares_with_nobody() {
    let Some(machine) = machine() else { return };
    let dockerfile = format!("{START}{SLOW}");
    let normal = Running::start(&mut machine.build(&dockerfile, &["-t", "normal"]));
    begun(&machine, 1);
    // It does not wait: both are in the step at once.
    let fresh = Running::start(&mut machine.build(&dockerfile, &["-t", "fresh", "--no-cache"]));
    let gate = begun(&machine, 2);
    open(&gate);
    normal.succeed();
    fresh.succeed();
    let stamp = |name| {
        succeed(&mut machine.galley(&["run", "--network", "none", name, "/bin/busybox", "cat", "/stamp"]))
    };
    assert_ne!(stamp("normal"), stamp("fresh"));
    machine.assert_whole("at the end");
}

#[test]
fn pruning_takes_nothing_from_a_running_build() {
    for kind in KINDS {
        let Some(machine) = Machine::new(kind) else { return };
        let dockerfile =
            format!("{START}COPY kept.txt /\n{SLOW}CMD [\"/bin/busybox\", \"cat\", \"/kept.txt\"]\n");
        machine.write("kept.txt", "kept\n");
        succeed(&mut machine.build("FROM scratch\nCOPY kept.txt /other\n", &["-t", "other"]));
        let build = Running::start(&mut machine.build(&dockerfile, &[]));
        let gate = begun(&machine, 1);
        succeed(&mut machine.galley(&["rmi", "other"]));
        // Leaves the running step's own cache mount alone too.
        succeed(&mut machine.galley(&["prune", "--cache-mounts"]));
        assert!(gate.exists(), "{kind}");
        open(&gate);
        build.succeed();
        assert_eq!(machine.printed(), "kept\n", "{kind}");
        machine.assert_whole("at the end");
        machine.assert_swept("at the end");
    }
}

/// Two steps with the cache mount `m`, of two processes; the first is in its step.
fn with_cache_mount(sharing: &str, test: impl FnOnce(&Machine, Running, Running)) {
    let Some(machine) = machine() else { return };
    let step = |name: &str| {
        format!(
            "{START}RUN --mount=type=cache,id=gate,target=/gate --mount=type=cache,id=m,sharing={sharing},target=/m \
             echo {name} >> /m/log; cp /m/log /log; echo {name} >> /gate/runs; \
             until [ -e /gate/open ]; do sleep 0.02; done\n\
             CMD [\"/bin/busybox\", \"cat\", \"/log\"]\n"
        )
    };
    let first = Running::start(&mut machine.build(&step("first"), &["-t", "first"]));
    begun(&machine, 1);
    let second = Running::start(&mut machine.build(&step("second"), &["-t", "second"]));
    test(&machine, first, second);
    machine.assert_whole("at the end");
}

fn log(machine: &Machine, name: &str) -> String {
    succeed(&mut machine.galley(&["run", "--network", "none", name]))
}

#[test]
fn a_locked_cache_mount_is_waited_for() {
    with_cache_mount("locked", |machine, first, mut second| {
        let waits = second.line_with("waiting for a cache mount");
        assert!(waits.contains(&first.id().to_string()), "{waits}");
        let gate = begun(machine, 1);
        assert_eq!(lines(&gate.join("runs")), 1);
        open(&gate);
        first.succeed();
        second.succeed();
        assert_eq!(log(machine, "second"), "first\nsecond\n");
    });
}

#[test]
fn waiting_for_a_cache_mount_can_be_interrupted() {
    with_cache_mount("locked", |machine, first, mut second| {
        second.line_with("waiting for a cache mount");
        second.signal(Signal::INT);
        assert_eq!(second.end().code(), Some(130), "{}", second.seen.join("\n"));
        open(&begun(machine, 1));
        first.succeed();
    });
}

#[test]
fn a_busy_private_cache_mount_is_replaced_by_another() {
    with_cache_mount("private", |machine, first, second| {
        open(&begun(machine, 2));
        first.succeed();
        second.succeed();
        assert_eq!((log(machine, "first"), log(machine, "second")), ("first\n".into(), "second\n".into()));
    });
}

#[test]
fn a_shared_cache_mount_is_used_by_both_at_once() {
    with_cache_mount("shared", |machine, first, second| {
        open(&begun(machine, 2));
        first.succeed();
        second.succeed();
        assert_eq!(log(machine, "second"), "first\nsecond\n");
    });
}
