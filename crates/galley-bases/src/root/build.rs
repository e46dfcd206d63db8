//! The whole way: from a description, by way of the archive, to a root in the store.

use std::fs;
use std::io::{ErrorKind, Write};
use std::path::Path;

use galley_store::Lease;

use super::assemble::{RootPackages, assemble};
use super::debian::AptSource;
use super::{
    ArchiveOptions, BasesWorld, BuiltRoot, MirrorChoice, Phase, Progress, RootSpec, STATIC, Variant,
};
use crate::BasesError;
use crate::archive::sources::is_security;
use crate::archive::{self, Event, Lock, Mirror, Mirrors, Request, Watch};

/// Makes the root file system that `spec` describes: packages are found and fetched as `world.archive` says, unpacked and,
/// but for [`Variant::Distroless`], configured. One that the store has already, made of the same packages, is taken as it is.
///
/// `lease` then holds the snapshot. The snapshot is bound to its chain ID, so an image with [`BuiltRoot::config`] is found
/// unpacked.
///
/// # Errors
/// [`BasesError`]. Nothing half-made is left; what was downloaded stays in the package cache.
pub fn build_root(
    spec: &RootSpec,
    world: &BasesWorld<'_>,
    lease: &Lease,
    progress: &dyn Progress,
) -> Result<BuiltRoot, BasesError> {
    let options = &world.archive;
    let mirrors = options.mirrors.mirrors()?;
    let request = request(spec, &mirrors);
    let sources = if spec.variant.is_configured() { apt_sources(&request, options)? } else { Vec::new() };
    for source in &sources {
        let suites = source.suites.join(", ");
        progress.output(format!("apt sources: {} {suites}\n", source.uri).as_bytes());
    }
    let lock = options.lock.as_deref().map(read_lock).transpose()?.flatten();
    let mut settings = options.settings.clone();
    if let MirrorChoice::Snapshot { moment, .. } = &options.mirrors {
        settings.trust.at = Some(*moment);
    }
    if let Some(file) = mirrors.accepts_expired.as_deref().filter(|_| !settings.trust.allow_expired) {
        settings.trust.allow_expired = true;
        let file = file.display();
        progress
            .notice(&format!("releases past their time are taken, since {file} says so for this machine"));
    }
    let event = |event: &Event| match event {
        Event::Warning(message) => progress.notice(message),
        Event::Progress(at) => progress.progress(Phase::Fetch, at.done, Some(at.total)),
    };
    let stopped = || world.cancel.is_cancelled();
    let watch = Watch { event: &event, stopped: &stopped };
    if lock.is_none() {
        progress.progress(Phase::Index, 0, None);
    }
    let fetched = archive::fetch(&request, lock.as_ref(), &settings, &watch)?;
    if let Some(file) = options.lock.as_deref().filter(|_| lock.is_none()) {
        write_lock(file, &fetched.lock)?;
        progress.notice(&format!("{} now pins {} packages", file.display(), fetched.files.len()));
    }
    assemble(spec, &RootPackages { debs: fetched.files, sources }, world, lease, progress)
}

fn request(spec: &RootSpec, mirrors: &Mirrors) -> Request {
    let mut request = Request::debian(&spec.suite, mirrors, &spec.architecture);
    request.components.clone_from(&spec.components);
    request.include.clone_from(&spec.include);
    request.variant = match spec.variant {
        Variant::Minbase | Variant::Slim => archive::Variant::Minbase,
        Variant::Distroless => {
            request.include.extend(STATIC.map(str::to_owned));
            archive::Variant::Listed
        }
    };
    request
}

/// What the root's own apt is told: the URI that is published, else the first mirror of each suite. Never with credentials.
fn apt_sources(request: &Request, options: &ArchiveOptions) -> Result<Vec<AptSource>, BasesError> {
    let published = options.published_uri.as_deref().map(Mirror::parse).transpose();
    let published = published.map_err(archive::ArchiveError::from)?;
    let mut sources: Vec<AptSource> = Vec::new();
    for suite in &request.suites {
        let mirror = match &published {
            Some(mirror) if is_security(&suite.name) => Some(mirror.beside("-security")),
            Some(mirror) => Some(mirror.clone()),
            None => suite.mirrors.first().cloned(),
        };
        let Some(uri) = mirror.map(|mirror| mirror.to_string()) else { continue };
        match sources.iter_mut().find(|source| source.uri == uri) {
            Some(source) => source.suites.push(suite.name.clone()),
            None => sources.push(AptSource { uri, suites: vec![suite.name.clone()] }),
        }
    }
    Ok(sources)
}

fn read_lock(file: &Path) -> Result<Option<Lock>, BasesError> {
    let text = match fs::read_to_string(file) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        text => text.map_err(BasesError::io("read", file))?,
    };
    Lock::parse(&text).map(Some).map_err(|problem| BasesError::Lock { file: file.into(), problem })
}

/// Whole or not at all.
fn write_lock(file: &Path, lock: &Lock) -> Result<(), BasesError> {
    let directory = file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut new = tempfile::Builder::new()
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))
        .tempfile_in(directory)
        .map_err(BasesError::io("write", file))?;
    new.write_all(lock.to_text().as_bytes()).map_err(BasesError::io("write", file))?;
    new.persist(file).map(drop).map_err(|error| BasesError::io("write", file)(error.error))
}
