//! Whole commands that run steps on the kernel: every file of `testdata/steps` is run as root, and again as a plain user with subordinate ids.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use galley_testkit::expect::cases;
use galley_testkit::literate::Runner;
use galley_testkit::machine;
use galley_testkit::user::PlainUser;
use tempfile::TempDir;

/// A copy of galley in a directory that every user may enter, which the build's own may not be.
fn galley() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
    fs::copy(env!("CARGO_BIN_EXE_galley"), directory.path().join("galley")).unwrap();
    directory
}

fn run_all(user: Option<PlainUser>) {
    if !machine::has_programs(&["/bin/busybox", "tar", "cmp", "awk"]) {
        return;
    }
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/steps");
    let galley = galley();
    let path = vec![galley.path().into()];
    let runner = Runner { path, env: vec![("LC_ALL".into(), "C.UTF-8".into())], user };
    let failures: Vec<String> =
        cases(&directory, "md").unwrap().iter().filter_map(|case| runner.run(case).err()).collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn every_file_holds_for_root() {
    if rustix::process::geteuid().is_root() || machine::cannot_run("it runs steps as root") {
        run_all(None);
    }
}

#[test]
fn every_file_holds_for_a_plain_user() {
    if let Some(user) = PlainUser::with_subordinate_ids() {
        run_all(Some(user));
    }
}

/// What `galley ARGUMENTS` prints for a user with an own home directory, both streams together.
fn galley_as(user: PlainUser, home: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    user.give(home).unwrap();
    let galley = galley();
    let path = format!("{}:/usr/bin:/bin", home.display());
    let output = user
        .command(galley.path().join("galley"))
        .args(arguments)
        .env_clear()
        .env("HOME", home)
        .env("PATH", path)
        .current_dir(home)
        .output()
        .unwrap();
    let text =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.code(), text)
}

#[test]
fn a_user_without_subordinate_ids_is_told_what_is_missing() {
    let Some(user) = PlainUser::without_subordinate_ids() else { return };
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("Dockerfile"), "FROM scratch\nCOPY Dockerfile /\n").unwrap();
    let (code, text) = galley_as(user, home.path(), &["build", "."]);
    assert_eq!(code, Some(1));
    assert!(text.starts_with("error: /etc/subuid gives user 12399 no subordinate ids"), "{text}");
    assert!(text.contains("add the line `12399:") && text.contains(":65536`"), "{text}");
    assert!(!home.path().join(".local").exists(), "nothing was begun");
    // What opens no store needs no ids, and a mistake in the command line is said before anything else.
    let (code, text) = galley_as(user, home.path(), &["images"]);
    assert_eq!((code, text.as_str()), (Some(0), "NAME   ID   CREATED   SIZE\n"));
    let (code, text) = galley_as(user, home.path(), &["build", "--no-such-option"]);
    assert_eq!(code, Some(2), "{text}");
}

/// A galley that runs `sleep`, and what it left in `/proc` of the process that made the sandbox.
#[test]
fn programs_of_images_run_from_a_galley_that_nobody_can_write() {
    let root = rustix::process::geteuid().is_root() || machine::cannot_run("it runs steps as root");
    let users = root.then_some(None).into_iter().chain(PlainUser::with_subordinate_ids().map(Some));
    for user in users.filter(|_| machine::has_programs(&["/bin/busybox"])) {
        let home = tempfile::tempdir().unwrap();
        let dockerfile =
            "FROM scratch\nCOPY busybox /bin/sh\nCMD [\"/bin/sh\", \"-c\", \"echo ready; read line\"]\n";
        fs::write(home.path().join("Dockerfile"), dockerfile).unwrap();
        fs::copy("/bin/busybox", home.path().join("busybox")).unwrap();
        if let Some(user) = user {
            user.give(home.path()).unwrap();
        }
        let galley = galley();
        let command = |arguments: &str| {
            let program = galley.path().join("galley");
            let mut command = user.map_or_else(|| Command::new(&program), |user| user.command(&program));
            command
                .args(["--store", "store"])
                .args(arguments.split(' '))
                .current_dir(home.path())
                .env("HOME", home.path());
            command.stdin(Stdio::piped()).stdout(Stdio::piped());
            command
        };
        assert!(command("build -q -t app .").status().unwrap().success());
        let mut running = command("run -i app").spawn().unwrap();
        let mut ready = String::new();
        BufReader::new(running.stdout.take().unwrap()).read_line(&mut ready).unwrap();
        assert_eq!(ready, "ready\n");
        let outer = running.id();
        let inner = fs::read_to_string(format!("/proc/{outer}/task/{outer}/children")).unwrap();
        let maker = if user.is_some() { inner.trim().to_owned() } else { outer.to_string() };
        let mount = rustix::fs::statvfs(format!("/proc/{maker}/exe")).unwrap();
        assert!(mount.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY), "{user:?}");
        assert_eq!(fs::read_to_string(format!("/proc/{maker}/comm")).unwrap(), "galley\n");
        drop(running.stdin.take());
        running.wait().unwrap();
    }
}

/// A registry that lets nobody in, and says what it was told: the `Authorization` header of each request.
fn locked_registry() -> (String, std::sync::mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
            for line in lines.take_while(|line| !line.is_empty()) {
                if let Some((name, value)) = line.split_once(": ")
                    && name.eq_ignore_ascii_case("authorization")
                    && tell.send(value.to_owned()).is_err()
                {
                    return;
                }
            }
            let answer = "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"x\"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
            // A client that hung up has heard enough.
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    (address, told)
}

#[test]
fn credential_helpers_run_as_the_user_outside_of_the_namespace() {
    let Some(user) = PlainUser::with_subordinate_ids() else { return };
    let (address, told) = locked_registry();
    let home = tempfile::tempdir().unwrap();
    let helper = home.path().join("docker-credential-test");
    let answer = r#"{"Username":"me","Secret":"pw"}"#;
    let script = format!("#!/bin/sh\nid -u >>\"$HOME/asked\"\ncat >>\"$HOME/asked\"\necho '{answer}'\n");
    fs::write(&helper, script).unwrap();
    fs::set_permissions(&helper, fs::Permissions::from_mode(0o755)).unwrap();
    fs::create_dir(home.path().join(".docker")).unwrap();
    let config = format!(r#"{{"credHelpers":{{"{address}":"test"}}}}"#);
    fs::write(home.path().join(".docker/config.json"), config).unwrap();

    let (code, text) = galley_as(user, home.path(), &["pull", &format!("{address}/private:1")]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("those it has for this registry were refused"), "{text}");
    // me:pw
    assert_eq!(told.recv().unwrap(), "Basic bWU6cHc=");
    // Once, by the user and not by the root of a namespace.
    let asked = fs::read_to_string(home.path().join("asked")).unwrap();
    assert_eq!(asked, format!("{}\n{address}", user.id()), "{text}");
}
