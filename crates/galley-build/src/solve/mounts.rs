//! The mounts of a RUN step: caches, files of stages and contexts, memory, secrets, and what the site and the network need.

use std::path::{Path, PathBuf};

use galley_image::{Tree, TreePath};
use galley_plan::{CacheSharing, KeyEncoder, MountKind, Network, Run, RunMount, VertexId};
use galley_sandbox::{self as sandbox, Mount, Scratch};
use galley_store::{
    CacheMount, CacheMountSpec, Holder, ParentRule, Prepared, PreparedRoot, Record, Sharing, Snapshot, Wait,
};

use super::sources::{SourceFiles, copy_error, literal};
use super::step::Inputs;
use super::{Failure, Solver};
use crate::context::Context;
use crate::copy::{self, PlaceOptions, Previous, SelectOptions, Source, SourceBytes};
use crate::error::StepProblem;
use crate::events::Event;
use crate::request::Secret;

/// The mounts of one step, and what has to live as long as they do.
pub(super) struct Mounted {
    pub mounts: Vec<Mount>,
    /// Variables with secrets.
    pub env: Vec<(String, Vec<u8>)>,
    /// Every secret that the step can see: id and value.
    pub secrets: Vec<(String, Vec<u8>)>,
    _caches: Vec<CacheMount>,
    _roots: Vec<Prepared>,
}

