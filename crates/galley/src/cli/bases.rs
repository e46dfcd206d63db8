//! `galley bases`, as it is typed.

use clap::{Args, Subcommand};

use super::ProgressArgs;

/// `galley bases`.
#[derive(Clone, Debug, Subcommand)]
pub enum BasesCommand {
    /// List the names that are bound, what they are made of, and what the store has of them
    List {
        /// Print one JSON object per base
        #[arg(long)]
        json: bool,
    },
    /// Make bases that are not made yet
    Build(BasesBuildArgs),
    /// Print a base's recipe and what it comes to
    Show {
        /// The bound name
        name: String,
    },
}

/// `galley bases build`.
#[derive(Clone, Debug, Args)]
pub struct BasesBuildArgs {
    /// Bound names
    #[arg(required_unless_present = "all")]
    pub names: Vec<String>,
    /// Every bound name
    #[arg(long, conflicts_with = "names")]
    pub all: bool,
    /// Make them again from what registries and package archives have now
    #[arg(long)]
    pub pull: bool,
    /// The platform to make them for [default: this machine's]
    #[arg(long, value_name = "OS/ARCH")]
    pub platform: Option<String>,
    /// How progress is shown
    #[command(flatten)]
    pub progress: ProgressArgs,
    /// A CA bundle that RUN steps trust: `host` for this machine's own, or a file
    #[arg(long, value_name = "host|FILE")]
    pub site_ca: Option<String>,
}
