//! From verified packages to a layer: unpacked, configured, dated.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use galley_image::layer_tar::{TarProfile, Times};
use galley_image::{ChainId, Mtime, TreePath};
use galley_store::{LayerWriter, Lease, ParentRule, Prepared, Record, Snapshot, StoreError};
use serde::{Deserialize, Serialize};

use super::configure::{Configuration, configure};
use super::control::Control;
use super::database::{self, UnpackedPackage};
use super::debian::{self, AptSource};
use super::error::DebProblem;
use super::exclude::Rules;
use super::image::{self, Made};
use super::place::Placer;
use super::stream::{Packages, Piece, stream};
use super::tree::{MergedTree, Outcome, TreeError};
use super::{BasesWorld, BuiltRoot, Phase, Progress, RootSpec, Variant, distroless, key};
use crate::{BasesError, DebFile};

/// The packages of a root, and what its apt is told of where they are from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RootPackages {
    /// The packages, verified.
    pub debs: Vec<DebFile>,
    /// For `debian.sources`; without credentials.
    pub sources: Vec<AptSource>,
}

/// What a record of a root remembers besides its snapshot.
#[derive(Serialize, Deserialize)]
struct Remembered {
    date: i64,
}

/// Makes the root that `spec` describes of `packages`, or finds it in the store. See [`super::build_root`].
///
/// # Errors
/// [`BasesError`]. Nothing half-made is left.
pub fn assemble(
    spec: &RootSpec,
    packages: &RootPackages,
    world: &BasesWorld<'_>,
    lease: &Lease,
    progress: &dyn Progress,
) -> Result<BuiltRoot, BasesError> {
    let mut debs = packages.debs.clone();
    debs.sort_by(|a, b| a.name.cmp(&b.name));
    if debs.is_empty() {
        return Err(BasesError::NoPackages);
    }
    let lock_digest = key::packages(&debs);
    let key = key::root(spec, &packages.sources, &lock_digest);
    if let Some(record) = world.store.lookup(&key, ParentRule::Any, lease)?
        && let Ok(Remembered { date }) = serde_json::from_str(&record.inputs)
    {
        let snapshot = world.store.snapshot(record.result)?;
        return finish(spec, snapshot, date, lock_digest, debs.len(), true, world);
    }
    let root = Assembly { spec, debs: &debs, sources: &packages.sources, world, lease, progress };
    let (snapshot, date) = root.make()?;
    let inputs = serde_json::to_string(&Remembered { date }).unwrap_or_default();
    world.store.put_record(&Record { key, result: snapshot.id, inputs, created: world.now }, lease)?;
    finish(spec, snapshot, date, lock_digest, debs.len(), false, world)
}

fn finish(
    spec: &RootSpec,
    snapshot: Snapshot,
    date: i64,
    lock_digest: String,
    packages: usize,
    cached: bool,
    world: &BasesWorld<'_>,
) -> Result<BuiltRoot, BasesError> {
    let diff_id = world.store.diff_id(snapshot.layer, &TarProfile::current(Times::Kept))?;
    if let Some(chain) = ChainId::of(&[diff_id]) {
        world.store.bind_chain(chain, snapshot.id)?;
    }
    let size = world.store.diff(snapshot.layer)?.size();
    let config = image::configuration(spec, &Made { diff_id, date, lock_digest: &lock_digest, packages });
    Ok(BuiltRoot { snapshot, diff_id, config, lock_digest, packages, size, cached })
}

struct Assembly<'a> {
    spec: &'a RootSpec,
    /// Sorted by name.
    debs: &'a [DebFile],
    sources: &'a [AptSource],
    world: &'a BasesWorld<'a>,
    lease: &'a Lease,
    progress: &'a dyn Progress,
}

/// What unpacking leaves for the rest.
struct Unpacked {
    /// The paths of each package that was unpacked.
    names: Vec<Option<Vec<TreePath>>>,
    outcome: Outcome,
}

