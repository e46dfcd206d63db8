//! The straight line from a request to files on disk: releases, indexes, closure, downloads.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{SystemTime, UNIX_EPOCH};

use super::closure::{self, Chosen, closure};
use super::crew::{self, Job};
use super::error::ArchiveError;
use super::index::{Universe, read_condensed};
use super::indexes;
use super::lock::{Lock, LockProblem, Locked, is_inside};
use super::mirror::Mirror;
use super::net::Net;
use super::packages::{self, Counters, INDEX, LOCK};
use super::release::{Release, is_sha256};
use super::releases::{self, Believed};
use super::request::{Event, Fetched, Progress, ReleaseRead, Request, Settings, Suite, Watch};
use crate::DebFile;

/// Fetches all packages of a request into the cache: those of the lock where one is given, else those that the indexes have now. Every file that is returned has
/// the size and the hash that a signed index, or the lock, gives.
///
/// # Errors
/// [`ArchiveError`]. What has come by then stays in the cache, and the next call goes on with it.
pub fn fetch(
    request: &Request,
    lock: Option<&Lock>,
    settings: &Settings,
    watch: &Watch<'_>,
) -> Result<Fetched, ArchiveError> {
    let net = Arc::new(Net::new(&settings.network));
    let settings = Arc::new(settings.clone());
    let (lock, sources, releases, expected_by) = match lock {
        Some(lock) => {
            lock.check(&request.requested())?;
            let sources =
                request.suites.iter().map(|suite| (suite.name.clone(), suite.mirrors.clone())).collect();
            (lock.clone(), sources, Vec::new(), LOCK)
        }
        None => {
            let Resolved { lock, sources, releases } = resolve(request, &net, &settings, watch)?;
            (lock, sources, releases, INDEX)
        }
    };
    let paths = download(&lock, &sources, expected_by, &net, &settings, watch)?;
    let files = lock.packages.iter().zip(paths).map(|(package, path)| deb_file(package, path)).collect();
    Ok(Fetched { files, lock, releases })
}

fn deb_file(package: &Locked, path: PathBuf) -> DebFile {
    let Locked { name, version, architecture, size, sha256, .. } = package.clone();
    DebFile { name, version, architecture, size, sha256, path }
}

/// The mirrors of each suite, the one whose release counted first.
type Sources = HashMap<String, Vec<Mirror>>;

/// Which packages, and where they are.
struct Resolved {
    lock: Lock,
    sources: Sources,
    releases: Vec<ReleaseRead>,
}

fn resolve(
    request: &Request,
    net: &Arc<Net>,
    settings: &Arc<Settings>,
    watch: &Watch<'_>,
) -> Result<Resolved, ArchiveError> {
    let now = settings
        .trust
        .at
        .unwrap_or_else(|| SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs());
    let job = |suite: &Suite| -> Job<(Believed, Vec<String>)> {
        let (net, settings, request, suite) =
            (Arc::clone(net), Arc::clone(settings), request.clone(), suite.clone());
        Box::new(move || suite_indexes(&net, &settings, &request, &suite, now))
    };
    let jobs = request.suites.iter().map(job).collect();
    let suites = crew::all(jobs, settings.at_once, || stop_check(watch))?;
    for warning in suites.iter().flat_map(|(believed, _)| &believed.warnings) {
        (watch.event)(&Event::Warning(warning.clone()));
    }
    let texts =
        suites.iter().enumerate().flat_map(|(at, (_, texts))| texts.iter().map(move |text| (at, text)));
    let pins = request
        .include
        .iter()
        .filter_map(|asked| closure::pin(asked).1.map(|version| (closure::pin(asked).0, version)));
    let universe = Universe::new(
        texts.flat_map(|(at, text)| read_condensed(text, at)),
        &request.architecture,
        &pins.collect(),
    );
    let chosen = closure(&universe, request.variant, &request.include)?;
    let lock = Lock {
        request: request.requested(),
        packages: chosen.iter().map(|chosen| locked(request, chosen)).collect::<Result<_, _>>()?,
    };
    let sources = suites
        .iter()
        .zip(&request.suites)
        .map(|((believed, _), suite)| (suite.name.clone(), ordered(believed, suite)))
        .collect();
    Ok(Resolved { lock, sources, releases: suites.into_iter().map(|(believed, _)| believed.read).collect() })
}

