//! What a command needs of the machine: the store, registries, the sandbox; and the user namespace in which a plain user has them.

use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use galley_build::host_files::HostFiles;
use galley_build::site::Site;
use galley_build::world::World;
use galley_image::Reference;
use galley_registry::{CredentialSource, Interruptible, Registry};
use galley_sandbox::userns::{self, Reexec};
use galley_sandbox::{
    Abilities, Cancel, Exit as ProcessExit, Ids, Io, LinuxSandbox, Process, Sandbox, SandboxError, run_sealed,
};
use galley_store::{Image, Lease, OpenOptions, Snapshotter, Store, StoreError};

use crate::config::Config;
use crate::credentials;
use crate::error::Error;
use crate::exit::Exit;

/// Makes a plain user root of a user namespace before a store is opened, since files of a store belong to all ids of an image. `Some` is
/// how the galley that ran there in this one's place ended. Call it before any thread is started.
///
/// # Errors
/// [`Error::UserNamespace`], which says what is missing.
pub fn enter_user_namespace(config: &Config) -> Result<Option<Exit>, Error> {
    if rustix::process::geteuid().is_root() {
        return Ok(None);
    }
    let how = Reexec { args: std::env::args_os().collect(), env: config.environment() };
    let docker_config = config.docker_config();
    let serve = move |socket| credentials::serve(&socket, docker_config.as_deref());
    Ok(Some(exit_of(userns::reexec(&how, serve)?)))
}

/// As [`enter_user_namespace`], for commands that run programs of images: those shall not come by galley's own executable.
///
/// # Errors
/// As there.
pub fn prepare_to_run(config: &Config) -> Result<Option<Exit>, Error> {
    let ended = enter_user_namespace(config)?;
    if ended.is_none() {
        run_sealed(&Reexec { args: std::env::args_os().collect(), env: config.environment() });
    }
    Ok(ended)
}

/// How a process ended, as a shell shows it.
pub fn exit_of(status: ExitStatus) -> Exit {
    match (status.code(), status.signal()) {
        (Some(code), _) => Exit::code(code),
        (None, Some(signal)) => Exit::signal(signal),
        (None, None) => Exit::FAILED,
    }
}

/// A command's hold on the machine.
pub struct Session {
    /// The store.
    pub store: Store,
    /// Registries.
    pub registry: Interruptible<Registry>,
    /// The sandbox, probed when it is first needed.
    pub sandbox: LazySandbox,
    /// Name resolution of steps.
    pub host_files: HostFiles,
    /// Stops everything.
    pub cancel: Cancel,
    /// What RUN steps need on this site.
    pub site: Site,
}

impl Session {
    /// Opens everything, and makes the store where there is none.
    ///
    /// # Errors
    /// [`Error::Store`], [`Error::Sandbox`] and [`Error::Registry`].
    pub fn open(config: &Config, process: &str) -> Result<Self, Error> {
        let root = config.store()?;
        let sandbox = LazySandbox::new(&root);
        let store = match open_store(&root, process) {
            Err(StoreError::NoStore { .. }) => create_store(&root, process, &sandbox)?,
            opened => opened?,
        };
        let mut registries = config.registries();
        if let Some(channel) = config.caller().and_then(|caller| caller.channel()) {
            registries.credentials = CredentialSource::Ask(credentials::from_outside(channel));
        }
        let cancel = Cancel::new();
        let stop = cancel.clone();
        Ok(Self {
            store,
            registry: Interruptible::new(Registry::new(registries), move || stop.is_cancelled()),
            sandbox,
            host_files: HostFiles::read(),
            cancel,
            site: Site::default(),
        })
    }

    /// The world of a build.
    pub fn world(&self) -> World<'_> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        World {
            store: &self.store,
            images: &self.registry,
            sandbox: &self.sandbox,
            site: &self.site,
            host_files: &self.host_files,
            cancel: &self.cancel,
            threads: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            now: i64::try_from(now).unwrap_or(i64::MAX),
        }
    }
}

/// Opens the store at `root`, which is there.
///
/// # Errors
/// [`StoreError::NoStore`] where it is not.
pub fn open_store(root: &Path, process: &str) -> Result<Store, StoreError> {
    Store::open(root, &OpenOptions { process: process.into(), ..OpenOptions::default() })
}

/// Makes a store with the kind of snapshots that works here.
fn create_store(root: &Path, process: &str, sandbox: &LazySandbox) -> Result<Store, Error> {
    std::fs::create_dir_all(root).map_err(Error::io("create the store", root))?;
    let abilities = sandbox.probed()?.capabilities();
    let snapshotter = match abilities.overlay {
        true => Snapshotter::Overlay { userxattr: abilities.user_namespace },
        false => Snapshotter::Copy,
    };
    let (snapshotter, process) = (Some(snapshotter), process.into());
    Ok(Store::open(root, &OpenOptions { create: true, snapshotter, process, ..OpenOptions::default() })?)
}

/// The image that a person names: by its name, or by the beginning of its id.
///
/// # Errors
/// [`StoreError::UnknownImage`] and [`StoreError::AmbiguousImage`].
pub fn find_image(store: &Store, name: &str, lease: &Lease) -> Result<Image, Error> {
    if let Ok(reference) = name.parse::<Reference>()
        && let Some(image) = store.image(&reference, lease)?
    {
        return Ok(image);
    }
    let digits = name.strip_prefix("sha256:").unwrap_or(name);
    let is_id = (4..=64).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_id { Ok(store.image_by_id(digits)?) } else { Err(StoreError::UnknownImage(name.into()).into()) }
}

/// A sandbox that finds out what the machine can do when somebody first asks: a build in which nothing runs never does.
pub struct LazySandbox {
    scratch: PathBuf,
    probed: OnceLock<LinuxSandbox>,
    probing: Mutex<()>,
}

/// What a machine can do on which not even probing works.
const NOTHING: Abilities = Abilities {
    overlay: false,
    user_namespace: false,
    ids: Ids::One,
    proc: false,
    network_none: false,
    pivot: false,
};

impl LazySandbox {
    fn new(scratch: &Path) -> Self {
        Self { scratch: scratch.into(), probed: OnceLock::new(), probing: Mutex::new(()) }
    }

    fn probed(&self) -> Result<&LinuxSandbox, SandboxError> {
        let _one_at_a_time = self.probing.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sandbox) = self.probed.get() {
            return Ok(sandbox);
        }
        let sandbox = LinuxSandbox::probe(&self.scratch)?;
        Ok(self.probed.get_or_init(|| sandbox))
    }
}

impl Sandbox for LazySandbox {
    fn run(&self, process: &Process, io: Io<'_>, cancel: &Cancel) -> Result<ProcessExit, SandboxError> {
        self.probed()?.run(process, io, cancel)
    }

    fn capabilities(&self) -> &Abilities {
        self.probed().map_or(&NOTHING, |sandbox| sandbox.capabilities())
    }
}
