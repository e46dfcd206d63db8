//! What every sandbox has to do, run over the Linux one and its twin alike.
//!
//! The program of the twin is a closure that does what the same shell script does for real.
#![allow(clippy::unwrap_used, reason = "in a test, an unwrap is an assertion")]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use galley_sandbox::stubs::{self, AncestorKind, StubAncestor, Timestamp};
use galley_sandbox::{
    Cancel, Exit, Io, LinuxSandbox, Output, Process, Root, Sandbox, SandboxError, ScriptedSandbox, Stdin,
    Stream, Write,
};

/// The few commands of the scripts below: `echo TEXT`, `err TEXT`, `write FILE`, `exit CODE`.
fn interpret(process: &Process, write: &mut Write<'_>) -> Exit {
    let Root::Directory(root) = &process.root else { panic!("the twin has no overlays") };
    for command in process.args[2].to_str().unwrap().split("; ") {
        match command.split_once(' ').unwrap() {
            ("echo", text) if text.ends_with(" >&2") => {
                write(Stream::Stderr, format!("{}\n", text.trim_end_matches(" >&2")).as_bytes());
            }
            ("echo", text) if text.contains(" >/") => {
                let (text, path) = text.split_once(" >/").unwrap();
                fs::write(root.join(path), format!("{text}\n")).unwrap();
            }
            ("echo", text) => write(Stream::Stdout, format!("{text}\n").as_bytes()),
            ("exit", code) => return Exit::Code(code.parse().unwrap()),
            ("kill", _) => return Exit::Signal(9),
            other => panic!("{other:?}"),
        }
    }
    Exit::Code(0)
}

/// Runs `check` with every kind of sandbox, and a root directory for each.
fn with_each(check: impl Fn(&dyn Sandbox, &Path)) {
    let directory = tempfile::tempdir().unwrap();
    check(&ScriptedSandbox::new(interpret), directory.path());

    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("root");
    fs::create_dir_all(root.join("bin")).unwrap();
    fs::copy("/bin/busybox", root.join("bin/busybox")).expect("these tests need busybox-static");
    symlink("busybox", root.join("bin/sh")).unwrap();
    let sandbox = LinuxSandbox::probe(directory.path()).unwrap();
    let process = Process::new(Root::Directory(root.clone()), ["sh"]);
    let nothing = |path: &Path| -> Option<StubAncestor> {
        (path == Path::new("/")).then(|| StubAncestor {
            kind: AncestorKind::Directory,
            mode: 0o755,
            uid: 0,
            gid: 0,
            mtime: Timestamp::default(),
            xattrs: vec![],
        })
    };
    let placed = stubs::plan(&process.mount_points(), &nothing).unwrap().create_in_place(&root).unwrap();
    check(&sandbox, &root);
    assert_eq!(placed.remove().unwrap(), []);
    let status = Command::new("true").status().unwrap();
    assert!(status.success(), "the test's own process still works");
}

fn shell(root: &Path, script: &str) -> Process {
    let mut process = Process::new(Root::Directory(PathBuf::from(root)), ["sh", "-c", script]);
    process.env = vec![("PATH".into(), "/bin".into())];
    process
}

fn run(
    sandbox: &dyn Sandbox,
    process: &Process,
    cancel: &Cancel,
) -> Result<(Exit, Vec<u8>, Vec<u8>), SandboxError> {
    let (mut stdout, mut stderr) = (vec![], vec![]);
    let mut take = |stream, bytes: &[u8]| {
        assert!(!bytes.is_empty());
        match stream {
            Stream::Stdout => stdout.extend_from_slice(bytes),
            Stream::Stderr => stderr.extend_from_slice(bytes),
        }
    };
    let exit =
        sandbox.run(process, Io { stdin: Stdin::Null, output: Output::Callback(&mut take) }, cancel)?;
    Ok((exit, stdout, stderr))
}

#[test]
fn exits_are_told() {
    with_each(|sandbox, root| {
        for (script, exit) in
            [("exit 0", Exit::Code(0)), ("exit 17", Exit::Code(17)), ("kill -9 $$", Exit::Signal(9))]
        {
            assert_eq!(run(sandbox, &shell(root, script), &Cancel::new()).unwrap().0, exit);
        }
    });
}

#[test]
fn output_arrives_by_stream() {
    with_each(|sandbox, root| {
        let (exit, stdout, stderr) =
            run(sandbox, &shell(root, "echo one; echo two >&2; echo three"), &Cancel::new()).unwrap();
        assert_eq!(
            (exit, stdout.as_slice(), stderr.as_slice()),
            (Exit::Code(0), &b"one\nthree\n"[..], &b"two\n"[..])
        );
    });
}

#[test]
fn writes_land_in_the_directory() {
    with_each(|sandbox, root| {
        run(sandbox, &shell(root, "echo text >/file"), &Cancel::new()).unwrap();
        assert_eq!(fs::read_to_string(root.join("file")).unwrap(), "text\n");
    });
}

#[test]
fn a_cancelled_run_does_not_start() {
    with_each(|sandbox, root| {
        let cancel = Cancel::new();
        cancel.cancel();
        let result = run(sandbox, &shell(root, "echo text >/never"), &cancel);
        assert!(matches!(result, Err(SandboxError::Cancelled)));
        assert!(!root.join("never").exists());
    });
}

#[test]
fn nonsense_is_refused() {
    with_each(|sandbox, root| {
        let mut process = shell(root, "exit 0");
        process.cwd = "relative".into();
        let error = run(sandbox, &process, &Cancel::new()).unwrap_err();
        assert!(matches!(error, SandboxError::InvalidProcess { .. }), "{error}");
    });
}

#[test]
fn what_it_can_do_is_said() {
    with_each(|sandbox, _| {
        assert!(sandbox.capabilities().can_run());
        assert!(!sandbox.capabilities().level().is_empty());
    });
}
