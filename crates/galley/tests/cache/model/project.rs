//! A project on a machine: does the operations of a case, and compares its builds with clean ones.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, FileTimes, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;
use std::sync::Mutex;

use galley_build::build::{Built, build};
use galley_build::events::{Event, Events, Outcome};
use galley_build::host_files::HostFiles;
use galley_build::request::{BuildRequest, CachePolicy, ContextSource, NamedContext, NetworkMode};
use galley_build::site::Site;
use galley_build::world::World;
use galley_image::Platform;
use galley_registry::MemoryImages;
use galley_sandbox::{Cancel, LinuxSandbox};
use galley_store::{OpenOptions as StoreOptions, PruneFilter, SnapshotId, Store};

use super::case::Op;
use super::outline;
use crate::machine::{Machine, Running};

/// A project under way.
pub struct Project {
    machine: Machine,
    store: Store,
    sandbox: LinuxSandbox,
    dockerfile: String,
    args: BTreeMap<String, String>,
    target: Option<String>,
    /// Comparisons so far, and how many of them were of builds that succeeded.
    compared: usize,
    succeeded: usize,
}

/// What a build made, to be compared.
struct Image {
    built: Built,
    tree: Vec<String>,
    ran: usize,
}

/// Counts steps that ran.
#[derive(Default)]
struct Counter(Mutex<usize>);

impl Events for Counter {
    fn event(&self, event: &Event) {
        if matches!(event, Event::Finished { outcome: Outcome::Done { .. }, .. }) {
            *self.0.lock().unwrap() += 1;
        }
    }
}

impl Project {
    /// An empty project.
    pub fn new(machine: Machine) -> Self {
        let store = machine.open(None);
        let sandbox = LinuxSandbox::probe(store.root()).unwrap();
        let (args, target) = (BTreeMap::new(), None);
        Self { machine, store, sandbox, dockerfile: String::new(), args, target, compared: 0, succeeded: 0 }
    }

    /// Does one operation. What the file system refuses (a file that is not there) is not done.
    pub fn apply(&mut self, op: &Op) -> Result<(), String> {
        match op {
            Op::Dockerfile { text } => self.dockerfile.clone_from(text),
            Op::Arg { name, value } => drop(self.args.insert(name.clone(), value.clone())),
            Op::Target { stage } => self.target = (stage != "-").then(|| stage.clone()),
            Op::RemoveImages => {
                for image in self.store.images().unwrap() {
                    self.store.remove_image(image.id).unwrap();
                }
            }
            Op::Prune => drop(self.store.prune(&PruneFilter::default()).unwrap()),
            Op::PruneTo { bytes } => {
                let filter = PruneFilter { keep_bytes: Some(*bytes), ..PruneFilter::default() };
                self.store.prune(&filter).unwrap();
            }
            Op::Kill { lines } => {
                let mut args: Vec<String> =
                    self.target.iter().flat_map(|target| ["--target".into(), target.clone()]).collect();
                for (name, value) in &self.args {
                    args.extend(["--build-arg".into(), format!("{name}={value}")]);
                }
                let args: Vec<&str> = args.iter().map(String::as_str).collect();
                let mut running = Running::start(&mut self.machine.build(&self.dockerfile, &args));
                running.lines(*lines);
                running.kill();
            }
            Op::Build => self.compare(&CachePolicy::Use)?,
            Op::BuildNoCache => self.compare(&CachePolicy::Ignore)?,
            Op::BuildFilter { stage } => {
                self.compare(&CachePolicy::IgnoreStages(BTreeSet::from([stage.clone()])))?;
            }
            _ => drop(self.change(op)),
        }
        Ok(())
    }

    /// Changes the context.
    fn change(&self, op: &Op) -> std::io::Result<()> {
        let at = |path: &str| -> std::io::Result<PathBuf> {
            let path = self.machine.path("context").join(path);
            fs::create_dir_all(path.parent().unwrap())?;
            Ok(path)
        };
        match op {
            Op::File { path, text } => fs::write(at(path)?, text),
            Op::Sneak { path, text } => {
                let mut file = OpenOptions::new().write(true).open(at(path)?)?;
                let before = file.metadata()?.modified()?;
                file.write_all(text.as_bytes())?;
                file.set_times(FileTimes::new().set_modified(before))
            }
            Op::Mode { path, mode } => fs::set_permissions(at(path)?, fs::Permissions::from_mode(*mode)),
            Op::Remove { path } => {
                let path = at(path)?;
                if fs::symlink_metadata(&path)?.is_dir() {
                    fs::remove_dir_all(path)
                } else {
                    fs::remove_file(path)
                }
            }
            Op::Rename { from, to } => fs::rename(at(from)?, at(to)?),
            Op::Symlink { path, target } => symlink(target, at(path)?),
            Op::Hardlink { path, target } => fs::hard_link(at(target)?, at(path)?),
            Op::Note { path, value } => {
                let flags = rustix::fs::XattrFlags::empty();
                Ok(rustix::fs::setxattr(at(path)?, "user.note", value.as_bytes(), flags)?)
            }
            Op::Ignore { pattern } => fs::write(at(".dockerignore")?, format!("{pattern}\n")),
            _ => Ok(()),
        }
    }

