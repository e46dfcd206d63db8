//! `galley base`, as it is typed.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::ProgressArgs;

/// `galley base`.
#[derive(Clone, Debug, Args)]
pub struct BaseArgs {
    /// The Debian release
    #[arg(long, value_name = "NAME", default_value = "bookworm")]
    pub suite: String,
    /// How much of it
    #[arg(long, value_name = "VARIANT", default_value = "slim")]
    pub variant: VariantArg,
    /// Packages besides those of the variant
    #[arg(long, value_name = "PACKAGE", value_delimiter = ',')]
    pub include: Vec<String>,
    /// Debian's name of the architecture [default: this machine's]
    #[arg(long, value_name = "ARCH")]
    pub arch: Option<String>,
    /// The archive's components
    #[arg(long, value_name = "NAME", value_delimiter = ',', default_value = "main")]
    pub components: Vec<String>,
    /// Where packages come from, in this order [default: galley.toml's, else those of this machine's apt]
    #[arg(long, value_name = "URI")]
    pub mirror: Vec<String>,
    /// The keys that the release has to be signed with [default: the apt source's, else Debian's]
    #[arg(long, value_name = "FILE")]
    pub keyring: Option<PathBuf>,
    /// Take exactly the packages that FILE lists; where it is not there yet, write it
    #[arg(long, value_name = "FILE")]
    pub lock: Option<PathBuf>,
    /// The archive as it was at a date, such as 2026-07-11, from a mirror that keeps every state
    #[arg(long, value_name = "DATE")]
    pub snapshot: Option<String>,
    /// Take a release that is past its time
    #[arg(long)]
    pub allow_expired: bool,
    /// Name the image
    #[arg(short, long = "tag", value_name = "NAME[:TAG]")]
    pub tags: Vec<String>,
    /// Write the result: FILE.tar, DIR, - for a tar on standard output, or type=oci|docker|tar|local[,dest=PATH]
    #[arg(short, long, value_name = "OUTPUT")]
    pub output: Vec<String>,
    /// How progress is shown
    #[command(flatten)]
    pub progress: ProgressArgs,
}

/// `--variant`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum VariantArg {
    /// The essential and required packages, and apt
    Minbase,
    /// The same without documentation, manual pages and translations
    Slim,
    /// What a program needs that brings its own libraries: no shell, no package manager
    Distroless,
}