impl Assembly<'_> {
    /// The layer, and its date.
    fn make(&self) -> Result<(Snapshot, i64), BasesError> {
        let controls = self.controls()?;
        if self.spec.variant == Variant::Distroless {
            let prepared = self.world.store.prepare(None, self.lease)?;
            let (writer, unpacked) = self.write(prepared.writer()?, &controls)?;
            return Ok((prepared.commit_written(writer)?, unpacked.outcome.newest));
        }
        let mut unpacked = None;
        let mut prepared = self.world.store.prepare_filled(self.lease, |writer| {
            let (writer, rest) = self.write(writer, &controls)?;
            unpacked = Some(rest);
            Ok::<LayerWriter, BasesError>(writer)
        })?;
        let date = unpacked.as_ref().map_or(0, |unpacked| unpacked.outcome.newest);
        self.configure(&controls, date, &mut prepared)?;
        prepared.limit_times(Mtime { seconds: date, nanoseconds: 0 })?;
        Ok((prepared.commit_walked(&[])?, date))
    }

    /// What each package says of itself. It has to be what the index or the lock says.
    fn controls(&self) -> Result<Vec<Control>, BasesError> {
        let next = AtomicUsize::new(0);
        let read = Mutex::new(Vec::with_capacity(self.debs.len()));
        let work = || {
            while let Some((index, deb)) = Some(next.fetch_add(1, Ordering::Relaxed))
                .and_then(|index| Some((index, self.debs.get(index)?)))
            {
                let control = Control::read(&deb.path).and_then(|control| expected(deb, control));
                read.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push((index, control));
            }
        };
        std::thread::scope(|scope| {
            for _ in 1..self.world.threads {
                scope.spawn(work);
            }
            work();
        });
        let mut read = read.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        read.sort_by_key(|(index, _)| *index);
        let controls =
            read.into_iter().map(|(index, control)| control.map_err(|problem| self.wrong(index, problem)));
        controls.collect()
    }

    /// Unpacks the packages into `writer`, and writes what belongs to no package.
    fn write(
        &self,
        writer: LayerWriter,
        controls: &[Control],
    ) -> Result<(LayerWriter, Unpacked), BasesError> {
        let rules = Rules::of(self.spec.variant);
        let configured = self.spec.variant.is_configured();
        let which: Vec<usize> =
            (0..controls.len()).filter(|index| !(configured && controls[*index].diverts())).collect();
        let mut tree = MergedTree::new(writer, controls, &rules);
        let mut names: Vec<Option<Vec<TreePath>>> = vec![None; controls.len()];
        let mut done = 0;
        let packages = Packages {
            debs: self.debs,
            which: &which,
            rules: &rules,
            threads: self.world.threads,
            cancel: self.world.cancel,
        };
        stream(&packages, |index, piece| {
            let put = match piece {
                Piece::Entry(path, entry, content) => tree.put(index, &path, entry, content),
                Piece::HardLink(path, target) => tree.hard_link(index, &path, &target),
                Piece::Failed(problem) => Err(problem.into()),
                Piece::End(list) => {
                    names[index] = Some(list);
                    done += 1;
                    self.progress.progress(Phase::Unpack, done, Some(which.len() as u64));
                    Ok(())
                }
            };
            put.map_err(|error| match error {
                TreeError::Package(problem) => self.wrong(index, *problem),
                TreeError::Store(error @ StoreError::NoSpace { .. }) => error.into(),
                TreeError::Store(source) => {
                    let deb = &self.debs[index];
                    BasesError::Unpack { package: deb.name.clone(), file: deb.path.clone(), source }
                }
            })
        })?;
        if self.world.cancel.is_cancelled() {
            return Err(BasesError::Sandbox(galley_sandbox::SandboxError::Cancelled));
        }
        let (mut writer, outcome) = tree.finish()?;
        let unpacked = Unpacked { names, outcome };
        self.write_own(&mut writer, controls, &unpacked)?;
        Ok((writer, unpacked))
    }

    fn write_own(
        &self,
        writer: &mut LayerWriter,
        controls: &[Control],
        unpacked: &Unpacked,
    ) -> Result<(), BasesError> {
        let packages: Vec<UnpackedPackage<'_>> = controls
            .iter()
            .zip(&unpacked.names)
            .enumerate()
            .filter_map(|(index, (control, names))| {
                Some(UnpackedPackage { index, control, names: names.as_deref()? })
            })
            .collect();
        let mut placer = Placer { writer, date: unpacked.outcome.newest };
        if self.spec.variant == Variant::Distroless {
            return Ok(distroless::write(&packages, &unpacked.outcome, &mut placer)?);
        }
        database::write(&packages, &unpacked.outcome, &self.spec.architecture, &mut placer)?;
        Ok(debian::write(self.spec.variant, self.sources, &self.spec.components, &mut placer)?)
    }

    fn configure(&self, controls: &[Control], date: i64, prepared: &mut Prepared) -> Result<(), BasesError> {
        let by_dpkg = |index: &usize| controls[*index].diverts();
        let has_preinst = |control: &&Control| control.files.contains_key("preinst") && !control.diverts();
        let configuration = Configuration {
            preinst: controls.iter().filter(has_preinst).map(Control::database_name).collect(),
            unpack: (0..controls.len()).filter(by_dpkg).map(|index| &self.debs[index]).collect(),
            packages: controls.len(),
            variant: self.spec.variant,
            architecture: &self.spec.architecture,
            date,
        };
        configure(&configuration, prepared, self.world, self.progress)
    }

    fn wrong(&self, index: usize, problem: DebProblem) -> BasesError {
        let deb = &self.debs[index];
        BasesError::Package { package: deb.name.clone(), file: deb.path.clone(), problem: Box::new(problem) }
    }
}

fn expected(deb: &DebFile, control: Control) -> Result<Control, DebProblem> {
    let found = (&control.name, &control.version, &control.architecture);
    if found == (&deb.name, &deb.version, &deb.architecture) {
        return Ok(control);
    }
    Err(DebProblem::Another {
        found: format!("{} {} for {}", control.name, control.version, control.architecture),
        expected: format!("{} {} for {}", deb.name, deb.version, deb.architecture),
    })
}
