//! `galley run`: one process of an image on a layer that is thrown away afterwards.

use std::path::PathBuf;

use galley_image::{ImageConfig, Reference};
use galley_sandbox::{Exit, Io, Mount, MountKind, Network, Process, Root};
use galley_store::{Image, Lease, StoreError};

use crate::error::ImageError;
use crate::events::{Events, StepId};
use crate::host_files::HOSTNAME;
use crate::owner::UnknownOwner;
use crate::process_user;
use crate::pull::Pull;
use crate::request::NetworkMode;
use crate::resolve::FoundImage;
use crate::rooted::{self, RootedError};
use crate::world::World;

/// One run of an image.
#[derive(Clone, Debug)]
pub struct RunRequest {
    /// The image, found in the store.
    pub image: Image,
    /// The arguments behind the image's name: in place of its CMD. Empty leaves CMD.
    pub args: Vec<String>,
    /// `--entrypoint`: in place of the image's, which then drops CMD too; an empty one leaves no entry point.
    pub entrypoint: Option<Vec<String>>,
    /// `-e`.
    pub env: Vec<(String, String)>,
    /// `-v`.
    pub volumes: Vec<Volume>,
    /// `-w`.
    pub workdir: Option<String>,
    /// `-u`.
    pub user: Option<String>,
    /// `--network`.
    pub network: NetworkMode,
    /// `--init`: galley's reaper is pid 1.
    pub init: bool,
    /// `-t`.
    pub terminal: bool,
    /// `--read-only`.
    pub read_only: bool,
}

/// A directory or file of the machine inside the container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Volume {
    /// Absolute path on the machine.
    pub source: PathBuf,
    /// Absolute path in the container.
    pub target: PathBuf,
    /// Writes fail.
    pub read_only: bool,
}

/// Why an image could not be run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The image's layers.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// The image has no program and none was given.
    #[error("the image has neither ENTRYPOINT nor CMD: give a program behind its name")]
    NoProgram,
    /// The user is not in the image.
    #[error(transparent)]
    User(#[from] UnknownOwner),
    /// A file of the image cannot be read.
    #[error("cannot read {path} of the image: {source}")]
    Read {
        /// Which.
        path: &'static str,
        /// The kernel's answer.
        source: std::io::Error,
    },
    /// The process could not be run.
    #[error(transparent)]
    Rooted(#[from] RootedError),
}

/// Runs `request` to its end. What the process writes into its root is gone afterwards.
///
/// # Errors
/// [`RunError`] when it could not be started; its own failures are an [`Exit`].
pub fn run(
    request: &RunRequest,
    world: &World<'_>,
    events: &dyn Events,
    io: Io<'_>,
) -> Result<Exit, RunError> {
    let lease = world.store.lease()?;
    let (found, top) = unpacked(&request.image, world, events, StepId(u32::MAX), &lease)?;
    let mut prepared = world.store.prepare(top, &lease)?;
    let tree = prepared.parent_tree()?;
    let chain = world.store.chain(top)?;
    let read = |path: &'static str| {
        let bytes = crate::files::read_in_tree(world.store, &tree, &chain, path);
        bytes.map(Option::unwrap_or_default).map_err(|source| RunError::Read { path, source })
    };
    let mut process = process(request, &found.config, &read("/etc/passwd")?, &read("/etc/group")?)?;
    process.mounts = world.host_files.mounts(request.network == NetworkMode::Host);
    process.mounts.extend(request.volumes.iter().map(|volume| Mount {
        target: volume.target.clone(),
        kind: MountKind::Bind {
            source: volume.source.clone(),
            subpath: PathBuf::new(),
            read_only: volume.read_only,
            recursive: true,
        },
    }));
    let root = prepared.root()?;
    let (exit, _) = rooted::run(world.sandbox, &prepared, root, &tree, process, io, world.cancel)?;
    Ok(exit)
}

/// The image's snapshot, unpacked if it was not.
pub(crate) fn unpacked(
    image: &Image,
    world: &World<'_>,
    events: &dyn Events,
    step: StepId,
    lease: &Lease,
) -> Result<(FoundImage, Option<galley_store::SnapshotId>), ImageError> {
    let found = crate::resolve::in_store(&name_of(image)?, image)?;
    let Some(chain) = found.chain() else { return Ok((found, None)) };
    if let Some(snapshot) = world.store.chain_snapshot(chain, lease)? {
        return Ok((found, Some(snapshot.id)));
    }
    let pull = Pull { world, events, step, lease };
    let top = pull.unpack(&found)?;
    Ok((found, top))
}

