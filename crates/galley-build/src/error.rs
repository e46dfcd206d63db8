//! Why a build failed. What concerns the user's text carries its span; what happened outside names the file, image or step.

use std::path::{Path, PathBuf};

use galley_image::{Reference, TreePath};
use galley_registry::RegistryError;
use galley_sandbox::Exit;
use galley_store::StoreError;
use galley_syntax::{Diagnostic, Span};

use crate::context::ContextError;
use crate::copy::CopyError;
use crate::export::ExportError;
use crate::rooted::RootedError;

/// Why a build failed.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The Dockerfile cannot be built; at least one diagnostic is an error.
    #[error("the Dockerfile cannot be built: {}", first_error(.0))]
    Dockerfile(Vec<Diagnostic>),
    /// A step failed.
    #[error("{0}")]
    Step(Box<FailedStep>),
    /// An image cannot be had.
    #[error("cannot get the image {reference}: {source}")]
    Image {
        /// The image's name as the Dockerfile has it.
        reference: String,
        /// Where the Dockerfile asks for it first.
        span: Span,
        /// What happened.
        source: Box<ImageError>,
    },
    /// A bound base cannot be made.
    #[error("the base {} cannot be made: {}", .0.base, .0.problem)]
    Base(Box<FailedBase>),
    /// Bound bases stand on each other.
    #[error("bases stand on each other in a circle: {}", round.join(" -> "))]
    BaseCycle {
        /// The names, the last being the first.
        round: Vec<String>,
        /// Where the last is asked for.
        span: Span,
    },
    /// A bound base is not made, and nothing is to be made now.
    #[error("the base {base} is not made yet, and a plan makes nothing: run `galley bases build {base}`")]
    BaseNotMade {
        /// Its name.
        base: String,
        /// Where it is asked for.
        span: Span,
    },
    /// There is no file where a recipe should be.
    #[error("there is no recipe at {}", path.display())]
    NoRecipe {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// A recipe or its ignore file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Recipe {
        /// Which.
        path: PathBuf,
        /// What happened.
        source: std::io::Error,
    },
    /// A root cannot be made of packages.
    #[error(transparent)]
    Packages(Box<galley_bases::BasesError>),
    /// A file of a recipe's context cannot be read.
    #[error(transparent)]
    RecipeContext(Box<CopyError>),
    /// A build context cannot be read.
    #[error(transparent)]
    Context(#[from] ContextError),
    /// A line of an ignore file is no pattern.
    #[error("line {line} of {file}: {problem}; correct or delete that line")]
    IgnoreFile {
        /// The file's name.
        file: String,
        /// The line, from 1.
        line: u32,
        /// What is wrong with it.
        problem: String,
    },
    /// The Dockerfile came without a context and wants files of it.
    #[error(
        "the Dockerfile reads the build context, and there is none: give a directory instead of `-`, or pass a tar on standard input"
    )]
    NoContext,
    /// A named context was not given.
    #[error("there is no build context `{0}`: give it with --build-context {0}=DIRECTORY")]
    UnknownContext(String),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Layers that an output needs cannot be fetched.
    #[error("cannot write the image out: {0}")]
    Layers(#[source] ImageError),
    /// An output cannot be written.
    #[error(transparent)]
    Export(#[from] ExportError),
    /// The build was stopped.
    #[error("the build was stopped")]
    Cancelled,
}

/// A bound base that cannot be made, with everything that a face needs to show it.
#[derive(Debug)]
pub struct FailedBase {
    /// Its name.
    pub base: String,
    /// Where it is asked for: in the Dockerfile that was built, or in the recipe of the base above.
    pub span: Span,
    /// The name of its recipe.
    pub recipe: String,
    /// The recipe's text, which the problem's spans are in.
    pub dockerfile: Vec<u8>,
    /// What happened.
    pub problem: BuildError,
}

/// Why an image cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// The registry or layout.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The image is for another platform.
    #[error("it is for {offered}, and {wanted} was asked for; give --platform={offered} or another image")]
    Platform {
        /// What was asked for.
        wanted: String,
        /// What it is for.
        offered: String,
    },
    /// The tag or digest of an OCI layout is malformed.
    #[error(transparent)]
    Reference(#[from] galley_image::ReferenceError),
    /// A named context is a directory and was used as an image.
    #[error("`{0}` names no image: give --build-context {0}=docker-image://REF or oci-layout://DIR")]
    NotAnImage(String),
    /// Its configuration and its manifest disagree.
    #[error("its configuration lists {diff_ids} layers and its manifest {layers}")]
    Layers {
        /// Layers in the configuration.
        diff_ids: usize,
        /// Layers in the manifest.
        layers: usize,
    },
    /// A blob broke off.
    #[error("its layer {} did not come: {source}; try again to go on from there", .blob.short())]
    Transfer {
        /// Which.
        blob: galley_image::Digest,
        /// What happened.
        source: std::io::Error,
    },
    /// The build was stopped meanwhile.
    #[error("stopped")]
    Stopped,
    /// A layer is in neither the store nor a registry.
    #[error(
        "its layer {digest} is not in the store, and {reference} names no registry that has it; load or pull the image again"
    )]
    LayerGone {
        /// The layer's diff ID or blob.
        digest: String,
        /// The image.
        reference: Reference,
    },
}

