//! `cargo xtask conformance`: every case of the Dockerfile language built by galley and by its peers, and what they made compared
//! fact by fact.
//!
//! A difference that the case does not explain (`--- differs PEER`) is a finding; an explanation without a difference is one too.

mod peer;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use galley_testkit::conformance::{Case, Galley, Outcome};
use galley_testkit::expect;

use self::peer::Peer;
use crate::Result;

const USAGE: &str = "\
usage: cargo xtask conformance [OPTIONS] [CASE...]

  --galley FILE     the program to judge [default: target/debug/galley of this workspace]
  --peer PEER       buildkit, buildah or none; may be repeated [default: buildkit]
  --accept          write what galley makes as each case's expectation, and the table of docs/conformance.md
  --explained       show differences that a case explains, too
";

struct Options {
    galley: PathBuf,
    peers: Vec<Peer>,
    accept: bool,
    explained: bool,
    wanted: BTreeSet<String>,
}

/// Runs the task; true if nothing was found.
///
/// # Errors
/// Options that are not understood, cases that cannot be read, builders that cannot be set up.
pub fn main(args: &[String]) -> Result<bool> {
    if args.iter().any(|arg| arg == "--help") {
        print!("{USAGE}");
        return Ok(true);
    }
    let options = options(args)?;
    let directory = root().join("conformance/cases");
    let home = tempfile::tempdir()?;
    let galley = Galley::new(&options.galley, home.path())?;
    let peers = options.peers.iter().map(|peer| peer.prepared(home.path())).collect::<Result<Vec<_>>>()?;
    let (mut findings, mut count) = (0, 0);
    for path in expect::cases(&directory, "case")? {
        let case = Case::read(&path)?;
        if !options.wanted.is_empty() && !options.wanted.contains(&case.name) {
            continue;
        }
        count += 1;
        findings += run(&case, &path, &galley, &peers, &options).unwrap_or_else(|problem| {
            println!("== {}: {problem}\n", case.name);
            1
        });
    }
    if options.accept {
        let page = root().join("docs/conformance.md");
        fs::write(&page, galley_testkit::conformance::page(&fs::read_to_string(&page)?, &directory)?)?;
    }
    println!("conformance: {count} case(s), {findings} finding(s)");
    Ok(findings == 0)
}

/// Builds a case with everybody: how much was found.
fn run(case: &Case, path: &Path, galley: &Galley, peers: &[Peer], options: &Options) -> Result<usize> {
    let prepared = case.prepare()?;
    let made = galley.run(case, &prepared)?;
    let mut findings = 0;
    if let Err(problem) = made.fits(case) {
        println!("== {problem}\n");
        findings += 1;
    } else if options.accept {
        fs::write(path.with_extension("expected"), made.to_string())?;
    }
    for peer in peers {
        findings += usize::from(!compare(case, &made, &peer.run(case, &prepared)?, peer, options));
    }
    Ok(findings)
}

/// Whether the peer agrees, or the case says why not. Says what it found.
fn compare(case: &Case, ours: &Outcome, theirs: &Outcome, peer: &Peer, options: &Options) -> bool {
    let name = peer.tool.name();
    let difference = match (ours, theirs) {
        (Outcome::Built(ours), Outcome::Built(theirs)) => {
            let (ours, theirs) = (peer.comparable(ours), peer.comparable(theirs));
            let (ours, theirs) = (timed_alike(&ours, &theirs, peer), timed_alike(&theirs, &ours, peer));
            (ours != theirs).then(|| expect::diff(&theirs, &ours))
        }
        (Outcome::Failed(_), Outcome::Failed(_)) => None,
        (Outcome::Failed(said), Outcome::Built(lines)) => {
            Some(format!("galley fails, {name} builds:\n{said}\n{}\n", peer.comparable(lines).join("\n")))
        }
        (Outcome::Built(_), Outcome::Failed(said)) => Some(format!("galley builds, {name} fails:\n{said}\n")),
    };
    let explained = case.differs.get(name);
    match (difference, explained) {
        (None, None) => true,
        (None, Some(_)) => {
            println!("== {}: it says that {name} differs, and {name} does not\n", case.name);
            false
        }
        (Some(difference), Some(why)) if options.explained => {
            println!("== {} beside {name}, explained: {why}\n{difference}", case.name);
            true
        }
        (Some(_), Some(_)) => true,
        (Some(difference), None) => {
            println!("== {} beside {name}: {}", case.name, case.about);
            for (path, text) in case.images.iter().chain(&case.files) {
                println!("-- {path}\n{}", text.trim_end());
            }
            println!("-- expected is {name}, actual is galley\n{difference}");
            false
        }
    }
}

/// `lines` as a text, without the times of directories that have none in `others`. Whether the directory that content is copied into takes
/// over the time of its source differs from build to build in BuildKit.
fn timed_alike(lines: &[String], others: &[String], peer: &Peer) -> String {
    let mut text = String::new();
    for line in lines {
        let (timeless, unchanged) = match directory_time(line) {
            Some(time) => (line.replacen(&format!(" {time}"), "", 1), peer.base_has(line)),
            None => (line.clone(), false),
        };
        let path = line.split_inclusive("/ ").next().unwrap_or_default();
        if unchanged && !others.iter().any(|other| other.starts_with(path)) {
            continue;
        }
        text += if others.contains(&timeless) { &timeless } else { line };
        text.push('\n');
    }
    text
}

/// The time in the line of a directory.
fn directory_time(line: &str) -> Option<&str> {
    let (_, facts) = line.strip_prefix('/')?.split_once("/ ")?;
    facts.split(' ').find(|fact| fact.starts_with('@'))
}

fn options(args: &[String]) -> Result<Options> {
    let mut options = Options {
        galley: root().join("target/debug/galley"),
        peers: Vec::new(),
        accept: false,
        explained: false,
        wanted: BTreeSet::new(),
    };
    let mut peers_chosen = false;
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or_else(|| format!("{arg} needs a value\n{USAGE}"));
        match arg.as_str() {
            "--galley" => options.galley = fs::canonicalize(value()?)?,
            "--peer" => {
                peers_chosen = true;
                let name = value()?;
                options.peers.extend(Peer::named(name).ok_or_else(|| format!("no peer {name}\n{USAGE}"))?);
            }
            "--accept" => options.accept = true,
            "--explained" => options.explained = true,
            option if option.starts_with('-') => return Err(format!("no option {option}\n{USAGE}").into()),
            case => drop(options.wanted.insert(case.to_owned())),
        }
    }
    if !peers_chosen {
        options.peers.extend(Peer::named("buildkit").flatten());
    }
    if !options.galley.exists() {
        let message = format!("{} is not there: `cargo build -p galley` makes it", options.galley.display());
        return Err(message.into());
    }
    Ok(options)
}

fn root() -> &'static Path {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().unwrap_or(own)
}