/// Makes an image's files available, so that its tree can be listed and its files read. Returns its snapshot; `None` without
/// layers. Reports belong to `step`.
///
/// # Errors
/// [`ImageError`].
pub fn unpack(
    image: &Image,
    world: &World<'_>,
    events: &dyn Events,
    step: StepId,
    lease: &Lease,
) -> Result<Option<galley_store::SnapshotId>, ImageError> {
    Ok(unpacked(image, world, events, step, lease)?.1)
}

/// The image's first name; messages show the id of one that has none.
pub(crate) fn name_of(image: &Image) -> Result<Reference, ImageError> {
    if let Some(name) = image.tags.first().or(image.digests.first()) {
        return Ok(name.clone());
    }
    let bad = |reason: String| StoreError::BadImage { image: image.id, reason };
    Ok(format!("unnamed@{}", image.id)
        .parse()
        .map_err(|error: galley_image::ReferenceError| bad(error.to_string()))?)
}

fn process(
    request: &RunRequest,
    image: &ImageConfig,
    passwd: &[u8],
    group: &[u8],
) -> Result<Process, RunError> {
    let config = &image.config;
    let user = process_user::resolve(request.user.as_deref().unwrap_or(&config.user), passwd, group)?;
    let mut args = match &request.entrypoint {
        Some(entrypoint) => entrypoint.clone(),
        None => config.entrypoint.clone().unwrap_or_default(),
    };
    if !request.args.is_empty() {
        args.extend(request.args.iter().cloned());
    } else if request.entrypoint.is_none() {
        args.extend(config.cmd.iter().flatten().cloned());
    }
    if args.is_empty() {
        return Err(RunError::NoProgram);
    }
    let mut process = Process::new(Root::Directory(PathBuf::new()), args);
    let mut env: Vec<(String, String)> = Vec::new();
    let from_image = config
        .env
        .iter()
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
    let defaults = [
        ("PATH".to_owned(), DEFAULT_PATH.to_owned()),
        ("HOSTNAME".to_owned(), HOSTNAME.to_owned()),
        ("HOME".to_owned(), user.home),
    ];
    let terminal = request.terminal.then(|| ("TERM".to_owned(), "xterm".to_owned()));
    for (name, value) in
        defaults.into_iter().chain(terminal).chain(from_image).chain(request.env.iter().cloned())
    {
        env.retain(|(other, _)| *other != name);
        env.push((name, value));
    }
    process.env = env.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
    let workdir = request.workdir.as_deref().unwrap_or(&config.working_dir);
    process.cwd = if workdir.is_empty() { "/".into() } else { workdir.into() };
    process.user = user.ids;
    process.network = match request.network {
        NetworkMode::Host => Network::Host,
        NetworkMode::None => Network::None,
    };
    process.hostname = Some(HOSTNAME.into());
    process.init = request.init;
    process.terminal = request.terminal;
    process.read_only = request.read_only;
    Ok(process)
}

/// The search path of an image that sets none, docker's.
pub const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

#[cfg(test)]
mod tests {
    use super::*;

    fn args(
        entrypoint: Option<&[&str]>,
        cmd: Option<&[&str]>,
        given: &[&str],
        replaced: Option<&[&str]>,
    ) -> Option<Vec<String>> {
        let list = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let mut image = ImageConfig::scratch(galley_image::Platform::host());
        image.config.entrypoint = entrypoint.map(list);
        image.config.cmd = cmd.map(list);
        let request = RunRequest {
            image: Image {
                id: galley_image::Digest::of(b""),
                config: Vec::new(),
                layers: Vec::new(),
                manifest: None,
                tags: Vec::new(),
                digests: Vec::new(),
                created: 0,
                size: 0,
            },
            args: list(given),
            entrypoint: replaced.map(list),
            env: vec![("A".into(), "2".into())],
            volumes: Vec::new(),
            workdir: None,
            user: None,
            network: NetworkMode::None,
            init: false,
            terminal: false,
            read_only: false,
        };
        let process = process(&request, &image, b"", b"").ok()?;
        Some(process.args.iter().map(|arg| arg.to_string_lossy().into_owned()).collect())
    }

    #[test]
    fn entrypoint_and_cmd_combine_as_in_docker() {
        let words = |words: &[&str]| Some(words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>());
        assert_eq!(args(None, Some(&["sh"]), &[], None), words(&["sh"]));
        assert_eq!(args(Some(&["e"]), Some(&["c"]), &[], None), words(&["e", "c"]));
        assert_eq!(args(Some(&["e"]), Some(&["c"]), &["x", "y"], None), words(&["e", "x", "y"]));
        assert_eq!(args(Some(&["e"]), Some(&["c"]), &[], Some(&["r"])), words(&["r"]));
        assert_eq!(args(Some(&["e"]), Some(&["c"]), &["x"], Some(&[])), words(&["x"]));
        assert_eq!(args(None, None, &[], None), None);
    }
}