/// The release of a suite and the texts of its indexes.
fn suite_indexes(
    net: &Net,
    settings: &Settings,
    request: &Request,
    suite: &Suite,
    now: u64,
) -> Result<(Believed, Vec<String>), ArchiveError> {
    let believed = releases::release(net, settings, suite, now)?;
    let uri = || believed.mirror.uri_of(&format!("dists/{}/InRelease", suite.name));
    let release =
        Release::parse(&believed.text).map_err(|problem| ArchiveError::Release { uri: uri(), problem })?;
    let mirrors = ordered(&believed, suite);
    let index = |component: &String| {
        let wanted = indexes::Wanted {
            suite: &suite.name,
            component,
            architecture: &request.architecture,
            mirrors: &mirrors,
        };
        indexes::index(net, settings, &release, &wanted)
    };
    let texts = request.components.iter().map(index).collect::<Result<_, _>>()?;
    Ok((believed, texts))
}

fn ordered(believed: &Believed, suite: &Suite) -> Vec<Mirror> {
    let others = suite.mirrors.iter().filter(|mirror| **mirror != believed.mirror);
    std::iter::once(&believed.mirror).chain(others).cloned().collect()
}

/// What a lock says about a package. An index entry that would not do for a lock would not do for a download either.
fn locked(request: &Request, chosen: &Chosen<'_>) -> Result<Locked, ArchiveError> {
    let package = chosen.package;
    let fits = is_inside(package.filename) && is_sha256(package.sha256) && package.size > 0;
    let suite = request.suites.get(package.suite).filter(|_| fits).ok_or_else(|| {
        closure::ClosureError::Malformed {
            package: package.name.into(),
            detail: "it has no file name, no size or no SHA-256 that can be used".into(),
        }
    })?;
    Ok(Locked {
        name: package.name.into(),
        version: package.version.into(),
        architecture: package.architecture.into(),
        suite: suite.name.clone(),
        filename: package.filename.into(),
        size: package.size,
        sha256: package.sha256.to_ascii_lowercase(),
    })
}

fn download(
    lock: &Lock,
    sources: &Sources,
    expected_by: &'static str,
    net: &Arc<Net>,
    settings: &Arc<Settings>,
    watch: &Watch<'_>,
) -> Result<Vec<PathBuf>, ArchiveError> {
    let counters = Arc::new(Counters::default());
    let job = |package: &Locked| -> Result<Job<PathBuf>, ArchiveError> {
        let missing =
            || ArchiveError::Lock(LockProblem::Field { package: package.name.clone(), field: "Suite" });
        let mirrors = sources.get(&package.suite).ok_or_else(missing)?.clone();
        let wanted = packages::Wanted { package: package.clone(), mirrors, expected_by };
        let (net, settings, counters) = (Arc::clone(net), Arc::clone(settings), Arc::clone(&counters));
        Ok(Box::new(move || packages::package(&net, &settings, &wanted, &counters)))
    };
    let jobs = lock.packages.iter().map(job).collect::<Result<_, _>>()?;
    let total = lock.packages.iter().map(|package| package.size).sum();
    let tell = || {
        let (done, packages) =
            (counters.bytes.load(Ordering::Relaxed), counters.packages.load(Ordering::Relaxed));
        (watch.event)(&Event::Progress(Progress {
            done,
            total,
            packages,
            packages_total: lock.packages.len(),
        }));
    };
    let paths = crew::all(jobs, settings.at_once, || {
        tell();
        stop_check(watch)
    })?;
    tell();
    Ok(paths)
}

fn stop_check(watch: &Watch<'_>) -> Result<(), ArchiveError> {
    if (watch.stopped)() { Err(ArchiveError::Stopped) } else { Ok(()) }
}
