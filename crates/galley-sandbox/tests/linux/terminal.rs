//! Processes with a terminal.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::thread;

use galley_sandbox::{Cancel, Exit, Io, Output, Sandbox, Stdin};
use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};

use crate::lab::{Lab, until};

/// The terminal that a person would sit at: the person's side and galley's side.
fn person() -> (File, OwnedFd) {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let master = openpt(flags).unwrap();
    unlockpt(&master).unwrap();
    let slave = ioctl_tiocgptpeer(&master, flags).unwrap();
    let size = Winsize { ws_row: 33, ws_col: 77, ws_xpixel: 0, ws_ypixel: 0 };
    tcsetwinsize(&slave, size).unwrap();
    (File::from(master), slave)
}

fn run_with(lab: &Lab, script: &str, keys: Option<&[u8]>) -> (Exit, String) {
    let (mut person, tty) = person();
    let mut process = lab.shell(script);
    process.terminal = true;
    lab.plan(&process).create_layer(&lab.path("stubs")).unwrap();
    let before = tcgetattr(&tty).unwrap();
    let mut out = Vec::new();
    let mut take = |_, bytes: &[u8]| out.extend_from_slice(bytes);
    let stdin = if keys.is_some() { Stdin::Fd(tty.as_fd()) } else { Stdin::Null };
    person.write_all(keys.unwrap_or_default()).unwrap();
    let io = Io { stdin, output: Output::Callback(&mut take) };
    let exit = lab.sandbox.run(&process, io, &Cancel::new()).unwrap();
    let after = tcgetattr(&tty).unwrap();
    assert_eq!(before.local_modes, after.local_modes, "the terminal's modes are put back");
    (exit, String::from_utf8(out).unwrap())
}

#[test]
fn a_terminal_is_one() {
    let lab = Lab::new();
    let (exit, out) = run_with(
        &lab,
        "tty; test -t 0 && test -t 1 && test -t 2 && echo all; stty size; echo con >/dev/console; echo tty >/dev/tty; stat -c %F /dev/console",
        Some(b""),
    );
    assert_eq!(exit, Exit::Code(0));
    assert_eq!(out, "/dev/pts/0\r\nall\r\n33 77\r\ncon\r\ntty\r\ncharacter special file\r\n");
}

#[test]
fn keys_reach_the_process() {
    let lab = Lab::new();
    let (exit, out) = run_with(&lab, "stty -echo; read line; echo got $line; exit 5", Some(b"some words\r"));
    assert_eq!(exit, Exit::Code(5));
    assert!(out.ends_with("got some words\r\n"), "{out:?}");
}

#[test]
fn interrupting_from_the_keyboard_works() {
    let script = "trap 'echo stopped; exit 9' INT; echo x >/ready; while :; do sleep 0.01; done";
    let (result, _) = while_ready(script, |_, person, _| person.write_all(b"\x03").unwrap());
    // The terminal shows the key as it always does.
    assert_eq!(result, (Exit::Code(9), "^Cstopped\r\n".into()));
}

/// Runs `script`, and does `then` once it has made `/ready`: before that, galley may not have the person's terminal in raw mode yet, and
/// an interrupt would be lost to a terminal without a foreground process. Gives what came out, and what the person saw.
fn while_ready(script: &str, then: impl FnOnce(&OwnedFd, &mut File, &Cancel)) -> ((Exit, String), Vec<u8>) {
    let lab = Lab::new();
    let (mut person, tty) = person();
    let mut process = lab.shell(script);
    process.terminal = true;
    lab.plan(&process).create_layer(&lab.path("stubs")).unwrap();
    let cancel = Cancel::new();
    let ready = lab.path("upper/ready");
    let result = thread::scope(|scope| {
        let running = scope.spawn(|| {
            let mut out = Vec::new();
            let mut take = |_, bytes: &[u8]| out.extend_from_slice(bytes);
            let io = Io { stdin: Stdin::Fd(tty.as_fd()), output: Output::Callback(&mut take) };
            let exit = lab.sandbox.run(&process, io, &cancel).unwrap();
            (exit, String::from_utf8(out).unwrap())
        });
        until("the process is ready and the terminal raw", || {
            ready.exists() && !tcgetattr(&tty).unwrap().local_modes.contains(LocalModes::ISIG)
        });
        then(&tty, &mut person, &cancel);
        running.join().unwrap()
    });
    drop(tty);
    let mut rest = Vec::new();
    // Ends with an error: that is how the side of a terminal's keys learns that nobody has it open.
    let _ = person.read_to_end(&mut rest);
    (result, rest)
}

#[test]
fn a_terminal_without_keys_shows_output_all_the_same() {
    let lab = Lab::new();
    let (exit, out) = run_with(&lab, "echo quick", None);
    assert_eq!((exit, out.as_str()), (Exit::Code(0), "quick\r\n"));
}

#[test]
fn a_new_window_size_is_followed() {
    let script = "trap 'stty size; exit 0' WINCH; stty size; echo x >/ready; while :; do sleep 0.01; done";
    let (result, seen) = while_ready(script, |tty, _, cancel| {
        let size = Winsize { ws_row: 10, ws_col: 20, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(tty, size).unwrap();
        cancel.deliver(libc::SIGWINCH);
    });
    assert_eq!(result, (Exit::Code(0), "33 77\r\n10 20\r\n".into()));
    // Nothing was echoed on the person's side: it was in raw mode.
    assert_eq!(seen, b"");
}
