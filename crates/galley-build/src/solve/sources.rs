//! What a step can see of its sources, as digests: the part of its content key that tells whether it reads the same.

use std::sync::Arc;

use galley_image::{Tree, TreeDigest, TreeHasher};
use galley_plan::{InlineFile, InputKey, MountKind, Op, VertexId};
use galley_store::{Snapshot, SnapshotState, Store};

use super::step::Inputs;
use super::{Failure, Need, Root, Solved, Solver};
use crate::context::Context;
use crate::copy::{self, Hidden, NothingFound, SelectOptions, Selection, Source, SourceBytes, inline_tree};
use crate::error::StepProblem;

/// One way in which a step reads a source.
pub(super) enum Use<'v> {
    /// A source word of COPY or ADD.
    Pattern(&'v str, SelectOptions<'v>),
    /// A path that is mounted.
    Subtree(&'v str),
}

impl Solver<'_> {
    /// What stands for each source in the content key.
    pub(super) fn input_keys(&self, id: VertexId, inputs: &Inputs) -> Result<Vec<InputKey>, Failure> {
        let vertex = &self.plan.vertices[id.0];
        let each = vertex.sources.iter().zip(&inputs.sources).enumerate();
        each.map(|(index, (source, solved))| match &self.plan.vertices[source.0].op {
            Op::Context(_) => Ok(InputKey::Content(self.context_digest(id, index)?)),
            Op::Inline(_) => Ok(InputKey::Made(self.definition_key(*source)?)),
            _ => self.stage_key(id, index, *source, solved),
        })
        .collect()
    }

    /// The digest of what a step selects in a context.
    pub(super) fn context_digest(&self, id: VertexId, index: usize) -> Result<TreeDigest, StepProblem> {
        let vertex = &self.plan.vertices[id.0];
        let source = vertex.sources[index];
        let (files, name) = (self.files_of(source, None)?, self.source_name(source));
        let digests = uses(&vertex.op, index)
            .iter()
            .map(|part| Ok(digest_of(&files, &name, part)?.0))
            .collect::<Result<Vec<_>, StepProblem>>()?;
        Ok(combine(&digests))
    }

    /// What stands for a stage or image among the sources.
    fn stage_key(
        &self,
        id: VertexId,
        index: usize,
        source: VertexId,
        solved: &Solved,
    ) -> Result<InputKey, Failure> {
        let vertex = &self.plan.vertices[id.0];
        let parts = uses(&vertex.op, index);
        let made = solved.identity.map(InputKey::Made);
        if let (true, Some(made)) = (parts.is_empty(), made) {
            return Ok(made);
        }
        let mut digests = Vec::with_capacity(parts.len());
        for part in &parts {
            digests.push(self.stage_digest(id, source, solved, part)?);
        }
        Ok(InputKey::Content(combine(&digests)))
    }

    fn stage_digest(
        &self,
        id: VertexId,
        source: VertexId,
        solved: &Solved,
        part: &Use<'_>,
    ) -> Result<TreeDigest, Failure> {
        let store = self.world.store;
        let selector = part.selector();
        let mut snapshot = self.snapshot_of(solved)?;
        if let Some(known) =
            snapshot.as_ref().map(|at| store.tree_digest(at.id, &selector)).transpose()?.flatten()
        {
            return Ok(known);
        }
        let unpacked = snapshot.is_some_and(|at| at.state == SnapshotState::Present);
        if !unpacked && solved.root != Root::Nothing {
            snapshot = self.snapshot_of(&self.demand(source, Need::Bytes)?)?;
        }
        let files = self.files_of(source, snapshot)?;
        let (digest, missed) = digest_of(&files, &self.source_name(source), part)?;
        if let Some(at) = snapshot {
            store.put_tree_digest(at.id, &selector, digest)?;
        }
        self.warn_of_missed(id, missed.as_ref());
        Ok(digest)
    }

    /// The files of a source; `snapshot` is that of a stage or image.
    pub(super) fn files_of(
        &self,
        source: VertexId,
        snapshot: Option<Snapshot>,
    ) -> Result<SourceFiles<'_>, StepProblem> {
        let store = self.world.store;
        Ok(match &self.plan.vertices[source.0].op {
            Op::Context(op) => {
                let lost = || StepProblem::LostSource(self.source_name(source));
                let context = self.found.context(&op.name).ok_or_else(lost)?;
                SourceFiles::Context { context, hidden: Box::new(|path| context.hidden(path)) }
            }
            Op::Inline(files) => SourceFiles::Inline { files, tree: inline_tree(files, self.created()) },
            _ => {
                let top = snapshot.map(|snapshot| snapshot.id);
                SourceFiles::Layers { store, tree: store.tree(top)?, chain: store.chain(top)? }
            }
        })
    }

    /// How messages name a source.
    pub(super) fn source_name(&self, source: VertexId) -> String {
        let vertex = &self.plan.vertices[source.0];
        match &vertex.op {
            Op::Image(image) => {
                let image = format!("image {}", without_digest(&image.reference.familiar()));
                // A stage of nothing but its FROM: people know it by the stage's name.
                match self.plan.stages.iter().find(|stage| stage.top == Some(source)) {
                    Some(stage) => format!("stage `{}` ({image})", self.plan.stage_name(stage.index)),
                    None => image,
                }
            }
            Op::Context(context) if context.name.is_empty() => "the build context".into(),
            Op::Context(context) => format!("build context `{}`", context.name),
            Op::Inline(_) => "the Dockerfile".into(),
            _ => format!("stage `{}`", self.plan.stage_name(vertex.origin.stage)),
        }
    }

    pub(super) fn warn_of_missed(&self, id: VertexId, missed: Option<&NothingFound>) {
        if let Some(missed) = missed {
            let message = format!("nothing is copied: {missed}");
            self.tell(&crate::events::Event::Warning { step: Some(super::step_id(id)), message });
        }
    }
}

