//! What was typed. Nothing here is interpreted: `config.rs` and `commands/` say what it means.

mod base;
mod bases;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub use base::{BaseArgs, VariantArg};
pub use bases::{BasesBuildArgs, BasesCommand};

/// Builds container images from Dockerfiles, without a daemon.
#[derive(Debug, Parser)]
#[command(name = "galley", version, disable_help_subcommand = true, max_term_width = 100)]
pub struct Cli {
    /// Options of every command.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Options of every command.
#[derive(Clone, Debug, Args)]
pub struct Global {
    /// Where images, layers and the build cache are kept [default: /var/lib/galley for root, ~/.local/share/galley for a user]
    #[arg(long, global = true, value_name = "DIR")]
    pub store: Option<PathBuf>,
    /// A configuration file to read instead of the user's own
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Build an image from a Dockerfile
    Build(Box<BuildArgs>),
    /// Show what a build would do, without doing it
    Plan(Box<PlanArgs>),
    /// Say, for the last build of a Dockerfile, why each step ran or was reused
    Why(WhyArgs),
    /// List the images of the store
    Images(ImagesArgs),
    /// Give an image another name
    Tag {
        /// Name or id of an image
        image: String,
        /// The new name
        name: String,
    },
    /// Remove names, and images that have no other name
    Rmi {
        /// Names or ids of images
        #[arg(required = true)]
        images: Vec<String>,
        /// Remove an image with all its names
        #[arg(short, long)]
        force: bool,
    },
    /// Write images to an archive that docker and other tools can load
    Save(SaveArgs),
    /// Take images in from an archive: OCI or docker, also compressed
    Load(LoadArgs),
    /// Run a command in an image; nothing that it writes is kept
    Run(RunArgs),
    /// List a path in an image, or in a stage of a Dockerfile
    Ls(LsArgs),
    /// Fetch an image from its registry
    Pull {
        /// Names of images
        #[arg(required = true)]
        images: Vec<String>,
        /// The platform to fetch [default: this machine's]
        #[arg(long, value_name = "OS/ARCH")]
        platform: Option<String>,
        /// How progress is shown
        #[command(flatten)]
        progress: ProgressArgs,
    },
    /// Make an image of Debian packages, without a registry and without a Dockerfile
    Base(Box<BaseArgs>),
    /// Look at and make the bases that the configuration binds names to
    #[command(subcommand)]
    Bases(BasesCommand),
    /// Delete images without a name, and cached files that no image needs
    Prune(PruneArgs),
    /// Look after the store
    #[command(subcommand)]
    Store(StoreCommand),
    /// Run a program in the user namespace that the store's files belong to, for looking at them
    Unshare {
        /// The program and its arguments [default: $SHELL]
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        command: Vec<String>,
    },
}

/// Which Dockerfile, which context, and what they are given.
#[derive(Clone, Debug, Args)]
pub struct SourceArgs {
    /// The build context: a directory, or `-` for a tar or a Dockerfile on standard input
    #[arg(default_value = ".")]
    pub context: PathBuf,
    /// The Dockerfile; `-` for standard input [default: Dockerfile in the context]
    #[arg(short, long, value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// The stage to build [default: the last one]
    #[arg(long, value_name = "STAGE")]
    pub target: Option<String>,
    /// Set a build argument; NAME alone takes its value from the environment
    #[arg(long, value_name = "NAME[=VALUE]")]
    pub build_arg: Vec<String>,
    /// Name another context: a directory, docker-image://REF or oci-layout://DIR
    #[arg(long, value_name = "NAME=CONTEXT")]
    pub build_context: Vec<String>,
    /// The platform to build for [default: this machine's]
    #[arg(long, value_name = "OS/ARCH")]
    pub platform: Option<String>,
    /// Ask registries even for images that the store has
    #[arg(long)]
    pub pull: bool,
    /// The network of RUN steps that do not choose one: the host's, or none
    #[arg(long, value_name = "MODE", default_value = "default")]
    pub network: NetworkArg,
    /// Set a label of the image
    #[arg(long, value_name = "NAME=VALUE")]
    pub label: Vec<String>,
}

/// `--network`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum NetworkArg {
    /// The host's network
    Default,
    /// The host's network
    Host,
    /// Nothing but a loopback interface
    None,
}

/// `galley build`.
#[derive(Clone, Debug, Args)]
pub struct BuildArgs {
    /// What is built.
    #[command(flatten)]
    pub source: SourceArgs,
    /// Name the image
    #[arg(short, long = "tag", value_name = "NAME[:TAG]")]
    pub tags: Vec<String>,
    /// Run every step again
    #[arg(long)]
    pub no_cache: bool,
    /// Run the steps of these stages again
    #[arg(long, value_name = "STAGE", value_delimiter = ',')]
    pub no_cache_filter: Vec<String>,
    /// Give a secret to the steps that mount it
    #[arg(long, value_name = "id=ID[,src=FILE|,env=NAME]")]
    pub secret: Vec<String>,
    /// Write the image's id to a file
    #[arg(long, value_name = "FILE")]
    pub iidfile: Option<PathBuf>,
    /// Write what was built, as JSON, to a file
    #[arg(long, value_name = "FILE")]
    pub metadata_file: Option<PathBuf>,
    /// Write the result: DIR, - for a tar on standard output, or type=oci|docker|tar|local|image[,dest=PATH][,tar=false][,name=NAME]
    #[arg(short, long, value_name = "OUTPUT")]
    pub output: Vec<String>,
    /// How progress is shown
    #[command(flatten)]
    pub progress: ProgressArgs,
    /// A CA bundle that RUN steps trust: `host` for this machine's own, or a file
    #[arg(long, value_name = "host|FILE")]
    pub site_ca: Option<String>,
    /// Set every time in the image to SOURCE_DATE_EPOCH, or to 1970 where that is not set
    #[arg(long)]
    pub reproducible: bool,
}

