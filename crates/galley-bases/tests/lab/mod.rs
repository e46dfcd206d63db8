//! Packages made byte by byte, and a store to make roots of them in. Nothing here needs a kernel's rights: what is unpacked is not run.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::fs;
use std::path::PathBuf;

use galley_bases::archive::Settings;
use galley_bases::root::{RootPackages, assemble};
use galley_bases::{
    ArchiveOptions, BasesError, BasesWorld, BuiltRoot, DebFile, Phase, Progress, RootSpec, Variant,
};
use galley_image::{Change, TreePath};
use galley_sandbox::{Cancel, Exit, Process, ScriptedSandbox};
use galley_store::{Lease, OpenOptions, Snapshotter, Store};
use galley_testkit::archive::Archive;

/// A package's file in the making.
pub struct Deb {
    pub members: Vec<(String, Vec<u8>)>,
}

impl Deb {
    /// A package with this name and these files.
    pub fn new(name: &str, data: Archive) -> Self {
        Self::with_control(&control(name), data.end())
    }

    pub fn with_control(control: &str, data: Vec<u8>) -> Self {
        Self::of(Archive::new().file("./control", control).end(), data)
    }

    pub fn of(control: Vec<u8>, data: Vec<u8>) -> Self {
        let members = [("debian-binary", b"2.0\n".to_vec()), ("control.tar", control), ("data.tar", data)];
        Self { members: members.map(|(name, bytes)| (name.to_owned(), bytes)).into() }
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = b"!<arch>\n".to_vec();
        for (name, content) in &self.members {
            let header = format!("{name:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n", 0, 0, 0, 100_644, content.len());
            bytes.extend_from_slice(header.as_bytes());
            bytes.extend_from_slice(content);
            bytes.resize(bytes.len().next_multiple_of(2), b'\n');
        }
        bytes
    }
}

/// A control file.
pub fn control(name: &str) -> String {
    format!("Package: {name}\nVersion: 1.0\nArchitecture: amd64\nDescription: a test\n")
}

/// A store, and a directory of packages.
pub struct Lab {
    pub directory: tempfile::TempDir,
    pub store: Store,
    pub lease: Lease,
}

struct Silent;

impl Progress for Silent {
    fn progress(&self, _: Phase, _: u64, _: Option<u64>) {}
    fn output(&self, _: &[u8]) {}
    fn notice(&self, _: &str) {}
}

impl Lab {
    pub fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let options = OpenOptions {
            create: true,
            snapshotter: Some(Snapshotter::Copy),
            boot_id: Some("this".into()),
            process: "test".into(),
        };
        let store = Store::open(&directory.path().join("store"), &options).unwrap();
        let lease = store.lease().unwrap();
        Self { directory, store, lease }
    }

    pub fn deb(&self, name: &str, bytes: &[u8]) -> DebFile {
        let path: PathBuf = self.directory.path().join(format!("{name}.deb"));
        fs::write(&path, bytes).unwrap();
        DebFile {
            name: name.into(),
            version: "1.0".into(),
            architecture: "amd64".into(),
            size: bytes.len() as u64,
            sha256: galley_image::Digest::of(bytes).to_string().split_off("sha256:".len()),
            path,
        }
    }

    /// The root of these packages.
    pub fn root(&self, variant: Variant, debs: Vec<DebFile>) -> Result<BuiltRoot, BasesError> {
        self.configured(variant, debs, |_| Exit::Code(0))
    }

    /// The root of these packages, in which `script` stands for their scripts.
    pub fn configured(
        &self,
        variant: Variant,
        debs: Vec<DebFile>,
        script: impl Fn(&Process) -> Exit + Send + Sync,
    ) -> Result<BuiltRoot, BasesError> {
        let sandbox = ScriptedSandbox::new(|process: &Process, _: &mut _| script(process));
        let spec = RootSpec { variant, architecture: "amd64".into(), ..RootSpec::default() };
        let world = BasesWorld {
            store: &self.store,
            sandbox: &sandbox,
            cancel: &Cancel::new(),
            archive: ArchiveOptions {
                settings: Settings::new(self.directory.path().join("cache")),
                ..ArchiveOptions::default()
            },
            threads: 2,
            now: 0,
        };
        let packages = RootPackages { debs, sources: Vec::new() };
        assemble(&spec, &packages, &world, &self.lease, &Silent)
    }

    /// The content of a file of a root.
    pub fn read(&self, root: &BuiltRoot, path: &str) -> String {
        let path = TreePath::clean(path.as_bytes()).unwrap();
        fs::read_to_string(self.store.file_path(root.snapshot.layer, &path)).unwrap()
    }

    /// The paths of a root.
    pub fn paths(&self, root: &BuiltRoot) -> Vec<String> {
        let diff = self.store.diff(root.snapshot.layer).unwrap();
        let put = diff.iter().filter(|(_, change)| matches!(change, Change::Put { .. }));
        put.map(|(path, _)| path.display()).collect()
    }

    /// How many layers and unfinished things the store has.
    pub fn leftovers(&self) -> usize {
        let below = |name: &str| self.directory.path().join("store").join(name);
        let entries = |path: PathBuf| fs::read_dir(path).map_or(0, Iterator::count);
        let owners = fs::read_dir(below("tmp")).unwrap().flatten().filter(|entry| entry.path().is_dir());
        entries(below("layers")) + owners.map(|owner| entries(owner.path())).sum::<usize>()
    }
}