impl Solver<'_> {
    /// Everything that is mounted for a step.
    pub(super) fn mounts(&self, id: VertexId, run: &Run, inputs: &Inputs) -> Result<Mounted, Failure> {
        let mut mounted = Mounted {
            mounts: Vec::new(),
            env: Vec::new(),
            secrets: Vec::new(),
            _caches: Vec::new(),
            _roots: Vec::new(),
        };
        mounted.mounts.extend(self.world.host_files.mounts(run.network == Network::Host));
        let file = |target: &str, content: Vec<u8>, mode| Mount {
            target: target.into(),
            kind: sandbox::MountKind::File { content, mode, uid: 0, gid: 0, read_only: true },
        };
        mounted
            .mounts
            .extend(self.world.site.mounts().into_iter().map(|site| file(&site.target, site.content, 0o444)));
        mounted.mounts.extend(
            run.script.iter().map(|script| file(&script.path, script.content.clone().into_bytes(), 0o755)),
        );
        self.mount_secrets(run, &mut mounted)?;
        let sources = self.opened(id, inputs)?;
        for mount in &run.mounts {
            match &mount.kind {
                MountKind::Bind { source, path, writable } => {
                    let name = self.source_name(self.plan.vertices[id.0].sources[*source]);
                    self.mount_bind(
                        mount,
                        &name,
                        &sources[*source],
                        inputs.sources[*source].snapshot(),
                        path,
                        *writable,
                        &mut mounted,
                    )?;
                }
                MountKind::Tmpfs { size } => {
                    let kind = sandbox::MountKind::Tmpfs { size: *size, mode: 0o1777 };
                    mounted.mounts.push(Mount { target: (&mount.target).into(), kind });
                }
                MountKind::Cache { .. } | MountKind::Secret { .. } => {}
            }
        }
        // Last: everything else that may have to be waited for has been.
        self.mount_caches(id, run, &sources, &mut mounted)?;
        Ok(mounted)
    }

    fn mount_secrets(&self, run: &Run, mounted: &mut Mounted) -> Result<(), StepProblem> {
        let given = |id: &str, required: bool, span| -> Result<Option<&Secret>, StepProblem> {
            match self.request.secrets.get(id) {
                None if required => Err(StepProblem::MissingSecret { id: id.into(), span }),
                secret => Ok(secret),
            }
        };
        for mount in &run.mounts {
            let MountKind::Secret { id, required, mode, uid, gid } = &mount.kind else { continue };
            if let Some(secret) = given(id, *required, mount.span)? {
                let content = secret.value.clone();
                mounted.secrets.push((id.clone(), content.clone()));
                let kind =
                    sandbox::MountKind::File { content, mode: *mode, uid: *uid, gid: *gid, read_only: true };
                mounted.mounts.push(Mount { target: (&mount.target).into(), kind });
            }
        }
        for variable in &run.secret_env {
            if let Some(secret) = given(&variable.id, variable.required, variable.span)? {
                mounted.secrets.push((variable.id.clone(), secret.value.clone()));
                mounted.env.push((variable.name.clone(), secret.value.clone()));
            }
        }
        Ok(())
    }

    #[expect(clippy::too_many_arguments, reason = "they are the parts of one mount, used once")]
    fn mount_bind(
        &self,
        mount: &RunMount,
        name: &str,
        files: &SourceFiles<'_>,
        snapshot: Option<galley_store::SnapshotId>,
        path: &str,
        writable: bool,
        mounted: &mut Mounted,
    ) -> Result<(), Failure> {
        let missing = || StepProblem::NothingToMount {
            path: path.into(),
            source_name: name.into(),
            target: mount.target.clone(),
            span: mount.span,
        };
        let source = files.source(name);
        let resolved = source.tree.resolve(path.as_bytes(), true).map_err(|_| missing())?;
        if source.tree.get(&resolved).is_none() {
            return Err(missing().into());
        }
        let (snapshot, subpath) = match files {
            // The live directory could change while the step runs, and holds what .dockerignore keeps out.
            SourceFiles::Context { context, .. } => {
                (Some(self.context_snapshot(context, &source, &resolved)?.id), resolved)
            }
            _ => (snapshot, resolved),
        };
        let mut prepared = self.world.store.prepare(snapshot, self.lease)?;
        let subpath =
            PathBuf::from(<std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(subpath.as_bytes()));
        let kind = match prepared.root()? {
            PreparedRoot::Overlay { lowers, upper, work, userxattr } => {
                let scratch = writable.then_some(Scratch { upper, work });
                sandbox::MountKind::OverlayBind { lowers, scratch, subpath, userxattr }
            }
            PreparedRoot::Directory(source) => {
                sandbox::MountKind::Bind { source, subpath, read_only: !writable, recursive: false }
            }
        };
        mounted.mounts.push(Mount { target: (&mount.target).into(), kind });
        mounted._roots.push(prepared);
        Ok(())
    }

    /// A part of a context as a snapshot, filtered by `.dockerignore`. Files that the last such snapshot has are taken from it.
    fn context_snapshot(
        &self,
        context: &Context,
        source: &Source<'_>,
        path: &TreePath,
    ) -> Result<Snapshot, StepProblem> {
        let store = self.world.store;
        let shown = path.display();
        let mut selection =
            copy::select(source, &literal(&shown), &SelectOptions::default()).map_err(copy_error)?;
        let bytes = SourceBytes::Context(context);
        copy::hash_missing(&mut selection, &bytes).map_err(copy_error)?;
        let digest = copy::digest(&selection).map_err(copy_error)?;
        let key = |domain, part: &[u8]| {
            let mut encoder = KeyEncoder::new(domain);
            encoder.text(source.name);
            encoder.text(&shown);
            encoder.bytes(part);
            encoder.finish().0
        };
        let exact = key("galley 1 context snapshot", &digest.0);
        if let Some(record) = store.lookup(&exact, ParentRule::Any, self.lease)? {
            return Ok(store.snapshot(record.result)?);
        }
        let latest = key("galley 1 latest context snapshot", self.request.dockerfile_name.as_bytes());
        let before = store
            .lookup(&latest, ParentRule::Any, self.lease)?
            .map(|record| store.snapshot(record.result))
            .transpose()?;
        let before = before
            .map(|snapshot| Ok::<_, StepProblem>((snapshot.layer, store.diff(snapshot.layer)?)))
            .transpose()?;
        let options = PlaceOptions { chown: None, chmod: None, created: self.created() };
        let empty = Tree::empty();
        let actions = copy::place(&empty, &[selection], &shown, &options).map_err(copy_error)?;
        let prepared = store.prepare(None, self.lease)?;
        let mut writer = prepared.writer()?;
        let previous = before.as_ref().map(|(layer, diff)| Previous { layer: *layer, diff });
        copy::fill(&mut writer, &empty, &actions, &[bytes], &options, previous).map_err(copy_error)?;
        let snapshot = prepared.commit_written(writer)?;
        for key in [exact, latest] {
            store.put_record(
                &Record { key, result: snapshot.id, inputs: String::new(), created: self.world.now },
                self.lease,
            )?;
        }
        Ok(snapshot)
    }

    fn mount_caches(
        &self,
        id: VertexId,
        run: &Run,
        sources: &[SourceFiles<'_>],
        mounted: &mut Mounted,
    ) -> Result<(), Failure> {
        let caches: Vec<&RunMount> =
            run.mounts.iter().filter(|mount| matches!(mount.kind, MountKind::Cache { .. })).collect();
        let specs: Vec<CacheMountSpec> = caches.iter().filter_map(|mount| spec(&mount.kind)).collect();
        if specs.is_empty() {
            return Ok(());
        }
        let interrupted = || self.world.cancel.is_cancelled();
        let mut waiting = |holder: &Holder| {
            let message =
                format!("waiting for a cache mount that process {} ({}) uses", holder.pid, holder.process);
            self.tell(&Event::Warning { step: Some(super::step_id(id)), message });
        };
        let mut taken = self
            .world
            .store
            .cache_mounts(&specs, &mut Wait { interrupted: &interrupted, waiting: &mut waiting })?;
        for (mount, cache) in caches.iter().zip(&mut taken) {
            let MountKind::Cache { source, read_only, .. } = &mount.kind else { continue };
            if cache.is_fresh() {
                if let Some((source, path)) = source {
                    let name = self.source_name(self.plan.vertices[id.0].sources[*source]);
                    fill_cache(&sources[*source], &name, path, mount, cache.path())?;
                }
                cache.mark_filled()?;
            }
            let kind = sandbox::MountKind::Bind {
                source: cache.path().into(),
                subpath: PathBuf::new(),
                read_only: *read_only,
                recursive: false,
            };
            mounted.mounts.push(Mount { target: (&mount.target).into(), kind });
        }
        mounted._caches = taken;
        Ok(())
    }
}

fn spec(kind: &MountKind) -> Option<CacheMountSpec> {
    let MountKind::Cache { id, sharing, mode, uid, gid, .. } = kind else { return None };
    let sharing = match sharing {
        CacheSharing::Shared => Sharing::Shared,
        CacheSharing::Private => Sharing::Private,
        CacheSharing::Locked => Sharing::Locked,
    };
    Some(CacheMountSpec { id: id.clone(), sharing, mode: *mode, uid: *uid, gid: *gid })
}

/// Fills a new cache mount with a directory of a stage or image.
fn fill_cache(
    files: &SourceFiles<'_>,
    name: &str,
    path: &str,
    mount: &RunMount,
    into: &Path,
) -> Result<(), StepProblem> {
    let source = files.source(name);
    let missing = || StepProblem::NothingToMount {
        path: path.into(),
        source_name: name.into(),
        target: mount.target.clone(),
        span: mount.span,
    };
    let from = source.tree.resolve(path.as_bytes(), true).map_err(|_| missing())?;
    if !source.tree.get(&from).is_some_and(|node| node.entry.is_directory()) {
        return Err(missing());
    }
    crate::export::write_subtree(source.tree, &from, &files.bytes(), into).map_err(StepProblem::from)
}
