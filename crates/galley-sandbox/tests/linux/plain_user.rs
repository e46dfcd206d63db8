//! All of it again as a plain user with subordinate ids.

use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::lab::until;
use rustix::net::{RecvFlags, SendFlags};

use galley_sandbox::userns::{self, Caller, Reexec, UserNamespaceError};
use galley_testkit::user::PlainUser;

/// Which part this test binary plays when a test starts it again.
const ROLE: &str = "GALLEY_SANDBOX_PLAIN_USER";

/// This test binary as that user, in the given role.
fn as_user(user: PlainUser, role: &str) -> Command {
    let mut command = user.command(std::env::current_exe().unwrap());
    command.args(["--exact", "plain_user::role", "--nocapture"]);
    command.env(ROLE, role).env_remove("TMPDIR").current_dir("/");
    command
}

/// The user of these tests; `None` where they cannot run, which has been said, or where all of this runs inside already.
fn user() -> Option<PlainUser> {
    if inside_already() { None } else { PlainUser::with_subordinate_ids() }
}

fn inside_already() -> bool {
    userns::in_user_namespace()
}

#[test]
fn everything_works_for_a_plain_user_too() {
    let Some(user) = user() else { return };
    let output = as_user(user, "everything").output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("caller 12345:12345"), "{text}");
    // Else a filter that matches nothing would pass for success.
    assert!(text.contains("test privileges::root_has_dockers_default_capabilities ... ok"), "{text}");
}

#[test]
fn the_exit_code_comes_through() {
    let Some(user) = user() else { return };
    let status = as_user(user, "exit").stdout(std::process::Stdio::null()).status().unwrap();
    assert_eq!(status.code(), Some(37));
}

#[test]
fn the_inner_galley_dies_with_the_outer_one() {
    let Some(user) = user() else { return };
    let role = format!("wait-{}", std::process::id());
    let mut outer = as_user(user, &role).stdout(std::process::Stdio::null()).spawn().unwrap();
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
    let Some(user) = PlainUser::without_subordinate_ids() else { return };
    let output = as_user(user, "exit").output().unwrap();
    let text =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("/etc/subuid gives user 12399 no subordinate ids"), "{text}");
    assert!(text.contains(":65536`"), "{text}");
}

/// What the galley outside does for the one inside: says who it is.
#[allow(clippy::needless_pass_by_value, reason = "the socket closes here")]
fn serve(socket: OwnedFd) {
    let me = format!("user {}", rustix::process::getuid().as_raw());
    // Most roles end without listening.
    let _ = rustix::net::send(&socket, me.as_bytes(), SendFlags::NOSIGNAL);
}

#[test]
fn the_galley_outside_can_be_talked_to() {
    let Some(user) = user() else { return };
    let output = as_user(user, "talk").output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("outside is user 12345, and its socket is not inherited"), "{text}");
}

fn talk(caller: Caller) {
    let channel = caller.channel().unwrap();
    let mut message = [0; 64];
    let (length, _) = rustix::net::recv(&channel, &mut message, RecvFlags::empty()).unwrap();
    let said = String::from_utf8_lossy(&message[..length]).into_owned();
    let descriptors = Command::new("ls").args(["-l", "/proc/self/fd"]).output().unwrap().stdout;
    let inherited = if String::from_utf8_lossy(&descriptors).contains("socket:") { "" } else { "not " };
    println!("outside is {said}, and its socket is {inherited}inherited");
    std::process::exit(0);
}

/// Plays galley: executes itself in a user namespace, and does there what the role says.
#[test]
fn role() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let marker = std::env::var_os(Caller::MARKER);
    let Some(caller) = marker.as_deref().and_then(Caller::from_marker) else {
        let how = Reexec { args: std::env::args_os().collect(), env: std::env::vars_os().collect() };
        let status = match userns::reexec(&how, serve) {
            Ok(status) => status,
            Err(error @ UserNamespaceError::NoSubordinateIds { .. }) => panic!("{error}"),
            Err(error) => panic!("unexpected: {error}"),
        };
        std::process::exit(status.code().unwrap_or(99));
    };
    assert!(inside_already() && rustix::process::geteuid().is_root());
    match role.as_str() {
        "exit" => std::process::exit(37),
        "talk" => talk(caller),
        "everything" => {
            println!("caller {}:{}", caller.uid, caller.gid);
            let mut all = Command::new("/proc/self/exe");
            let error = all.args(["--test-threads", "2"]).env_remove(ROLE).exec();
            panic!("{error}");
        }
        // The death signal belongs to the main thread, so this process may not become another one from a test's.
        _ => loop {
            std::thread::park();
        },
    }
}
