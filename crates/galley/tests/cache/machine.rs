//! A machine to build on: a directory with a context and a store, the program, and the store's library beside it.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use galley_sandbox::{LinuxSandbox, Sandbox};
use galley_store::{OpenOptions, PruneFilter, Snapshotter, Store};
use rustix::process::{Pid, Signal, kill_process};

const BUSYBOX: &str = "/bin/busybox";

/// How long anything may take before the test says that it hangs.
const PATIENCE: Duration = Duration::from_secs(120);

/// Both kinds of snapshots.
pub const KINDS: [Snapshotter; 2] = [Snapshotter::Overlay { userxattr: false }, Snapshotter::Copy];

/// A machine.
pub struct Machine {
    directory: tempfile::TempDir,
    /// The store's kind.
    pub snapshotter: Snapshotter,
}

impl Machine {
    /// A machine with a store of this kind, and in `tools` a busybox. `None` where this one cannot run the test, which is said; with
    /// `GALLEY_TESTS_MUST_RUN=1` that is a failure.
    pub fn new(snapshotter: Snapshotter) -> Option<Self> {
        let machine = Self::without_store(snapshotter)?;
        let options = OpenOptions { create: true, snapshotter: Some(snapshotter), ..OpenOptions::default() };
        Store::open(&machine.store_path(), &options).unwrap();
        Some(machine)
    }

    /// The same, and the first build makes the store.
    pub fn without_store(snapshotter: Snapshotter) -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        if let Some(missing) = missing(directory.path()) {
            let must = std::env::var_os("GALLEY_TESTS_MUST_RUN").is_some_and(|value| value == "1");
            assert!(!must, "this test cannot run here: {missing}");
            eprintln!("not run: {missing}");
            return None;
        }
        for name in ["context", "tools", "home"] {
            fs::create_dir(directory.path().join(name)).unwrap();
        }
        fs::copy(BUSYBOX, directory.path().join("tools/busybox")).unwrap();
        Some(Self { directory, snapshotter })
    }

    /// A path in the machine's directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Where the store is.
    pub fn store_path(&self) -> PathBuf {
        self.path("store")
    }

    /// The store, as another process has it. `boot` stands for another boot of the machine.
    pub fn open(&self, boot: Option<&str>) -> Store {
        let options = OpenOptions { boot_id: boot.map(Into::into), ..OpenOptions::default() };
        Store::open(&self.store_path(), &options).unwrap()
    }

    /// Opens the store and reads all of it: nothing may be wrong.
    pub fn assert_whole(&self, when: &str) {
        assert_eq!(self.open(None).check(true).unwrap(), [], "{when}");
    }

    /// Nothing may be left of what processes did not finish that ended.
    pub fn assert_swept(&self, when: &str) {
        self.assert_empty("tmp", when);
    }

    /// A prune may leave nothing at all of processes that ended.
    pub fn prune(&self, when: &str) {
        self.open(None).prune(&PruneFilter::default()).unwrap();
        self.assert_empty("tmp", when);
        self.assert_empty("leases", when);
        self.assert_whole(when);
    }

    fn assert_empty(&self, name: &str, when: &str) {
        let left: Vec<_> = fs::read_dir(self.store_path().join(name)).unwrap().flatten().collect();
        assert!(left.is_empty(), "{when}: {name}/ has {left:?}");
    }

    /// Writes a file of the context.
    pub fn write(&self, name: &str, text: &str) {
        fs::write(self.path("context").join(name), text).unwrap();
    }

    /// The program, with this machine's store and nobody's configuration.
    pub fn galley(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_galley"));
        command.arg("--store").arg(self.store_path()).args(args);
        command.env("HOME", self.path("home")).env_remove("XDG_CONFIG_HOME").env_remove("XDG_DATA_HOME");
        command.env_remove("SOURCE_DATE_EPOCH").env("LC_ALL", "C.UTF-8").stdin(Stdio::null());
        command
    }

    /// `galley build` of a Dockerfile with this machine's context; the image gets the name `app`.
    pub fn build(&self, dockerfile: &str, args: &[&str]) -> Command {
        self.build_with(&self.path("context"), dockerfile, args)
    }

    /// The same with another context.
    pub fn build_with(&self, context: &Path, dockerfile: &str, args: &[&str]) -> Command {
        let file = self.path(&format!("Dockerfile-{:016x}", hash(dockerfile)));
        fs::write(&file, dockerfile).unwrap();
        let mut command = self.galley(&["build", "--progress", "plain", "-t", "app", "--network", "none"]);
        command.arg("--build-context").arg(format!("tools={}", self.path("tools").display()));
        command.arg("-f").arg(file).args(args).arg(context);
        command
    }

    /// The id of the image `app`.
    pub fn image_id(&self) -> String {
        let store = self.open(None);
        let lease = store.lease().unwrap();
        store.image(&"app".parse().unwrap(), &lease).unwrap().expect("an image named app").id.to_string()
    }

    /// What the image `app` prints.
    pub fn printed(&self) -> String {
        succeed(&mut self.galley(&["run", "--network", "none", "app"]))
    }

    /// The data of the cache mount in which some step made the file `name`; waits for it.
    pub fn cache_with(&self, name: &str) -> PathBuf {
        wait_for(&format!("{name} in a cache mount"), || {
            let mounts = fs::read_dir(self.store_path().join("mounts")).ok()?;
            let data = mounts.flatten().map(|mount| mount.path().join("0/data"));
            data.into_iter().find(|data| data.join(name).exists())
        })
    }
}