/// A step that failed, with everything that a face needs to show it.
#[derive(Debug, thiserror::Error)]
#[error("line {line}: {label}: {problem}")]
pub struct FailedStep {
    /// The stage's name or number.
    pub stage: String,
    /// The line in the Dockerfile, from 1.
    pub line: u32,
    /// The instruction in the Dockerfile.
    pub span: Span,
    /// The instruction as people read it.
    pub label: String,
    /// What happened.
    pub problem: StepProblem,
    /// The last lines that the step wrote.
    pub output: Vec<String>,
}

/// What happened in a step.
#[derive(Debug, thiserror::Error)]
pub enum StepProblem {
    /// The process failed.
    #[error("{}", ended(*.0))]
    Exit(Exit),
    /// The process failed, and the store's disk is full, which is why, most likely.
    #[error("{}", full(*.exit, .store))]
    OutOfSpace {
        /// How the process ended.
        exit: Exit,
        /// The store's directory.
        store: PathBuf,
    },
    /// The process could not be started.
    #[error(transparent)]
    Sandbox(#[from] RootedError),
    /// COPY or ADD.
    #[error(transparent)]
    Copy(#[from] Box<CopyError>),
    /// The context.
    #[error(transparent)]
    Context(#[from] ContextError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The base image's layers.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// USER or WORKDIR names somebody who is not in the image.
    #[error(transparent)]
    Owner(#[from] crate::owner::UnknownOwner),
    /// A secret was not given.
    #[error(
        "the secret `{id}` is required and was not given: build with --secret id={id},src=FILE or --secret id={id},env=NAME"
    )]
    MissingSecret {
        /// Its id.
        id: String,
        /// The mount.
        span: Span,
    },
    /// A secret stands in the layer that the step made.
    #[error(
        "the step wrote the secret `{id}` into {path:?}, which would be in the image: write it nowhere, or below a tmpfs or cache mount"
    )]
    SecretInLayer {
        /// Its id.
        id: String,
        /// The file.
        path: TreePath,
    },
    /// A mount of the step shows a path that its source does not have.
    #[error("nothing is at {path} in {source_name}, which the mount at {target} is to show")]
    NothingToMount {
        /// The path in the source.
        path: String,
        /// The stage, image or context.
        source_name: String,
        /// Where it would appear.
        target: String,
        /// The mount.
        span: Span,
    },
    /// A new cache mount cannot be filled.
    #[error(transparent)]
    Fill(#[from] ExportError),
    /// A file beside the step's root cannot be made.
    #[error("cannot prepare {path}: {source}")]
    Io {
        /// Which.
        path: String,
        /// What happened.
        source: std::io::Error,
    },
    /// A path in the image leads nowhere.
    #[error(transparent)]
    Resolve(#[from] galley_image::tree::ResolveError),
    /// A source of the plan was not resolved: a defect of galley.
    #[error("galley lost its source {0}: please report this with the Dockerfile")]
    LostSource(String),
    /// WORKDIR names a file.
    #[error("{path:?} is not a directory")]
    NotADirectory {
        /// Which.
        path: TreePath,
    },
}

impl StepProblem {
    /// The part of the instruction that the problem is about, where it is a part.
    #[must_use]
    pub fn span(&self) -> Option<Span> {
        match self {
            Self::MissingSecret { span, .. } | Self::NothingToMount { span, .. } => Some(*span),
            _ => None,
        }
    }
}

fn full(exit: Exit, store: &Path) -> String {
    format!(
        "{}, and the disk of the store {} is full: free some with `galley prune`, or choose another disk with `--store`",
        ended(exit),
        store.display()
    )
}

/// How a process ended, and what that usually means.
fn ended(exit: Exit) -> String {
    let meaning = match exit.shell_code() {
        126 => ": the program was found but cannot be executed",
        127 => ": a program was not found; is it installed in this stage, and spelled right?",
        130 => ": interrupted",
        134 => ": aborted",
        137 => ": killed, most often because memory ran out",
        139 => ": a segmentation fault; a binary for another system or C library is a common cause",
        143 => ": terminated",
        _ => "",
    };
    match exit {
        Exit::Code(code) => format!("failed with exit code {code}{meaning}"),
        Exit::Signal(signal) => format!("was ended by signal {signal}{meaning}"),
    }
}

fn first_error(diagnostics: &[Diagnostic]) -> String {
    let first = diagnostics.iter().find(|diagnostic| diagnostic.is_error()).or(diagnostics.first());
    first.map_or("no reason given".into(), |diagnostic| diagnostic.message.clone())
}