/// The files of one source.
pub(super) enum SourceFiles<'s> {
    /// A build context.
    Context {
        /// The scanned directory.
        context: &'s Context,
        /// Which line of its ignore file hides a path.
        hidden: Box<Hidden<'s>>,
    },
    /// A stage or image.
    Layers {
        /// The store that has them.
        store: &'s Store,
        /// The merged tree.
        tree: Arc<Tree>,
        /// The chain that the tree is merged from, lowest first.
        chain: Vec<Snapshot>,
    },
    /// The Dockerfile itself.
    Inline {
        /// The files.
        files: &'s [InlineFile],
        /// The same as a tree.
        tree: Tree,
    },
}

impl SourceFiles<'_> {
    pub(super) fn source<'f>(&'f self, name: &'f str) -> Source<'f> {
        match self {
            Self::Context { context, hidden } => {
                Source { tree: context.tree(), name, is_context: true, hidden: Some(hidden) }
            }
            Self::Layers { tree, .. } => Source { tree, name, is_context: false, hidden: None },
            Self::Inline { tree, .. } => Source { tree, name, is_context: false, hidden: None },
        }
    }

    pub(super) fn bytes(&self) -> SourceBytes<'_> {
        match self {
            Self::Context { context, .. } => SourceBytes::Context(context),
            Self::Layers { store, chain, .. } => SourceBytes::Layers { store, chain },
            Self::Inline { files, .. } => SourceBytes::Inline(files),
        }
    }
}

/// An image's name for messages: the digest that a tag was resolved to says nothing to anybody, unless it is all there is.
fn without_digest(name: &str) -> &str {
    match name.split_once('@') {
        Some((tagged, _)) if tagged.rsplit('/').next().is_some_and(|last| last.contains(':')) => tagged,
        _ => name,
    }
}

