//! How processes end, and that none is left.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

use galley_sandbox::{Cancel, Exit, Io, Output, Sandbox, SandboxError, Stdin};

use crate::lab::{Lab, until};

/// Which part this test binary plays when a test starts it again.
const ROLE: &str = "GALLEY_SANDBOX_TEST_ROLE";

/// Processes of the machine whose command line has `mark` in it.
fn processes_with(mark: &str) -> usize {
    let numbers = fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let path = entry.ok()?.path();
        let cmdline = fs::read(path.join("cmdline")).ok()?;
        let stat = fs::read_to_string(path.join("stat")).ok()?;
        let alive = !stat.rsplit(") ").next()?.starts_with('Z');
        (alive && String::from_utf8_lossy(&cmdline).contains(mark)).then_some(())
    });
    numbers.count()
}

/// A number of seconds that no other process sleeps for.
fn unique_sleep(part: u32) -> String {
    format!("9{}{part}", std::process::id())
}

#[test]
fn orphans_are_reaped_while_the_step_runs() {
    let lab = Lab::new();
    let out = lab.sh("(sh -c 'true & exec true' &) ; for i in 1 2 3 4 5; do (true &); done; \
         for i in $(seq 200); do grep -l '^State:.Z' /proc/[0-9]*/status >/dev/null 2>&1 || break; done; \
         grep -l '^State:.Z' /proc/[0-9]*/status 2>/dev/null | wc -l");
    assert_eq!(out.out(), "0");
}

#[test]
fn what_runs_on_in_the_background_ends_with_the_step() {
    let lab = Lab::new();
    let sleep = unique_sleep(1);
    let done = lab.sh(&format!("sleep {sleep} & setsid sleep {sleep} & echo started"));
    assert_eq!(done.out(), "started");
    assert_eq!(processes_with(&sleep), 0);
}

#[test]
fn cancelling_kills_every_process() {
    let lab = Lab::new();
    let sleep = unique_sleep(2);
    let cancel = Cancel::new();
    let (process, token) =
        (lab.shell(&format!("trap '' TERM INT; sleep {sleep} & sleep {sleep}")), cancel.clone());
    thread::scope(|scope| {
        let running = scope.spawn(|| lab.try_run(&process, &cancel));
        until("the step runs", || processes_with(&sleep) >= 2);
        token.cancel();
        assert!(matches!(running.join().unwrap(), Err(SandboxError::Cancelled)));
        assert_eq!(processes_with(&sleep), 0);
    });
    assert!(matches!(lab.try_run(&process, &token), Err(SandboxError::Cancelled)));
}

#[test]
fn cancelling_one_step_leaves_the_others() {
    let lab = Lab::new();
    let other = Lab::new();
    let cancel = Cancel::new();
    cancel.cancel();
    assert!(lab.try_run(&lab.shell("true"), &cancel).is_err());
    assert_eq!(other.sh("echo fine").out(), "fine");
}

#[test]
fn signals_are_handed_on() {
    for init in [true, false] {
        let lab = Lab::new();
        let mut process =
            lab.shell("trap 'echo got; exit 3' TERM; echo ready >/ready; while :; do sleep 0.01; done");
        process.init = init;
        let cancel = Cancel::new();
        let token = cancel.clone();
        thread::scope(|scope| {
            let running = scope.spawn(|| lab.try_run(&process, &cancel));
            until("the step is ready", || lab.path("upper/ready").exists());
            token.deliver(libc::SIGTERM);
            let done = running.join().unwrap().unwrap();
            assert_eq!((done.exit, done.stdout.as_str()), (Exit::Code(3), "got\n"), "init: {init}");
        });
    }
}

#[test]
fn without_a_reaper_the_process_is_pid_1() {
    let lab = Lab::new();
    let mut process = lab.shell("echo $$; exit 7");
    process.init = false;
    let done = lab.run(&process);
    assert_eq!((done.exit, done.stdout.as_str()), (Exit::Code(7), "1\n"));
    process.args = vec!["no-such".into()];
    assert!(matches!(lab.try_run(&process, &Cancel::new()), Err(SandboxError::NotFound { .. })));
}

#[test]
fn no_descriptor_and_no_zombie_is_left() {
    let lab = Lab::new();
    lab.sh("true");
    let ours = || fs::read_dir("/proc/self/fd").unwrap().count();
    let children = || fs::read_to_string(format!("/proc/self/task/{}/children", std::process::id()));
    // Other tests of this process come and go: something that is left would be left ten times.
    let before = ours();
    for _ in 0..20 {
        lab.sh("true & false");
        let _ = lab.try_run(&lab.process(&["no-such"]), &Cancel::new());
    }
    until("the descriptors are closed", || ours() < before + 20);
    drop(children());
}

