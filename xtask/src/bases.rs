//! `cargo xtask bases`: each recipe that galley ships proves itself: `bases/NAME/test/` is built, whose steps use the toolchain for what people
//! use it for, such as a native addon, cgo or a procedural macro.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::Result;
use crate::bench::build_galley;

const HELP: &str = "\
usage: cargo xtask bases [OPTIONS] [NAME...]

  --site-ca host|FILE   a CA bundle for RUN steps: what `galley build --site-ca` takes
  --galley FILE         this binary, instead of building one
  --store DIR           where bases are kept [default: a store of its own, which is removed at the end]

Bases are made of packages, which are fetched. NAME: a directory of bases/ with a test.
";

/// Does what `args` ask for and prints a line for each base; true if every test passes.
///
/// # Errors
/// Options that are not understood; a galley that does not build; a directory that cannot be read.
pub fn main(args: &[String]) -> Result<bool> {
    let Some(options) = Options::parse(args)? else {
        print!("{HELP}");
        return Ok(true);
    };
    let galley = match &options.galley {
        Some(path) => path.canonicalize().map_err(|error| format!("{}: {error}", path.display()))?,
        None => build_galley()?,
    };
    let scratch = tempfile::Builder::new().prefix("galley-bases-").tempdir()?;
    let store = options.store.clone().unwrap_or_else(|| scratch.path().join("store"));
    let tests = tests(&crate::workspace_root().join("bases"))?;
    if let Some(unknown) = options.names.iter().find(|name| !tests.iter().any(|(known, _)| known == *name)) {
        return Err(format!("bases/{unknown}/test is not there").into());
    }
    let wanted = |name: &String| options.names.is_empty() || options.names.contains(name);
    let (mut passed, mut failed) = (0, 0);
    for (name, directory) in tests.iter().filter(|(name, _)| wanted(name)) {
        let start = Instant::now();
        let mut command = Command::new(&galley);
        command.arg("--store").arg(&store).args(["build", "--progress", "plain"]);
        if let Some(ca) = &options.site_ca {
            command.args(["--site-ca", ca]);
        }
        let done = command.arg(directory).stdin(Stdio::null()).status()?.success();
        let seconds = start.elapsed().as_secs_f64();
        println!("bases/{name}: {} after {seconds:.1} s", if done { "passed" } else { "FAILED" });
        *if done { &mut passed } else { &mut failed } += 1;
    }
    if options.store.is_none() {
        // The files of a store may belong to ids that only galley can remove.
        let _ = Command::new(&galley).arg("--store").arg(&store).args(["store", "reset"]).status();
    }
    println!("{passed} passed, {failed} failed");
    Ok(failed == 0)
}

/// The directories below `bases` with a test, by name.
fn tests(bases: &Path) -> Result<Vec<(String, PathBuf)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(bases)? {
        let entry = entry?;
        let test = entry.path().join("test");
        if test.join("Dockerfile").is_file() {
            found.push((entry.file_name().to_string_lossy().into_owned(), test));
        }
    }
    found.sort();
    Ok(found)
}

#[derive(Default)]
struct Options {
    site_ca: Option<String>,
    galley: Option<PathBuf>,
    store: Option<PathBuf>,
    names: Vec<String>,
}

impl Options {
    /// `None` where help is asked for.
    fn parse(args: &[String]) -> Result<Option<Options>> {
        let mut options = Options::default();
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or_else(|| format!("{arg} needs a value"));
            match arg.as_str() {
                "--help" => return Ok(None),
                "--site-ca" => options.site_ca = Some(value()?.clone()),
                "--galley" => options.galley = Some(value()?.into()),
                "--store" => options.store = Some(value()?.into()),
                option if option.starts_with('-') => return Err(format!("{option}: no such option").into()),
                name => options.names.push(name.to_owned()),
            }
        }
        Ok(Some(options))
    }
}