/// The digest of what one use of a source selects; and, where a wildcard matched nothing, what there is instead.
fn digest_of(
    files: &SourceFiles<'_>,
    name: &str,
    part: &Use<'_>,
) -> Result<(TreeDigest, Option<NothingFound>), StepProblem> {
    let source = files.source(name);
    let mut selection = part.select(&source).map_err(copy_error)?;
    copy::hash_missing(&mut selection, &files.bytes()).map_err(copy_error)?;
    let digest = copy::digest(&selection).map_err(copy_error)?;
    let digest = match (part, files) {
        (Use::Subtree(path), SourceFiles::Layers { .. }) => with_root(digest, &source, path)?,
        _ => digest,
    };
    Ok((digest, selection.missed))
}

/// A step that mounts a directory sees the directory's own mode, owner and attributes too; a COPY of it does not.
fn with_root(content: TreeDigest, source: &Source<'_>, path: &str) -> Result<TreeDigest, StepProblem> {
    let node = source.tree.resolve(path.as_bytes(), true).ok().and_then(|path| source.tree.get(&path));
    let Some(node) = node.filter(|node| node.entry.is_directory()) else { return Ok(content) };
    let mut hasher = TreeHasher::new();
    hasher.note(&content.0);
    hasher.add(b"", &node.entry, node.origin).map_err(copy_error)?;
    Ok(hasher.finish())
}

impl<'v> Use<'v> {
    pub(super) fn select<'t>(&self, source: &Source<'t>) -> Result<Selection<'t>, copy::SelectError> {
        match self {
            Self::Pattern(pattern, options) => copy::select(source, pattern, options),
            Self::Subtree(path) => copy::select(source, &literal(path), &SelectOptions::default()),
        }
    }

    fn selector(&self) -> [u8; 32] {
        match self {
            Self::Pattern(pattern, options) => copy::selector(pattern, options),
            Self::Subtree(path) => {
                let mut hash = blake3::Hasher::new_derive_key("galley mounted subtree 1");
                *hash.update(path.as_bytes()).finalize().as_bytes()
            }
        }
    }
}

/// How a COPY reads the source that `word` names.
pub(super) fn part_of<'v>(copy: &'v galley_plan::Copy, word: &'v galley_plan::CopySource) -> Use<'v> {
    Use::Pattern(&word.pattern, SelectOptions { parents: copy.parents, exclude: &copy.exclude })
}

/// How the step reads its source number `index`. Nothing is read by a cache mount that is filled from it: what a cache mount
/// holds never decides a result.
fn uses(op: &Op, index: usize) -> Vec<Use<'_>> {
    match op {
        Op::Copy(copy) => {
            let of_source = copy.sources.iter().filter(|word| word.source == index);
            of_source.map(|word| part_of(copy, word)).collect()
        }
        Op::Run(run) => run
            .mounts
            .iter()
            .filter_map(|mount| match &mount.kind {
                MountKind::Bind { source, path, .. } if *source == index => Some(Use::Subtree(path)),
                _ => None,
            })
            .collect(),
        Op::Image(_) | Op::Context(_) | Op::Inline(_) | Op::Mkdir(_) | Op::Merge => Vec::new(),
    }
}

/// A pattern that matches just `path`.
pub(super) fn literal(path: &str) -> String {
    let mut pattern = String::with_capacity(path.len());
    for character in path.chars() {
        if matches!(character, '*' | '?' | '[' | '\\') {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern
}

fn combine(digests: &[TreeDigest]) -> TreeDigest {
    if let [only] = digests {
        return *only;
    }
    let mut hash = blake3::Hasher::new_derive_key("galley selections of one source 1");
    digests.iter().for_each(|digest| {
        hash.update(&digest.0);
    });
    TreeDigest(*hash.finalize().as_bytes())
}

pub(super) fn copy_error(error: impl Into<copy::CopyError>) -> StepProblem {
    StepProblem::Copy(Box::new(error.into()))
}