#[test]
fn standard_input_is_what_was_given() {
    let lab = Lab::new();
    let process = lab.shell("cat");
    lab.plan(&process).create_layer(&lab.path("stubs")).unwrap();
    fs::write(lab.path("input"), "from a file").unwrap();
    let input = fs::File::open(lab.path("input")).unwrap();
    let mut out = Vec::new();
    let mut take = |_, bytes: &[u8]| out.extend_from_slice(bytes);
    let stdin = Stdin::Fd(std::os::fd::AsFd::as_fd(&input));
    let io = Io { stdin, output: Output::Callback(&mut take) };
    lab.sandbox.run(&process, io, &Cancel::new()).unwrap();
    assert_eq!(out, b"from a file");
}

#[test]
fn many_at_once_from_one_sandbox() {
    let labs: Vec<_> = (0..8).map(|_| Lab::new()).collect();
    let sandbox = &labs[0].sandbox;
    thread::scope(|scope| {
        for (lab, number) in labs.iter().zip(0..) {
            scope.spawn(move || {
                let process = lab.shell(&format!("echo {number}; exit {number}"));
                lab.plan(&process).create_layer(&lab.path("stubs")).unwrap();
                let done = crate::lab::run_in(sandbox, &process, &Cancel::new()).unwrap();
                assert_eq!((done.exit, done.stdout), (Exit::Code(number), format!("{number}\n")));
            });
        }
    });
}

#[test]
fn the_sandbox_dies_with_galley() {
    for init in ["true", "false"] {
        let sleep = unique_sleep(if init == "true" { 3 } else { 4 });
        let mut galley = Command::new("/proc/self/exe")
            .args(["--exact", "lifetime::role", "--nocapture"])
            .env(ROLE, &sleep)
            .env("INIT", init)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        // One with a user of its own: changing ids clears the death signal.
        until("the step runs", || processes_with(&sleep) >= 2);
        galley.kill().unwrap();
        galley.wait().unwrap();
        until("the step is gone", || processes_with(&sleep) == 0);
    }
}

/// What `the_sandbox_dies_with_galley` kills: a galley that runs a long step.
#[test]
fn role() {
    let Ok(sleep) = std::env::var(ROLE) else { return };
    let lab = Lab::new();
    let mut process = lab.shell(&format!("setsid sleep {sleep} & sleep {sleep}; true"));
    process.init = std::env::var("INIT").unwrap() == "true";
    process.user.uid = 1000;
    lab.run(&process);
}

#[test]
fn inherited_streams_are_galleys_own() {
    // The role's output goes to a pipe of this test, through a sandbox that inherits it.
    let mut galley = Command::new("/proc/self/exe")
        .args(["--exact", "lifetime::inheriting_role", "--nocapture"])
        .env(ROLE, "inherit")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut galley.stdin.take().unwrap(), b"through\n").unwrap();
    let mut out = String::new();
    BufReader::new(galley.stdout.take().unwrap()).read_to_string(&mut out).unwrap();
    galley.wait().unwrap();
    assert!(out.lines().any(|line| line == "heard through"), "{out}");
}

/// See `inherited_streams_are_galleys_own`.
#[test]
fn inheriting_role() {
    if std::env::var(ROLE).is_err() {
        return;
    }
    let lab = Lab::new();
    let process = lab.shell("read line; echo; echo heard $line");
    lab.plan(&process).create_layer(&lab.path("stubs")).unwrap();
    let io = Io { stdin: Stdin::Inherit, output: Output::Inherit };
    lab.sandbox.run(&process, io, &Cancel::new()).unwrap();
}

#[test]
fn running_out_of_memory_is_a_signal_not_a_mystery() {
    let lab = Lab::new();
    // What the kernel does to the reaper then: an administrator's SIGKILL looks the same.
    let sleep = unique_sleep(5);
    let process = lab.shell(&format!("sleep {sleep}"));
    let cancel = Cancel::new();
    let token = cancel.clone();
    thread::scope(|scope| {
        let running = scope.spawn(|| lab.try_run(&process, &cancel));
        until("the step runs", || processes_with(&sleep) >= 1);
        token.deliver(libc::SIGKILL);
        assert_eq!(running.join().unwrap().unwrap().exit, Exit::Signal(9));
    });
    assert!(Path::new("/proc/self").exists());
    let _: Option<&dyn BufRead> = None;
}
