//! `cargo xtask bench`: galley as whole processes of the release binary, interleaved with a bare control and, where they are given, its peers.
//!
//! Every case warms up first, then takes medians, and looks into the images: a fast wrong answer is a miss. What is timed is a process from its start
//! to its end, so everything that galley does is in the number, its one `syncfs` a build too. Before each run the disk is brought to rest.

pub(crate) mod builder;
mod copies;
mod edits;
mod lab;
pub(crate) mod race;
mod steps;
pub(crate) mod table;

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Result;
use builder::{Builder, Tool};
use lab::Lab;
use table::Row;

const HELP: &str = "\
usage: cargo xtask bench [OPTIONS] [CASE...]

  --peers DIR     a directory with `docker` (buildx) and `buildah`: measure them too. Which daemon and which storage they use, the environment
                  says (DOCKER_HOST, CONTAINERS_STORAGE_CONF). The build cache of that daemon is pruned: give one that nobody needs.
  --galley FILE   this binary, instead of building one
  --rounds N      at least N runs of each; fewer for a peer that takes longer than 10 s

As root, and with `setpriv` and subordinate ids for user 12345 also as a plain user. TMPDIR says on which file system.

cases:
";

/// The user of the cases that are not root's: any id that has no account, with a line in /etc/subuid and /etc/subgid.
pub(crate) const PLAIN_USER: u32 = 12345;

/// One line of the table.
struct Case {
    /// How it is asked for.
    name: &'static str,
    /// What is done.
    title: &'static str,
    /// What galley must reach.
    bar: Bar,
    /// What BuildKit and buildah took on the machine where the bars were set (two cores): shown where they do not take part.
    noted: [&'static str; 2],
    run: fn(&Lab) -> Result<race::Outcome>,
}

/// What galley's median must not exceed. Several at once all hold.
#[derive(Clone, Copy, Default)]
struct Bar {
    /// Seconds.
    seconds: Option<f64>,
    /// Times the control in the same race.
    control: Option<f64>,
    /// Times the faster peer in the same race; no condition where no peer takes part.
    peer: Option<f64>,
}

/// Galley's peak resident memory in any case is below this, in bytes.
const PEAK: u64 = 200 << 20;

const fn seconds(seconds: f64) -> Bar {
    Bar { seconds: Some(seconds), control: None, peer: None }
}

const CASES: [Case; 9] = [
    Case {
        name: "noop",
        title: "no-op rebuild, two-stage project",
        bar: seconds(0.020),
        noted: ["0.07-0.12 s", "0.3-5.9 s"],
        run: steps::noop,
    },
    Case {
        name: "noop-user",
        title: "the same, a plain user",
        bar: seconds(0.035),
        noted: ["", ""],
        run: steps::noop_user,
    },
    Case {
        name: "noop20",
        title: "no-op rebuild, 20 steps",
        bar: seconds(0.020),
        noted: ["0.18 s", "1.07 s"],
        run: steps::noop_20,
    },
    Case {
        name: "step",
        title: "a trivial step without cache, each of 20",
        bar: seconds(0.015),
        noted: ["43 ms", "270 ms"],
        run: steps::trivial,
    },
    Case {
        name: "stages",
        title: "ten independent stages of `sleep 2`",
        bar: seconds(2.3),
        noted: ["2.8 s", "5.6 s"],
        run: steps::stages,
    },
    Case {
        name: "many-cold",
        title: "`COPY . .` of 50,000 small files, cold",
        bar: Bar { seconds: None, control: Some(2.0), peer: Some(1.0 / 3.0) },
        noted: ["13-18 s", "17 s"],
        run: copies::many_cold,
    },
    Case {
        name: "many-noop",
        title: "the same, nothing changed",
        bar: seconds(0.2),
        noted: ["0.8-1.5 s", "16 s"],
        run: copies::many_noop,
    },
    Case {
        name: "many-edit",
        title: "the same, one file changed",
        bar: seconds(1.0),
        noted: ["6.3-7.3 s", ""],
        run: copies::many_edit,
    },
    Case {
        name: "big",
        title: "`COPY` of a 1 GiB file, cold",
        bar: Bar { seconds: None, control: Some(1.3), peer: None },
        noted: ["13 s", "8-16 s"],
        run: copies::big,
    },
];

/// Runs the cases that `args` ask for and prints the table; true if every bar is held.
///
/// # Errors
/// Options that are not understood; a galley that does not build; a machine that lacks what the bench needs.
pub fn main(args: &[String]) -> Result<bool> {
    let Some(options) = Options::parse(args)? else {
        print!("{HELP}");
        for case in &CASES {
            println!("  {:<15} {}", case.name, case.title);
        }
        return Ok(true);
    };
    let galley = match &options.galley {
        Some(path) => path.canonicalize().map_err(|error| format!("{}: {error}", path.display()))?,
        None => build_galley()?,
    };
    let lab = Lab::new(&galley, options.peers.as_deref(), options.rounds)?;
    let mut rows = Vec::new();
    for case in CASES.iter().filter(|case| options.wants(case)) {
        eprintln!("{}: {}", case.name, case.title);
        let row = Row::new(case, (case.run)(&lab)?);
        eprintln!("  {}", row.verdict());
        rows.push(row);
    }
    print!("{}", table::render(&rows));
    Ok(rows.iter().all(Row::passed))
}

/// What was asked for.
#[derive(Default)]
struct Options {
    peers: Option<PathBuf>,
    galley: Option<PathBuf>,
    rounds: usize,
    cases: Vec<String>,
}

impl Options {
    /// None where help was asked for.
    fn parse(args: &[String]) -> Result<Option<Options>> {
        let mut options = Options { rounds: 5, ..Options::default() };
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or_else(|| format!("{arg} needs a value"));
            match arg.as_str() {
                "--help" | "-h" => return Ok(None),
                "--peers" => options.peers = Some(PathBuf::from(value()?)),
                "--galley" => options.galley = Some(PathBuf::from(value()?)),
                "--rounds" => options.rounds = value()?.parse().map_err(|_| "--rounds needs a number")?,
                name if CASES.iter().any(|case| case.name == name) => options.cases.push(name.to_owned()),
                other => {
                    return Err(format!("no case or option {other:?}; see `cargo xtask bench --help`").into());
                }
            }
        }
        if options.rounds == 0 {
            return Err("--rounds needs a number above 0".into());
        }
        Ok(Some(options))
    }

    fn wants(&self, case: &Case) -> bool {
        self.cases.is_empty() || self.cases.iter().any(|name| name == case.name)
    }
}

/// Builds the release binary and says where it lies.
pub(crate) fn build_galley() -> Result<PathBuf> {
    build_galley_as("release")
}

/// Builds galley with a profile of the workspace and says where it lies.
pub(crate) fn build_galley_as(profile: &str) -> Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut build = Command::new(&cargo);
    build.args(["build", "--profile", profile, "--locked", "-p", "galley"]).current_dir(root);
    if !build.status()?.success() {
        return Err("galley does not build".into());
    }
    let mut metadata = Command::new(&cargo);
    metadata.args(["metadata", "--format-version=1", "--no-deps", "--locked"]).current_dir(root);
    let metadata: serde_json::Value = serde_json::from_slice(&metadata.output()?.stdout)?;
    let target = metadata["target_directory"].as_str().ok_or("cargo metadata names no target directory")?;
    Ok(Path::new(target).join(profile).join("galley"))
}
