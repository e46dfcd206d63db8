//! `RUN --mount`: what a step sees besides its root file system.

use galley_syntax::mount::{Mount, MountSpec};
use galley_syntax::{Diagnostic, Span, Spanned};

use super::Fold;
use crate::lower::refuse;
use crate::op::{MountKind, RunMount, SecretEnv};
use crate::path;
use crate::plan::VertexId;
use crate::stages::{Source, Wanted};

/// The mounts of a step.
#[derive(Debug, Default)]
pub(super) struct Mounts {
    pub(super) files: Vec<RunMount>,
    pub(super) secret_env: Vec<SecretEnv>,
    /// What the mounts refer to by index.
    pub(super) sources: Vec<VertexId>,
}

/// A mount at its place, before its source has a number.
struct Placed {
    target: Spanned<String>,
    spec: MountSpec,
}

impl Fold<'_, '_> {
    pub(super) fn mounts(&mut self, written: &[Mount]) -> Mounts {
        let mut mounts = Mounts::default();
        let mut placed: Vec<Placed> =
            written.iter().filter_map(|mount| self.place(mount, &mut mounts.secret_env)).collect();
        // In one order whatever the file's, so that sources have the same numbers and the step the same key.
        placed.sort_by(|a, b| a.target.value.cmp(&b.target.value));
        for mount in placed {
            let kind = self.kind(&mount, &mut mounts.sources);
            let Spanned { value: target, span } = mount.target;
            mounts.files.extend(kind.map(|kind| RunMount { target, kind, span }));
        }
        mounts
    }

    /// Understands a mount and where it goes; `None` where there is nothing to mount.
    fn place(&mut self, mount: &Mount, secret_env: &mut Vec<SecretEnv>) -> Option<Placed> {
        let (mut expander, scope) = self.expander();
        let spec = mount.resolve(&mut |word| expander.try_expand(word, scope).map(|expanded| expanded.text));
        let spec = match spec {
            Ok(spec) => spec,
            Err(problems) => {
                self.findings.extend(problems);
                return None;
            }
        };
        let target = match &spec {
            MountSpec::Bind(bind) => Some(&bind.target.value),
            MountSpec::Cache(cache) => Some(&cache.target.value),
            MountSpec::Tmpfs(tmpfs) => Some(&tmpfs.target.value),
            MountSpec::Secret(secret) => {
                secret_env.extend(secret.env.as_ref().map(|name| SecretEnv {
                    name: name.clone(),
                    id: secret.id.value.clone(),
                    required: secret.required,
                    span: mount.span,
                }));
                secret.target.as_ref()
            }
            MountSpec::Ssh(_) => {
                self.findings.push(refuse::ssh(mount.span));
                None
            }
        }?;
        let target = path::join(&self.cwd(), target);
        if target == "/" {
            let text = "a mount cannot cover the root directory";
            let problem = Diagnostic::error("invalid-mount", mount.span, text);
            self.findings.push(problem.help("mount a directory below `/`"));
            return None;
        }
        Some(Placed { target: Spanned::new(target, mount.span), spec })
    }

    fn kind(&mut self, mount: &Placed, sources: &mut Vec<VertexId>) -> Option<MountKind> {
        let span = mount.target.span;
        Some(match &mount.spec {
            MountSpec::Bind(bind) => MountKind::Bind {
                source: self.mount_source(bind.from.as_ref(), span, sources)?,
                path: path::join("/", &bind.source),
                writable: bind.writable,
            },
            MountSpec::Cache(cache) => {
                let source = match &cache.from {
                    Some(from) => {
                        let index = self.mount_source(Some(from), span, sources)?;
                        Some((index, path::join("/", &cache.source)))
                    }
                    None => None,
                };
                MountKind::Cache {
                    id: cache.id.clone().unwrap_or_else(|| mount.target.value.clone()),
                    sharing: cache.sharing,
                    source,
                    mode: cache.mode,
                    uid: cache.uid,
                    gid: cache.gid,
                    read_only: cache.read_only,
                }
            }
            MountSpec::Tmpfs(tmpfs) => MountKind::Tmpfs { size: tmpfs.size },
            MountSpec::Secret(secret) => MountKind::Secret {
                id: secret.id.value.clone(),
                required: secret.required,
                mode: secret.mode,
                uid: secret.uid,
                gid: secret.gid,
            },
            MountSpec::Ssh(_) => return None,
        })
    }

    /// The index of a mount's source among the step's sources.
    fn mount_source(
        &mut self,
        from: Option<&Spanned<String>>,
        span: Span,
        sources: &mut Vec<VertexId>,
    ) -> Option<usize> {
        let source = match from {
            None => Source::Directory(String::new()),
            Some(from) => self.named_source(&from.value, span, Wanted::Mount)?,
        };
        let id = self.source(&source);
        Some(sources.iter().position(|known| *known == id).unwrap_or_else(|| {
            sources.push(id);
            sources.len() - 1
        }))
    }

    /// What a name in `from` stands for; `None` where an error was reported.
    pub(super) fn named_source(&mut self, name: &str, span: Span, wanted: Wanted) -> Option<Source> {
        match self.world.stages.source(name, span, self.world.stage, wanted) {
            // The walk over the stages has reported the warning.
            Ok((source, _)) => Some(source),
            Err(error) => {
                self.findings.push(error);
                None
            }
        }
    }
}