    /// Builds here and in a new store.
    fn compare(&mut self, policy: &CachePolicy) -> Result<(), String> {
        let here = self.build(&self.store, policy);
        let problems = self.store.check(false).map_err(|error| error.to_string())?;
        if !problems.is_empty() {
            return Err(format!("the store is not whole: {problems:?}"));
        }
        self.compared += 1;
        let root = self.machine.path(&format!("clean-{}", self.compared));
        let options = StoreOptions {
            create: true,
            snapshotter: Some(self.machine.snapshotter),
            ..StoreOptions::default()
        };
        let clean_store = Store::open(&root, &options).unwrap();
        let clean = self.build(&clean_store, &CachePolicy::Use);
        drop(clean_store);
        Store::remove(&root).unwrap();
        match (here, clean) {
            (Ok(here), Ok(clean)) => {
                self.succeeded += 1;
                differences(&here, &clean)
            }
            (Err(here), Err(clean)) if here == clean => Ok(()),
            (here, clean) => Err(format!(
                "here: {}\nclean: {}",
                here.map_or_else(|error| error, |image| image.built.id.to_string()),
                clean.map_or_else(|error| error, |image| image.built.id.to_string())
            )),
        }
    }

    /// What holds after every case: a rebuild runs nothing and gives the same image, and all bytes are what they must be.
    /// Returns how many builds were compared that succeeded, and how many that failed alike.
    pub fn finish(self) -> Result<(usize, usize), String> {
        if let Ok(first) = self.build(&self.store, &CachePolicy::Use) {
            let second = self.build(&self.store, &CachePolicy::Use)?;
            if second.ran != 0 || second.built.id != first.built.id {
                return Err(format!(
                    "a rebuild ran {} steps and made {} of {}",
                    second.ran, second.built.id, first.built.id
                ));
            }
        }
        let problems = self.store.check(true).map_err(|error| error.to_string())?;
        match problems.is_empty() {
            true => Ok((self.succeeded, self.compared - self.succeeded)),
            false => Err(format!("the store is not whole: {problems:?}")),
        }
    }

    fn build(&self, store: &Store, policy: &CachePolicy) -> Result<Image, String> {
        let (images, counter) = (MemoryImages::default(), Counter::default());
        let (site, host_files, cancel) = (Site::default(), HostFiles::default(), Cancel::new());
        let world = World {
            store,
            images: &images,
            sandbox: &self.sandbox,
            site: &site,
            host_files: &host_files,
            cancel: &cancel,
            threads: 2,
            now: 1_700_000_000,
        };
        let built = build(&self.request(policy), &world, &counter).map_err(|error| error.to_string())?;
        let image = store.image_by_id(&built.id.to_string()).unwrap();
        let top: Option<SnapshotId> = image.layers.last().and_then(|layer| layer.snapshot);
        let ran = *counter.0.lock().unwrap();
        Ok(Image { built, tree: outline::tree(store, top), ran })
    }

    fn request(&self, policy: &CachePolicy) -> BuildRequest {
        let ignore = fs::read(self.machine.path("context/.dockerignore")).ok();
        let tools = NamedContext::Directory(self.machine.path("tools"));
        BuildRequest {
            dockerfile: self.dockerfile.clone().into_bytes(),
            dockerfile_name: "/project/Dockerfile".into(),
            context: ContextSource::Directory(self.machine.path("context")),
            ignore: ignore.map(|bytes| (".dockerignore".into(), bytes)),
            target: self.target.clone(),
            build_args: self.args.clone(),
            named_contexts: BTreeMap::from([("tools".into(), tools)]),
            labels: BTreeMap::new(),
            secrets: BTreeMap::new(),
            network: NetworkMode::None,
            platform: Platform::host(),
            cache: policy.clone(),
            pull: false,
            bases: Default::default(),
            source_date_epoch: None,
            tags: vec!["test/app".parse().unwrap()],
            outputs: Vec::new(),
            store_image: true,
        }
    }
}

fn differences(here: &Image, clean: &Image) -> Result<(), String> {
    let [ours, theirs] = [here, clean].map(|image| outline::configuration(&image.built.config));
    if ours != theirs {
        return Err(format!("the configuration differs:\n{ours}\nclean:\n{theirs}"));
    }
    let (ours, theirs) = (BTreeSet::from_iter(&here.tree), BTreeSet::from_iter(&clean.tree));
    let lines: Vec<String> = ours
        .difference(&theirs)
        .map(|line| format!("here:  {line}"))
        .chain(theirs.difference(&ours).map(|line| format!("clean: {line}")))
        .collect();
    if lines.is_empty() { Ok(()) } else { Err(format!("the tree differs:\n{}", lines.join("\n"))) }
}
