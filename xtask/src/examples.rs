//! `cargo xtask examples`: builds each example from its single-stage and its multi-stage Dockerfile, runs both, and prints what that costs.
//!
//! An image counts only after it was run: it answers over HTTP, shows each edit of the sources, and ends with 0 on SIGTERM.

mod measure;
mod service;
mod table;

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::Result;
use crate::bench::builder::{Builder, Tool};
use crate::bench::{PLAIN_USER, build_galley};
use table::Row;

const HELP: &str = "\
usage: cargo xtask examples [OPTIONS] [NAME...]

  --registry HOST:PORT  a plain-HTTP registry that stands in for docker.io, and below /gcr.io for gcr.io
  --config FILE         galley's configuration, instead of one made of --registry
  --site-ca host|FILE   a CA bundle for RUN steps: what `galley build --site-ca` takes
  --galley FILE         this binary, instead of building one
  --rounds N            N runs of each rebuild (3)
  --user                as the plain user 12345, who needs lines in /etc/subuid and /etc/subgid; not as the one who calls

As root. Everything is made below TMPDIR, in a store of its own that is emptied before each cold build. NAME: node, go, rust, python.
";

/// One project below `examples/`. Its `/healthz` answers `ok`, which is what the measured edit changes.
struct Example {
    /// Its directory.
    name: &'static str,
    /// What it is, for the table.
    title: &'static str,
    /// The source file with the text of that answer, once.
    source: &'static str,
}

const EXAMPLES: [Example; 4] = [
    Example { name: "node", title: "Express in TypeScript", source: "src/index.ts" },
    Example { name: "go", title: "`net/http`", source: "main.go" },
    Example { name: "rust", title: "`tiny_http`", source: "src/main.rs" },
    Example { name: "python", title: "Flask on gunicorn", source: "main.py" },
];

/// The two Dockerfiles of an example: the name in the table, and the file.
const FILES: [(&str, &str); 2] = [("single", "Dockerfile.single"), ("multi", "Dockerfile")];

/// Does what `args` ask for and prints the table; true if every example does what it should.
///
/// # Errors
/// Options that are not understood; a galley that does not build; a machine that lacks what this needs.
pub fn main(args: &[String]) -> Result<bool> {
    let Some(options) = Options::parse(args)? else {
        print!("{HELP}");
        return Ok(true);
    };
    let galley = match &options.galley {
        Some(path) => path.canonicalize().map_err(|error| format!("{}: {error}", path.display()))?,
        None => build_galley()?,
    };
    let workshop = Workshop::new(&galley, &options)?;
    let mut rows = Vec::new();
    let mut failures = Vec::new();
    for example in EXAMPLES.iter().filter(|example| options.wants(example)) {
        for (form, file) in FILES {
            eprintln!("{}: {file}", example.name);
            match measure::measure(&workshop, example, file) {
                Ok(measured) => rows.push(Row { example, form, measured }),
                Err(error) => failures.push(format!("{}, {file}: {error}", example.name)),
            }
        }
    }
    print!("{}", table::render(&rows, options.rounds));
    for failure in &failures {
        println!("- FAILED {failure}");
    }
    Ok(failures.is_empty())
}

/// Where the examples are built: copies of them, so that no edit touches the project's own files.
struct Workshop {
    scratch: TempDir,
    builder: Builder,
    /// Options of every galley that fetches something.
    config: Vec<String>,
    /// Options of `galley build` alone.
    site: Vec<String>,
    rounds: usize,
}

impl Workshop {
    fn new(galley: &Path, options: &Options) -> Result<Workshop> {
        let scratch = tempfile::Builder::new().prefix("galley-examples-").tempdir()?;
        let root = scratch.path();
        // The plain user reads the contexts and the binary.
        fs::set_permissions(root, Permissions::from_mode(0o755))?;
        let program = root.join("galley");
        fs::copy(galley, &program).map_err(|error| format!("{}: {error}", galley.display()))?;
        let home = root.join("home");
        fs::create_dir(&home)?;
        let tool = if options.user { Tool::GalleyAsUser } else { Tool::Galley };
        if options.user {
            chown(&home, Some(PLAIN_USER), Some(PLAIN_USER))?;
        }
        let config = match (&options.config, &options.registry) {
            (Some(file), _) => {
                Some(file.canonicalize().map_err(|error| format!("{}: {error}", file.display()))?)
            }
            (None, Some(registry)) => {
                let file = root.join("config.toml");
                fs::write(&file, mirror_of_all(registry))?;
                Some(file)
            }
            (None, None) => None,
        };
        let config = config.map(|file| ["--config".to_owned(), file.display().to_string()]);
        let site = options.site_ca.clone().map(|ca| ["--site-ca".to_owned(), ca]);
        Ok(Workshop {
            builder: Builder::on_no_base(tool, program, &home),
            config: config.into_iter().flatten().collect(),
            site: site.into_iter().flatten().collect(),
            rounds: options.rounds,
            scratch,
        })
    }

    /// A path in the scratch directory.
    fn path(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }
}

/// A configuration in which `registry` has the images of docker.io and gcr.io.
fn mirror_of_all(registry: &str) -> String {
    format!(
        "[registry.\"docker.io\"]\nmirrors = [\"{registry}\"]\n[registry.\"gcr.io\"]\nmirrors = [\"{registry}/gcr.io\"]\n\
         [registry.\"{registry}\"]\ninsecure = true\n"
    )
}

/// What was asked for.
#[derive(Default)]
struct Options {
    registry: Option<String>,
    config: Option<PathBuf>,
    site_ca: Option<String>,
    galley: Option<PathBuf>,
    rounds: usize,
    user: bool,
    names: Vec<String>,
}

impl Options {
    /// None where help was asked for.
    fn parse(args: &[String]) -> Result<Option<Options>> {
        let mut options = Options { rounds: 3, ..Options::default() };
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or_else(|| format!("{arg} needs a value"));
            match arg.as_str() {
                "--help" | "-h" => return Ok(None),
                "--registry" => options.registry = Some(value()?.clone()),
                "--config" => options.config = Some(PathBuf::from(value()?)),
                "--site-ca" => options.site_ca = Some(value()?.clone()),
                "--galley" => options.galley = Some(PathBuf::from(value()?)),
                "--rounds" => options.rounds = value()?.parse().map_err(|_| "--rounds needs a number")?,
                "--user" => options.user = true,
                name if EXAMPLES.iter().any(|example| example.name == name) => {
                    options.names.push(name.to_owned());
                }
                other => {
                    return Err(
                        format!("no example or option {other:?}; see `cargo xtask examples --help`").into()
                    );
                }
            }
        }
        if options.rounds == 0 {
            return Err("--rounds needs a number above 0".into());
        }
        Ok(Some(options))
    }

    fn wants(&self, example: &Example) -> bool {
        self.names.is_empty() || self.names.iter().any(|name| name == example.name)
    }
}
