//! Bases that are roots made of Debian packages.

use std::sync::atomic::{AtomicBool, Ordering};

use galley_bases::{ArchiveOptions, BasesWorld, Phase, Progress, RootSpec, build_root};
use galley_image::{Digest, Platform, Reference};
use galley_plan::{CacheKey, KeyEncoder};
use galley_store::{ImageLayer, Lease, NewImage};

use crate::error::BuildError;
use crate::events::{Event, Events, Outcome, Step, StepId, Stream};
use crate::export::config_bytes;
use crate::world::World;

/// The one step of a root.
const STEP: StepId = StepId(0);

/// `spec` for a platform that was asked for. Which architecture it has, it says itself where that serves the platform.
pub(super) fn for_platform(spec: &RootSpec, platform: &Platform) -> RootSpec {
    let mut spec = spec.clone();
    if !platform.accepts(&spec.platform()) {
        // Debian's names of architectures are those of platforms, but for these.
        spec.architecture = match (platform.architecture.as_str(), platform.variant.as_deref()) {
            ("386", _) => "i386".into(),
            ("arm", Some("v5" | "v6")) => "armel".into(),
            ("arm", _) => "armhf".into(),
            ("ppc64le", _) => "ppc64el".into(),
            ("mips64le", _) => "mips64el".into(),
            (other, _) => other.into(),
        };
    }
    spec
}

/// What a root is made of. Which mirror serves the packages is no part of it, and which versions it has is the archive's: `--pull` asks again.
/// A lock file says which, so its text is part of it.
pub(super) fn key(spec: &RootSpec, archive: &ArchiveOptions) -> Result<CacheKey, BuildError> {
    let mut key = KeyEncoder::new("galley 1 base made of packages");
    key.text(&spec.suite);
    key.text(spec.variant.name());
    key.text(&spec.architecture);
    key.list(&spec.components, |key, component| key.text(component));
    let mut include = spec.include.clone();
    include.sort_unstable();
    include.dedup();
    key.list(&include, |key, package| key.text(package));
    key.option(archive.published_uri.as_deref(), KeyEncoder::text);
    let lock = match &archive.lock {
        Some(path) => match std::fs::read(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            read => Some(read.map_err(|source| BuildError::Recipe { path: path.clone(), source })?),
        },
        None => None,
    };
    key.option(lock.as_deref(), KeyEncoder::bytes);
    Ok(key.finish())
}

/// The root as it would be configured.
pub(super) fn text(spec: &RootSpec) -> String {
    let list = |words: &[String]| {
        let quoted: Vec<String> = words.iter().map(|word| format!("{word:?}")).collect();
        quoted.join(", ")
    };
    format!(
        "debian = {{ suite = {:?}, variant = {:?}, include = [{}], components = [{}], architecture = {:?} }}\n",
        spec.suite,
        spec.variant.name(),
        list(&spec.include),
        list(&spec.components),
        spec.architecture,
    )
}

/// Makes a root and an image of it, called `name`; returns the image's id.
pub(super) fn make(
    spec: &RootSpec,
    name: &Reference,
    archive: &ArchiveOptions,
    world: &World<'_>,
    lease: &Lease,
    events: &dyn Events,
) -> Result<Digest, BuildError> {
    let label = format!("packages of Debian {}, {}", spec.suite, spec.variant.name());
    let step = Step { id: STEP, stage: String::new(), position: Some((1, 1)), label, line: 0 };
    events.event(&Event::Planned { steps: vec![step] });
    events.event(&Event::Started { step: STEP });
    events.event(&Event::Ran { step: STEP, why: "it is not made, or is to be made again".into() });
    let bases = BasesWorld {
        store: world.store,
        sandbox: world.sandbox,
        cancel: world.cancel,
        archive: archive.clone(),
        threads: world.threads,
        now: world.now,
    };
    let reports = Reports { events, downloaded: AtomicBool::new(false) };
    let root = build_root(spec, &bases, lease, &reports).map_err(|error| {
        let cancelled = world.cancel.is_cancelled();
        let outcome = if cancelled { Outcome::Cancelled } else { Outcome::Failed };
        events.event(&Event::Finished { step: STEP, outcome });
        if cancelled { BuildError::Cancelled } else { BuildError::Packages(Box::new(error)) }
    })?;
    let layer = ImageLayer { diff_id: root.diff_id, blob: None, snapshot: Some(root.snapshot.id) };
    let image = NewImage { config: config_bytes(&root.config), layers: vec![layer], manifest: None };
    let id = world.store.put_image(&image)?;
    world.store.tag(name, id)?;
    world.store.sync()?;
    events.event(&Event::Finished { step: STEP, outcome: Outcome::Done { size: root.size } });
    Ok(id)
}

/// Passes on how the work goes.
struct Reports<'a> {
    events: &'a dyn Events,
    /// Whether it has been said that everything is downloaded: logs have a line for it.
    downloaded: AtomicBool,
}

impl Progress for Reports<'_> {
    fn progress(&self, phase: Phase, done: u64, total: Option<u64>) {
        let what = match phase {
            Phase::Index => "indexes read",
            Phase::Fetch => "download",
            Phase::Unpack => "packages unpacked",
            Phase::Configure => "packages configured",
        };
        let complete = phase == Phase::Fetch && Some(done) == total;
        if complete && self.downloaded.swap(true, Ordering::Relaxed) {
            return;
        }
        self.events.event(&Event::Progress { step: STEP, what: what.into(), done, total });
    }

    fn output(&self, bytes: &[u8]) {
        self.events.event(&Event::Output { step: STEP, stream: Stream::Stdout, bytes: bytes.into() });
    }

    fn notice(&self, message: &str) {
        self.events.event(&Event::Warning { step: Some(STEP), message: message.into() });
    }
}