/// How progress is shown.
#[derive(Clone, Debug, Args)]
pub struct ProgressArgs {
    /// A live screen, a plain log, JSON lines or nothing; `auto` is a screen on a terminal and a log elsewhere
    #[arg(long, value_name = "FACE", default_value = "auto")]
    pub progress: ProgressArg,
    /// Print nothing but the image's id
    #[arg(short, long)]
    pub quiet: bool,
}

/// `--progress`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ProgressArg {
    /// A screen on a terminal, a log elsewhere
    Auto,
    /// A log with numbered steps
    Plain,
    /// A live screen
    Tty,
    /// One JSON object per event
    Json,
    /// Nothing but the image's id
    Quiet,
}

/// `galley plan`.
#[derive(Clone, Debug, Args)]
pub struct PlanArgs {
    /// What is planned.
    #[command(flatten)]
    pub source: SourceArgs,
    /// Print a graph for Graphviz
    #[arg(long)]
    pub dot: bool,
}

/// `galley why`.
#[derive(Clone, Debug, Args)]
pub struct WhyArgs {
    /// The build context
    #[arg(default_value = ".")]
    pub context: PathBuf,
    /// The Dockerfile [default: Dockerfile in the context]
    #[arg(short, long, value_name = "FILE")]
    pub file: Option<PathBuf>,
}

/// `galley images`.
#[derive(Clone, Debug, Args)]
pub struct ImagesArgs {
    /// Print ids only
    #[arg(short, long)]
    pub quiet: bool,
    /// Print one JSON object per image
    #[arg(long)]
    pub json: bool,
}

/// `galley save`.
#[derive(Clone, Debug, Args)]
pub struct SaveArgs {
    /// Names or ids of images; a name without a tag means all tags of the repository
    #[arg(required = true)]
    pub images: Vec<String>,
    /// The archive to write [default: standard output]
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// `docker`: an archive that is a docker archive and an OCI layout at once; `oci`: an OCI layout alone
    #[arg(long, default_value = "docker")]
    pub format: ArchiveFormat,
    /// How the fetching of layers is shown that only a registry has
    #[command(flatten)]
    pub progress: ProgressArgs,
}

/// `--format` of save.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ArchiveFormat {
    /// A docker archive that is also an OCI layout
    Docker,
    /// An OCI layout
    Oci,
}

/// `galley load`.
#[derive(Clone, Debug, Args)]
pub struct LoadArgs {
    /// The archive, or an OCI layout directory [default: standard input]
    #[arg(short, long, value_name = "FILE")]
    pub input: Option<PathBuf>,
    /// Print ids only
    #[arg(short, long)]
    pub quiet: bool,
}

/// `galley run`.
#[derive(Clone, Debug, Args)]
pub struct RunArgs {
    /// Set a variable; NAME alone takes its value from the environment
    #[arg(short, long, value_name = "NAME[=VALUE]")]
    pub env: Vec<String>,
    /// Mount a host path
    #[arg(short, long, value_name = "HOST:PATH[:ro]")]
    pub volume: Vec<String>,
    /// The working directory
    #[arg(short, long, value_name = "DIR")]
    pub workdir: Option<String>,
    /// The user, by name or number
    #[arg(short, long, value_name = "USER[:GROUP]")]
    pub user: Option<String>,
    /// For docker's sake: a container has the host's network, so its ports are the host's
    #[arg(short, long, value_name = "HOST:CONTAINER")]
    pub publish: Vec<String>,
    /// Run this program instead of the image's
    #[arg(long, value_name = "PROGRAM")]
    pub entrypoint: Option<String>,
    /// The host's network, or none
    #[arg(long, value_name = "MODE", default_value = "default")]
    pub network: NetworkArg,
    /// For docker's sake: nothing is ever kept
    #[arg(long)]
    pub rm: bool,
    /// Run a small init as process 1, which reaps orphans and passes signals on
    #[arg(long)]
    pub init: bool,
    /// Connect standard input
    #[arg(short, long)]
    pub interactive: bool,
    /// Give the program a terminal
    #[arg(short, long)]
    pub tty: bool,
    /// Name or id of an image; it is fetched where the store does not have it
    pub image: String,
    /// Arguments in place of the image's
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub args: Vec<String>,
}

/// `galley ls`.
#[derive(Clone, Debug, Args)]
pub struct LsArgs {
    /// Name or id of an image, or a stage of the Dockerfile
    pub image: String,
    /// The path in it
    #[arg(default_value = "/")]
    pub path: String,
    /// The build context of the Dockerfile whose stage is looked at
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub context: PathBuf,
    /// The Dockerfile whose stage is looked at [default: Dockerfile in the context]
    #[arg(short, long, value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// List directories below the path too
    #[arg(short = 'R', long)]
    pub recursive: bool,
}

/// `galley prune`.
#[derive(Clone, Debug, Args)]
pub struct PruneArgs {
    /// Keep what a build used within this time, such as 24h or 7d
    #[arg(long, value_name = "TIME")]
    pub keep_since: Option<String>,
    /// Delete the least recently used only, until this much is left, such as 20GB
    #[arg(long, value_name = "SIZE")]
    pub keep_storage: Option<String>,
    /// Delete cache mounts too
    #[arg(long)]
    pub cache_mounts: bool,
}

/// `galley store`.
#[derive(Clone, Copy, Debug, Subcommand)]
pub enum StoreCommand {
    /// Look for damage
    Check {
        /// Read every file and blob
        #[arg(long)]
        deep: bool,
    },
    /// Delete the whole store: images, cache and all
    Reset,
}
