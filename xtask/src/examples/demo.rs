//! `cargo demo`: one example from one stage and from several, built before the caller's eyes, run, and compared.

use std::fmt::Write;
use std::path::PathBuf;

use super::measure::{self, Measured};
use super::table::{megabytes, smaller};
use super::weigh::Scales;
use super::workshop::Workshop;
use super::{EXAMPLES, MULTI, Options, SINGLE, directory};
use crate::Result;
use crate::bench::build_galley_as;
use crate::bench::table::duration;

const HELP: &str = "\
usage: cargo demo [OPTIONS] [NAME]

  --registry HOST:PORT  a plain-HTTP registry that stands in for docker.io, and below /gcr.io for gcr.io
  --config FILE         galley's configuration, instead of examples/galley.toml or one made of --registry
  --site-ca host|FILE   the CA bundle that RUN steps trust besides, as in `galley build --site-ca` (host: this machine's own)
  --galley FILE         this binary, instead of building one

As root, or as a user with subordinate ids. Without options the bases are made from packages, and no registry is needed. Everything is made below
TMPDIR, in a store of its own. NAME: what is in examples/ (go).
";

/// The example that needs the least: no packages but its own.
const DEFAULT: &str = "go";

/// The profile that galley is built with here, and this program too where it is called as `cargo demo`.
const PROFILE: &str = "quick";

/// Does what `args` ask for and prints the table; true if the example does what it should.
///
/// # Errors
/// Options that are not understood; a galley that does not build; an example that does not build or run.
pub fn main(args: &[String]) -> Result<bool> {
    let Some((options, name)) = parse(args)? else {
        print!("{HELP}");
        return Ok(true);
    };
    let example = EXAMPLES
        .iter()
        .find(|example| example.name == name)
        .ok_or_else(|| format!("no example {name:?}; see `cargo demo --help`"))?;
    let galley = match &options.galley {
        Some(path) => path.canonicalize().map_err(|error| format!("{}: {error}", path.display()))?,
        None => build_galley_as(PROFILE)?,
    };
    let workshop = Workshop::new(&galley, &options)?;
    let mut scales = Scales::default();
    let files = [(SINGLE, "Dockerfile.single"), (MULTI, "Dockerfile")];
    let mut bases = Vec::new();
    for (_, file) in files {
        bases.extend(measure::bases(&directory(example).join(file))?);
    }
    bases.sort();
    bases.dedup();
    for base in &bases {
        workshop.fetch(base)?;
    }
    let mut measured = Vec::new();
    for (form, file) in files {
        eprintln!("\n{form}: examples/{}/{file}", example.name);
        measured.push(measure::measure(&workshop, &mut scales, example, file)?);
    }
    let [single, multi] = measured.as_slice() else { return Err("two files have two results".into()) };
    println!("\nexamples/{}: {}\n\n{}", example.name, example.title, compare(single, multi));
    println!("It answered: {}", multi.answer);
    println!("The program is {}: try `galley build -t app examples/{}`.", galley.display(), example.name);
    Ok(true)
}

/// The two images side by side.
fn compare(single: &Measured, multi: &Measured) -> String {
    let share = |whole: u64, part: u64| format!("-{:.1} %", smaller(whole, part));
    let median = |of: fn(&Measured) -> &crate::bench::race::Samples, measured: &Measured| {
        of(measured).median().map_or("-".to_owned(), duration)
    };
    let row = |what: &str, of: &dyn Fn(&Measured) -> String, share: String| {
        [what.to_owned(), of(single), of(multi), share]
    };
    let rows = [
        ["", "one stage", "several stages", "smaller"].map(str::to_owned),
        row("size", &|m| megabytes(m.weight.plain), share(single.weight.plain, multi.weight.plain)),
        row("compressed", &|m| megabytes(m.weight.packed), share(single.weight.packed, multi.weight.packed)),
        row("layers", &|m| m.weight.layers.to_string(), String::new()),
        row("first build", &|m| duration(m.cold), String::new()),
        row("nothing changed", &|m| median(|m| &m.unchanged, m), String::new()),
        row("one line edited", &|m| median(|m| &m.edited, m), String::new()),
    ];
    let mut text = String::new();
    for [what, single, multi, share] in rows {
        let _ = writeln!(text, "  {what:<16} {single:>12} {multi:>16} {share:>10}");
    }
    text
}

/// The options, and the name of the example; None where help was asked for.
fn parse(args: &[String]) -> Result<Option<(Options, String)>> {
    let mut options = Options { rounds: 1, watched: true, ..Options::default() };
    let mut name = DEFAULT.to_owned();
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or_else(|| format!("{arg} needs a value"));
        match arg.as_str() {
            "--help" | "-h" => return Ok(None),
            "--registry" => options.registry = Some(value()?.clone()),
            "--config" => options.config = Some(PathBuf::from(value()?)),
            "--site-ca" => options.site_ca.clone_from(value()?),
            "--galley" => options.galley = Some(PathBuf::from(value()?)),
            other if other.starts_with('-') => {
                return Err(format!("no option {other:?}; see `cargo demo --help`").into());
            }
            other => other.clone_into(&mut name),
        }
    }
    Ok(Some((options, name)))
}
