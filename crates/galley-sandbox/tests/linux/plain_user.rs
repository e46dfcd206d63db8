//! All of it again as a plain user with subordinate ids.

use std::fs;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use crate::lab::until;
use galley_sandbox::userns::{self, Caller, Reexec, UserNamespaceError};

/// A user that the machine does not know, with ids of its own.
const USER: &str = "12345";
const SUBORDINATE: &str = "12345:300000:65536\n";

/// Which part this test binary plays when a test starts it again.
const ROLE: &str = "GALLEY_SANDBOX_PLAIN_USER";

fn give_subordinate_ids() {
    for path in ["/etc/subuid", "/etc/subgid"] {
        let text = fs::read_to_string(path).unwrap_or_default();
        if !text.lines().any(|line| line.starts_with("12345:")) {
            let mut file = fs::File::options().append(true).create(true).open(path).unwrap();
            file.write_all(SUBORDINATE.as_bytes()).unwrap();
        }
    }
    // newuidmap refuses users without a name.
    let passwd = fs::read_to_string("/etc/passwd").unwrap();
    if !passwd.lines().any(|line| line.split(':').nth(2) == Some(USER)) {
        let mut file = fs::File::options().append(true).open("/etc/passwd").unwrap();
        file.write_all(format!("galley-test:x:{USER}:{USER}::/:/bin/sh\n").as_bytes()).unwrap();
    }
}

/// This test binary as user `uid`, in the given role.
fn as_user(uid: &str, role: &str) -> Command {
    for tool in ["setpriv", "newuidmap", "newgidmap"] {
        let found = ["/usr/bin", "/bin", "/usr/sbin"].iter().any(|bin| Path::new(bin).join(tool).exists());
        assert!(found, "{tool} is missing: this test needs the packages util-linux and uidmap");
    }
    assert!(
        rustix::process::geteuid().is_root(),
        "this test becomes another user, and so has to start as root"
    );
    let mut command = Command::new("setpriv");
    command.args(["--reuid", uid, "--regid", uid, "--clear-groups", "--"]);
    command.arg(std::env::current_exe().unwrap());
    command.args(["--exact", "plain_user::role", "--nocapture"]);
    command.env(ROLE, role).env_remove("TMPDIR").current_dir("/");
    command
}

fn inside_already() -> bool {
    userns::in_user_namespace()
}

#[test]
fn everything_works_for_a_plain_user_too() {
    if inside_already() {
        return;
    }
    give_subordinate_ids();
    let output = as_user(USER, "everything").output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("caller 12345:12345"), "{text}");
    // Else a filter that matches nothing would pass for success.
    assert!(text.contains("test privileges::root_has_dockers_default_capabilities ... ok"), "{text}");
}

#[test]
fn the_exit_code_comes_through() {
    if inside_already() {
        return;
    }
    give_subordinate_ids();
    let status = as_user(USER, "exit").stdout(std::process::Stdio::null()).status().unwrap();
    assert_eq!(status.code(), Some(37));
}

#[test]
fn the_inner_galley_dies_with_the_outer_one() {
    if inside_already() {
        return;
    }
    give_subordinate_ids();
    let role = format!("wait-{}", std::process::id());
    let mut outer = as_user(USER, &role).stdout(std::process::Stdio::null()).spawn().unwrap();
    until("the inner galley runs", || inner_galleys(&role) == 1);
    outer.kill().unwrap();
    outer.wait().unwrap();
    until("the inner galley is gone", || inner_galleys(&role) == 0);
}

/// How many processes have the role and are inside of a user namespace.
fn inner_galleys(role: &str) -> usize {
    let role = format!("{ROLE}={role}");
    let has = |environment: &[u8], start: &str| {
        environment.split(|byte| *byte == 0).any(|variable| variable.starts_with(start.as_bytes()))
    };
    let environments =
        fs::read_dir("/proc").unwrap().filter_map(|entry| fs::read(entry.ok()?.path().join("environ")).ok());
    environments.filter(|all| has(all, &role) && has(all, Caller::MARKER)).count()
}

#[test]
fn a_user_without_subordinate_ids_is_told_which_line_to_add() {
    if inside_already() {
        return;
    }
    let output = as_user("12399", "exit").output().unwrap();
    let text =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("/etc/subuid gives user 12399 no subordinate ids"), "{text}");
    assert!(text.contains(":65536`"), "{text}");
}

/// Plays galley: executes itself in a user namespace, and does there what the role says.
#[test]
fn role() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let marker = std::env::var_os(Caller::MARKER);
    let Some(caller) = marker.as_deref().and_then(Caller::from_marker) else {
        let how = Reexec { args: std::env::args_os().collect(), env: std::env::vars_os().collect() };
        let status = match userns::reexec(&how) {
            Ok(status) => status,
            Err(error @ UserNamespaceError::NoSubordinateIds { .. }) => panic!("{error}"),
            Err(error) => panic!("unexpected: {error}"),
        };
        std::process::exit(status.code().unwrap_or(99));
    };
    assert!(inside_already() && rustix::process::geteuid().is_root());
    match role.as_str() {
        "exit" => std::process::exit(37),
        "everything" => {
            println!("caller {}:{}", caller.uid, caller.gid);
            let mut all = Command::new(std::env::current_exe().unwrap());
            let error = all.args(["--test-threads", "2"]).env_remove(ROLE).exec();
            panic!("{error}");
        }
        // The death signal belongs to the main thread, so this process may not become another one from a test's.
        _ => loop {
            std::thread::park();
        },
    }
}
