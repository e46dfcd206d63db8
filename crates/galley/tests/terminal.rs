//! galley at a terminal, as a person uses it: keys, Ctrl-C, window sizes and exit codes, as root and as a plain user.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command};

use galley_testkit::machine;
use galley_testkit::user::PlainUser;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};
use tempfile::TempDir;

/// How long something may take before it counts as never; nothing is measured.
const NEVER: Timespec = Timespec { tv_sec: 60, tv_nsec: 0 };

const DOCKERFILE: &str = r#"FROM scratch AS base
COPY busybox /bin/busybox
RUN ["/bin/busybox", "--install", "-s", "/bin"]
FROM base AS slow
RUN trap '' TERM; echo step is ready; sleep 1000 & sleep 1000
"#;

/// A home directory with a project, a copy of galley that everybody may execute, and who uses them.
struct Home {
    directory: TempDir,
    user: Option<PlainUser>,
}

impl Home {
    /// For root and for a plain user, as far as the machine has them.
    fn all() -> Vec<Home> {
        if !machine::has_programs(&["/bin/busybox", "setsid"]) {
            return Vec::new();
        }
        let root = rustix::process::geteuid().is_root() || machine::cannot_run("it runs steps as root");
        let users = root.then_some(None).into_iter().chain(PlainUser::with_subordinate_ids().map(Some));
        users.map(Home::new).collect()
    }

