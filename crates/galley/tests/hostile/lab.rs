//! A directory with a store, a context and galley to run on them.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use galley_image::Digest;
use galley_testkit::archive::Archive;
use galley_testkit::machine;

pub const GALLEY: &str = env!("CARGO_BIN_EXE_galley");
pub const BUSYBOX: &str = "/bin/busybox";

pub struct Lab {
    directory: tempfile::TempDir,
    /// Where the store is, if not in the lab's own directory.
    pub store: PathBuf,
}

/// How a command ended.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Lab {
    pub fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("context")).unwrap();
        let store = directory.path().join("store");
        Self { directory, store }
    }

    /// A lab with an image `base` of busybox; `None` where there is none, which has been said then.
    pub fn with_base() -> Option<Self> {
        if !machine::has_programs(&[BUSYBOX]) {
            return None;
        }
        let lab = Self::new();
        fs::copy(BUSYBOX, lab.context().join("busybox")).unwrap();
        let dockerfile = "FROM scratch\nCOPY busybox /bin/\nSHELL [\"/bin/busybox\", \"sh\", \"-c\"]\n";
        lab.build(dockerfile, &["-t", "base"]).succeeded();
        fs::remove_file(lab.context().join("busybox")).unwrap();
        Some(lab)
    }

    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    pub fn context(&self) -> PathBuf {
        self.path().join("context")
    }

    pub fn galley(&self) -> Command {
        let mut galley = Command::new(GALLEY);
        galley.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        galley.env("HOME", self.path()).stdin(Stdio::null()).arg("--store").arg(&self.store);
        galley
    }

    pub fn run<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Ended {
        ended(&self.galley().args(arguments).output().unwrap())
    }

    /// The command that builds a Dockerfile on the lab's context.
    pub fn building(&self, dockerfile: impl AsRef<[u8]>, arguments: &[&str]) -> Command {
        let file = self.path().join("Dockerfile");
        fs::write(&file, dockerfile).unwrap();
        let mut galley = self.galley();
        galley.args(["build", "-q", "-f"]).arg(file).args(arguments).arg(self.context());
        galley
    }

    pub fn build(&self, dockerfile: impl AsRef<[u8]>, arguments: &[&str]) -> Ended {
        ended(&self.building(dockerfile, arguments).output().unwrap())
    }

    /// Takes in an image of these layers, given as tars.
    pub fn load(&self, name: &str, layers: &[Vec<u8>]) -> Ended {
        let file = self.path().join("image.tar");
        fs::write(&file, docker_archive(name, layers)).unwrap();
        self.run(&[OsStr::new("load"), OsStr::new("-i"), file.as_os_str()])
    }

    /// The store is whole, holds no more than this many layers, and nothing half-done.
    pub fn assert_sound(&self, case: &str, layers: usize) {
        let check = self.run(&["store", "check"]);
        assert_eq!(
            (check.code, check.stdout.as_str()),
            (Some(0), "the store is whole\n"),
            "{case}: {check:?}"
        );
        assert_eq!(count(&self.store.join("layers")), layers, "{case}: layers");
        assert_eq!(count(&self.store.join("tmp")), 0, "{case}: temporary files");
    }
}

fn count(directory: &Path) -> usize {
    fs::read_dir(directory).unwrap().count()
}

pub fn ended(output: &Output) -> Ended {
    Ended {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

impl Ended {
    #[track_caller]
    pub fn succeeded(&self) {
        assert_eq!(self.code, Some(0), "{self:?}");
    }

    /// Ended with exit code 1 and an error that contains `message`.
    #[track_caller]
    pub fn failed_with(&self, message: &str) {
        let said = self.stderr.contains("error") && self.stderr.contains(message);
        assert!(self.code == Some(1) && said, "expected `{message}`: {self:?}");
    }
}

/// A docker archive of one image.
pub fn docker_archive(name: &str, layers: &[Vec<u8>]) -> Vec<u8> {
    let diff_ids: Vec<String> = layers.iter().map(|layer| format!("\"{}\"", Digest::of(layer))).collect();
    let machine = galley_image::Platform::host();
    let config = format!(
        r#"{{"os":"linux","architecture":"{}","config":{{}},"rootfs":{{"type":"layers","diff_ids":[{}]}}}}"#,
        machine.architecture,
        diff_ids.join(",")
    );
    let files: Vec<String> = (0..layers.len()).map(|number| format!("{number}.tar")).collect();
    let listed: Vec<String> = files.iter().map(|file| format!("\"{file}\"")).collect();
    let manifest =
        format!(r#"[{{"Config":"config.json","RepoTags":["{name}"],"Layers":[{}]}}]"#, listed.join(","));
    let mut archive = Archive::new().file("manifest.json", manifest).file("config.json", config);
    for (file, layer) in files.iter().zip(layers) {
        archive = archive.file(file, layer);
    }
    archive.end()
}