/// What this machine lacks, if anything.
fn missing(scratch: &Path) -> Option<&'static str> {
    if !Path::new(BUSYBOX).exists() {
        return Some("there is no /bin/busybox (Debian: busybox-static)");
    }
    if !rustix::process::geteuid().is_root() {
        return Some("it needs root, to make stores of both kinds");
    }
    match LinuxSandbox::probe(scratch) {
        Ok(sandbox) if sandbox.capabilities().overlay => None,
        Ok(_) => Some("the sandbox cannot mount overlays"),
        Err(_) => Some("the sandbox cannot run here"),
    }
}

fn hash(text: &str) -> u64 {
    text.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}

/// Runs a command that has to succeed; returns what it printed.
pub fn succeed(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}\n{stderr}", output.status);
    String::from_utf8(output.stdout).unwrap()
}

/// Asks until there is an answer.
pub fn wait_for<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(started.elapsed() < PATIENCE, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A program that runs beside the test. Killed if the test ends first.
pub struct Running {
    child: Child,
    lines: Receiver<String>,
    /// What it wrote to standard error so far, as far as anybody looked.
    pub seen: Vec<String>,
}

impl Running {
    /// Starts it.
    pub fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (send, lines) = channel();
        std::thread::spawn(move || {
            for line in stderr.lines() {
                let _ = line.map(|line| send.send(line));
            }
        });
        Self { child, lines, seen: Vec::new() }
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for a line with `part` in it.
    pub fn line_with(&mut self, part: &str) -> String {
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) => {
                    self.seen.push(line.clone());
                    if line.contains(part) {
                        return line;
                    }
                }
                Err(_) => panic!("no line with `{part}` in:\n{}", self.seen.join("\n")),
            }
        }
    }

    /// Waits for `count` more lines, or for the end.
    pub fn lines(&mut self, count: usize) {
        for _ in 0..count {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) => self.seen.push(line),
                Err(_) => return,
            }
        }
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        let id = Pid::from_raw(i32::try_from(self.id()).unwrap()).unwrap();
        // It may have ended.
        let _ = kill_process(id, signal);
    }

    /// Waits for its end.
    pub fn end(&mut self) -> ExitStatus {
        let status = wait_for("the end of a build", || self.child.try_wait().unwrap());
        self.seen.extend(self.lines.iter());
        status
    }

    /// Waits for its end, which must be a good one.
    pub fn succeed(mut self) {
        let status = self.end();
        assert!(status.success(), "{status}\n{}", self.seen.join("\n"));
    }

    /// Kills it as a power cut would, and waits until it is gone. Returns whether it was still running.
    pub fn kill(mut self) -> bool {
        self.signal(Signal::KILL);
        std::os::unix::process::ExitStatusExt::signal(&self.end()).is_some()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
