//! A busybox root file system, and a sandbox to run steps in it.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use galley_sandbox::stubs::{self, AncestorKind, StubAncestor, StubPlan, Timestamp};
use galley_sandbox::{
    Cancel, Exit, Io, LinuxSandbox, Output, Process, Root, Sandbox, SandboxError, Stdin, Stream, userns,
};
use tempfile::TempDir;

const BUSYBOX: &str = "/bin/busybox";

/// The directory with the root that all tests of this process read. Left behind for the system's
/// temporary-file cleaner if the process is killed.
struct Base {
    directory: TempDir,
}

fn base() -> &'static Path {
    static BASE: OnceLock<Base> = OnceLock::new();
    BASE.get_or_init(|| Base { directory: make_base() }).directory.path()
}

fn make_base() -> TempDir {
    assert!(
        Path::new(BUSYBOX).exists(),
        "{BUSYBOX} is missing: these tests need a static busybox (package busybox-static)"
    );
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    fs::set_permissions(root, fs::Permissions::from_mode(0o755)).unwrap();
    for name in ["bin", "etc", "root", "tmp", "run"] {
        fs::create_dir(root.join(name)).unwrap();
    }
    fs::set_permissions(root.join("tmp"), fs::Permissions::from_mode(0o1777)).unwrap();
    fs::copy(BUSYBOX, root.join("bin/busybox")).unwrap();
    let applets = Command::new(BUSYBOX).arg("--list").output().unwrap().stdout;
    for applet in String::from_utf8(applets).unwrap().lines().filter(|name| *name != "busybox") {
        symlink("busybox", root.join("bin").join(applet)).unwrap();
    }
    fs::write(root.join("etc/passwd"), "root:x:0:0::/root:/bin/sh\n").unwrap();
    directory
}

/// One step: its directories, its stubs, its sandbox.
pub struct Lab {
    pub directory: TempDir,
    pub sandbox: LinuxSandbox,
    /// More layers on top of the base, topmost first.
    pub layers: Vec<PathBuf>,
}

/// What a step has done.
#[derive(Debug)]
pub struct Done {
    pub exit: Exit,
    pub stdout: String,
    pub stderr: String,
}

impl Done {
    /// Its standard output, after a successful end.
    pub fn out(&self) -> &str {
        assert_eq!(self.exit, Exit::Code(0), "{self:?}");
        self.stdout.trim_end()
    }
}

impl Lab {
    pub fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        for name in ["upper", "work", "stubs"] {
            fs::create_dir(directory.path().join(name)).unwrap();
            fs::set_permissions(directory.path().join(name), fs::Permissions::from_mode(0o755)).unwrap();
        }
        let sandbox = LinuxSandbox::probe(directory.path()).unwrap();
        Self { directory, sandbox, layers: vec![] }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// An empty directory of this lab.
    pub fn make(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(&path).unwrap();
        path
    }

    /// A shell script as a step.
    pub fn shell(&self, script: &str) -> Process {
        self.process(&["sh", "-c", script])
    }

    pub fn process(&self, args: &[&str]) -> Process {
        let mut lowers = vec![self.path("stubs")];
        lowers.extend(self.layers.iter().cloned());
        lowers.push(base().into());
        let root = Root::Overlay {
            lowers,
            upper: self.path("upper"),
            work: self.path("work"),
            userxattr: userns::in_user_namespace(),
            volatile: true,
        };
        let mut process = Process::new(root, args);
        process.env = vec![("PATH".into(), "/bin".into()), ("HOME".into(), "/root".into())];
        process
    }

    /// What the image has, without the stubs and without the upper directory.
    pub fn lookup(&self, path: &Path) -> Option<StubAncestor> {
        let relative = path.strip_prefix("/").unwrap();
        let layers = self.layers.iter().map(PathBuf::as_path).chain([base()]);
        layers.map(|layer| layer.join(relative)).find_map(|path| ancestor(&path))
    }

    pub fn plan(&self, process: &Process) -> StubPlan {
        stubs::plan(&process.mount_points(), &|path| self.lookup(path)).unwrap()
    }

    pub fn run(&self, process: &Process) -> Done {
        self.try_run(process, &Cancel::new()).unwrap()
    }

    pub fn try_run(&self, process: &Process, cancel: &Cancel) -> Result<Done, SandboxError> {
        let plan = self.plan(process);
        plan.create_layer(&self.path("stubs")).unwrap();
        let result = self.run_bare(process, cancel);
        fs::remove_dir_all(self.path("stubs")).unwrap();
        fs::create_dir(self.path("stubs")).unwrap();
        fs::set_permissions(self.path("stubs"), fs::Permissions::from_mode(0o755)).unwrap();
        fs::remove_dir_all(self.path("work")).unwrap();
        fs::create_dir(self.path("work")).unwrap();
        result
    }

    /// Without stubs.
    pub fn run_bare(&self, process: &Process, cancel: &Cancel) -> Result<Done, SandboxError> {
        run_in(&self.sandbox, process, cancel)
    }

    pub fn sh(&self, script: &str) -> Done {
        self.run(&self.shell(script))
    }

    /// What the step left, as sorted paths.
    pub fn upper(&self) -> Vec<String> {
        let mut paths = Vec::new();
        collect(&self.path("upper"), Path::new(""), &mut paths);
        paths.sort();
        paths
    }
}

pub fn run_in(sandbox: &dyn Sandbox, process: &Process, cancel: &Cancel) -> Result<Done, SandboxError> {
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let mut take = |stream, bytes: &[u8]| match stream {
        Stream::Stdout => stdout.extend_from_slice(bytes),
        Stream::Stderr => stderr.extend_from_slice(bytes),
    };
    let io = Io { stdin: Stdin::Null, output: Output::Callback(&mut take) };
    let exit = sandbox.run(process, io, cancel)?;
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ok(Done { exit, stdout: text(stdout), stderr: text(stderr) })
}

/// A copy of the base to be written to in place.
pub fn copy_of_base(to: &Path) {
    let status = Command::new("cp").arg("-a").arg(base().join(".")).arg(to).status().unwrap();
    assert!(status.success());
}

pub fn ancestor(path: &Path) -> Option<StubAncestor> {
    let metadata = path.symlink_metadata().ok()?;
    let kind = if metadata.is_dir() {
        AncestorKind::Directory
    } else if metadata.is_symlink() {
        AncestorKind::Symlink(fs::read_link(path).unwrap())
    } else {
        AncestorKind::File
    };
    Some(StubAncestor {
        kind,
        mode: metadata.mode() & 0o7777,
        uid: metadata.uid(),
        gid: metadata.gid(),
        mtime: Timestamp { seconds: metadata.mtime(), nanoseconds: metadata.mtime_nsec() as u32 },
        xattrs: vec![],
    })
}

fn collect(directory: &Path, below: &Path, paths: &mut Vec<String>) {
    for entry in fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        let path = below.join(entry.file_name());
        paths.push(path.to_str().unwrap().to_owned());
        if entry.file_type().unwrap().is_dir() {
            collect(&entry.path(), &path, paths);
        }
    }
}

/// How long something may take before it counts as never; nothing is measured.
const NEVER: Duration = Duration::from_secs(30);

/// Waits until something holds.
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < NEVER, "still not: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}
