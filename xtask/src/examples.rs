//! `cargo xtask examples`: builds each example from its Dockerfiles, runs what comes out, and prints what that costs beside what the article says.
//!
//! An image counts only after it was run: it answers over HTTP, shows each edit of the sources, and ends with 0 on SIGTERM.

mod claims;
pub mod demo;
mod measure;
mod results;
mod service;
mod table;
mod weigh;
mod workshop;

use std::path::{Path, PathBuf};

use crate::Result;
use crate::bench::build_galley;
use table::{Base, Row};
use weigh::Scales;
use workshop::Workshop;

const HELP: &str = "\
usage: cargo xtask examples [OPTIONS] [NAME...]

  --registry HOST:PORT  a plain-HTTP registry that stands in for docker.io, and below /gcr.io for gcr.io
  --config FILE         galley's configuration, instead of examples/galley.toml or one made of --registry
  --site-ca host|FILE   the CA bundle that RUN steps trust besides, as in `galley build --site-ca` (host: this machine's own)
  --galley FILE         this binary, instead of building one
  --rounds N            N runs of each rebuild (3)
  --write               put what was measured into docs/results.md
  --user                called by root: as the plain user 12345, who needs lines in /etc/subuid and /etc/subgid

As root, or as a user with subordinate ids. Everything is made below TMPDIR, in a store of its own; between two builds it has the bases and nothing else.

names:
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

const EXAMPLES: [Example; 9] = [
    Example { name: "node", title: "Express in TypeScript", source: "src/index.ts" },
    Example { name: "node-cache", title: "Hono, bundled, cache mounts", source: "src/index.ts" },
    Example { name: "nextjs", title: "Next.js, standalone", source: "app/healthz/route.ts" },
    Example { name: "go", title: "`net/http`", source: "main.go" },
    Example { name: "go-service", title: "a service of two packages", source: "main.go" },
    Example { name: "go-distroless", title: "on distroless", source: "main.go" },
    Example { name: "rust", title: "`tiny_http`", source: "src/main.rs" },
    Example { name: "rust-web", title: "`axum`", source: "src/main.rs" },
    Example { name: "python", title: "Flask on gunicorn", source: "main.py" },
];

const SINGLE: &str = "single";
const ARTICLE: &str = "article";
const MULTI: &str = "multi";

/// The Dockerfiles of an example: the name in the tables, and the file. Not every example has the article's.
const FORMS: [(&str, &str); 3] =
    [(SINGLE, "Dockerfile.single"), (ARTICLE, "Dockerfile.article"), (MULTI, "Dockerfile")];

/// Where an example lies.
fn directory(example: &Example) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples").join(example.name)
}

/// Whether the example has that file.
fn has(example: &Example, file: &str) -> bool {
    directory(example).join(file).exists()
}

/// Does what `args` ask for and prints the tables; true if every example does what it should.
///
/// # Errors
/// Options that are not understood; a galley that does not build; a machine that lacks what this needs.
pub fn main(args: &[String]) -> Result<bool> {
    let Some(options) = Options::parse(args)? else {
        print!("{HELP}");
        for example in &EXAMPLES {
            println!("  {:<15} {}", example.name, example.title);
        }
        return Ok(true);
    };
    let galley = match &options.galley {
        Some(path) => path.canonicalize().map_err(|error| format!("{}: {error}", path.display()))?,
        None => build_galley()?,
    };
    let workshop = Workshop::new(&galley, &options)?;
    let mut scales = Scales::default();
    let wanted: Vec<&Example> = EXAMPLES.iter().filter(|example| options.wants(example)).collect();
    let files = wanted.iter().flat_map(|&example| FORMS.map(|(form, file)| (example, form, file)));
    let files: Vec<_> = files.filter(|(example, _, file)| has(example, file)).collect();

    let mut names = Vec::new();
    for (example, _, file) in &files {
        names.extend(measure::bases(&directory(example).join(file))?);
    }
    names.sort();
    names.dedup();
    let mut bases = Vec::new();
    for name in names {
        let made = workshop.fetch(&name)?;
        workshop.name_base(&name, "example-base")?;
        let weight = scales.weigh(&workshop, "example-base")?;
        bases.push(Base { name, made, weight });
    }

    let mut rows = Vec::new();
    let mut failures = Vec::new();
    for (example, form, file) in files {
        eprintln!("{}: {file}", example.name);
        match measure::measure(&workshop, &mut scales, example, file) {
            Ok(measured) => rows.push(Row { example, form, measured }),
            Err(error) => {
                eprintln!("  FAILED: {error}");
                failures.push(format!("{}, {file}: {error}", example.name));
            }
        }
    }
    let measured = results::render(&options, &bases, &rows, &failures);
    print!("{measured}");
    if options.write && failures.is_empty() {
        let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/results.md");
        results::write(&page, &measured)?;
    }
    Ok(failures.is_empty())
}

/// What was asked for.
struct Options {
    registry: Option<String>,
    config: Option<PathBuf>,
    site_ca: String,
    galley: Option<PathBuf>,
    rounds: usize,
    write: bool,
    user: bool,
    /// Whether what takes long is shown while it happens.
    watched: bool,
    names: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            registry: None,
            config: None,
            // Behind a proxy that signs TLS anew nothing can be fetched without; elsewhere it changes nothing.
            site_ca: "host".to_owned(),
            galley: None,
            rounds: 3,
            write: false,
            user: false,
            watched: false,
            names: Vec::new(),
        }
    }
}

impl Options {
    /// None where help was asked for.
    fn parse(args: &[String]) -> Result<Option<Options>> {
        let mut options = Options::default();
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or_else(|| format!("{arg} needs a value"));
            match arg.as_str() {
                "--help" | "-h" => return Ok(None),
                "--registry" => options.registry = Some(value()?.clone()),
                "--config" => options.config = Some(PathBuf::from(value()?)),
                "--site-ca" => options.site_ca.clone_from(value()?),
                "--galley" => options.galley = Some(PathBuf::from(value()?)),
                "--rounds" => options.rounds = value()?.parse().map_err(|_| "--rounds needs a number")?,
                "--write" => options.write = true,
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
        if options.write && !options.names.is_empty() {
            return Err("--write is about all examples: name none".into());
        }
        Ok(Some(options))
    }

    fn wants(&self, example: &Example) -> bool {
        self.names.is_empty() || self.names.iter().any(|name| name == example.name)
    }
}