    fn new(user: Option<PlainUser>) -> Home {
        let home = Home { directory: tempfile::tempdir().unwrap(), user };
        fs::set_permissions(home.directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
        fs::copy(env!("CARGO_BIN_EXE_galley"), home.path("galley")).unwrap();
        fs::copy("/bin/busybox", home.path("busybox")).unwrap();
        fs::write(home.path("Dockerfile"), DOCKERFILE).unwrap();
        if let Some(user) = user {
            user.give(home.directory.path()).unwrap();
        }
        home
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn command(&self, program: &str) -> Command {
        let mut command = self.user.map_or_else(|| Command::new(program), |user| user.command(program));
        command.current_dir(self.directory.path()).env_clear();
        command.env("PATH", "/usr/bin:/bin").env("HOME", self.directory.path()).env("TERM", "xterm");
        command
    }

    /// What galley prints without a terminal, after a good end.
    fn galley(&self, arguments: &str) -> String {
        let galley = self.path("galley");
        let mut command = self.command(galley.to_str().unwrap());
        let output = command.args(["--store", "store"]).args(arguments.split(' ')).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Galley in the foreground of a terminal.
    fn at_terminal(&self, arguments: &[&str]) -> Person {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let master = openpt(flags).unwrap();
        unlockpt(&master).unwrap();
        let terminal = ioctl_tiocgptpeer(&master, flags).unwrap();
        tcsetwinsize(&terminal, size(33, 77)).unwrap();
        let stream = || terminal.try_clone().unwrap();
        // Becomes galley itself, so that its exit code is galley's.
        let mut command = self.command("setsid");
        command.arg("--ctty").arg(self.path("galley")).args(["--store", "store"]).args(arguments);
        let galley = command.stdin(stream()).stdout(stream()).stderr(stream()).spawn().unwrap();
        Person { master: File::from(master), terminal, galley, seen: String::new() }
    }
}

/// Who sits at the terminal.
struct Person {
    master: File,
    terminal: OwnedFd,
    galley: Child,
    seen: String,
}

impl Person {
    fn waits_for(&mut self, text: &str) {
        while !self.seen.contains(text) {
            let mut fds = [PollFd::new(&self.master, PollFlags::IN)];
            assert!(poll(&mut fds, Some(&NEVER)).unwrap() > 0, "never `{text}`: {}", self.seen);
            let mut bytes = [0; 4096];
            let read = self.master.read(&mut bytes).unwrap();
            self.seen += &String::from_utf8_lossy(&bytes[..read]);
        }
    }

    fn types(&mut self, keys: &[u8]) {
        self.master.write_all(keys).unwrap();
    }

    /// How galley ended, and all that was shown.
    fn leaves(mut self) -> (Option<i32>, String) {
        let code = self.galley.wait().unwrap().code();
        assert!(
            tcgetattr(&self.terminal)
                .unwrap()
                .local_modes
                .contains(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG)
        );
        drop(self.terminal);
        let mut rest = Vec::new();
        // Ends with an error: that is how this side of a terminal learns that nobody has it open.
        let _ = self.master.read_to_end(&mut rest);
        (code, self.seen + &String::from_utf8_lossy(&rest))
    }
}

fn size(rows: u16, columns: u16) -> Winsize {
    Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }
}

#[test]
fn a_program_in_a_container_has_the_terminal() {
    for home in Home::all() {
        home.galley("build -q -t app --target base .");
        let script = "stty size; tty; echo $TERM; trap 'echo resized to $(stty size)' WINCH; trap 'echo interrupted; exit 5' INT; \
                      read line; echo got $line; while :; do sleep 0.01; done";
        let mut person = home.at_terminal(&["run", "--rm", "-i", "-t", "app", "sh", "-c", script]);
        person.waits_for("33 77\r\n/dev/pts/0\r\nxterm\r\n");
        person.types(b"some words\r");
        person.waits_for("some words\r\ngot some words\r\n");
        tcsetwinsize(&person.terminal, size(10, 20)).unwrap();
        person.waits_for("resized to 10 20\r\n");
        person.types(b"\x03");
        let (code, seen) = person.leaves();
        assert_eq!(code, Some(5), "{seen}");
        assert!(seen.ends_with("^Cinterrupted\r\n"), "{seen}");
    }
}

#[test]
fn ctrl_c_ends_a_program_under_init_and_ctrl_d_its_input() {
    for home in Home::all() {
        home.galley("build -q -t app --target base .");
        let mut person =
            home.at_terminal(&["run", "-it", "--init", "app", "sh", "-c", "echo ready; exec sleep 1000"]);
        person.waits_for("ready");
        person.types(b"\x03");
        assert_eq!(person.leaves().0, Some(130));
        let mut person = home.at_terminal(&["run", "-it", "app", "sh", "-c", "echo ready; cat; exit 9"]);
        person.waits_for("ready");
        person.types(b"\x04");
        assert_eq!(person.leaves().0, Some(9));
    }
}

#[test]
fn without_a_container_terminal_ctrl_c_goes_to_the_program() {
    for home in Home::all() {
        home.galley("build -q -t app --target base .");
        let script = "trap 'echo stopped; exit 4' INT; echo ready; while :; do sleep 0.01; done";
        let mut person = home.at_terminal(&["run", "-i", "app", "sh", "-c", script]);
        person.waits_for("ready");
        person.types(b"\x03");
        let (code, seen) = person.leaves();
        assert_eq!(code, Some(4), "{seen}");
        assert!(seen.contains("stopped"), "{seen}");
    }
}

#[test]
fn ctrl_c_stops_a_build_and_leaves_a_clean_store() {
    for home in Home::all() {
        for face in ["plain", "tty"] {
            let mut person = home.at_terminal(&["build", "--progress", face, "-t", "app", "."]);
            person.waits_for("step is ready");
            person.types(b"\x03");
            let (code, seen) = person.leaves();
            assert_eq!(code, Some(130), "{seen}");
            assert!(seen.contains("interrupted"), "{seen}");
            assert_eq!(home.galley("store check --deep"), "the store is whole\n");
            assert_eq!(
                fs::read_dir(home.path("store/tmp")).map_or(0, Iterator::count),
                0,
                "nothing half-done is left"
            );
        }
        // What was finished before is kept.
        let mut person = home.at_terminal(&["build", "--progress", "plain", "--target", "base", "."]);
        person.waits_for("0 steps ran, 2 cached");
        assert_eq!(person.leaves().0, Some(0));
    }
}
