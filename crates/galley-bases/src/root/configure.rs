//! The packages' own scripts: run by dpkg, inside of the root, in the sandbox.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::path::PathBuf;

use galley_sandbox::{Io, Mount, MountKind, Network, Output, Process, Root, Stdin};
use galley_store::{Prepared, PreparedRoot};

use super::{BasesWorld, Phase, Progress, SEARCH_PATH, Variant};
use crate::{BasesError, DebFile};

/// See there.
const SCRIPT: &str = include_str!("configure.sh");

/// Where packages that dpkg unpacks itself are seen by it: `base-files` has this directory, and it is empty.
const PACKAGES: &str = "/mnt";

/// Lines that an error quotes.
const TAIL: usize = 30;

/// What is to be configured.
pub struct Configuration<'a> {
    /// Packages with a preinst script, as dpkg's database names them.
    pub preinst: Vec<String>,
    /// Packages that dpkg has to unpack.
    pub unpack: Vec<&'a DebFile>,
    /// How many packages in all.
    pub packages: usize,
    /// How much of it is wanted.
    pub variant: Variant,
    /// dpkg's own architecture.
    pub architecture: &'a str,
    /// The root's date, seconds since 1970: what programs write down as today.
    pub date: i64,
}

/// Configures the packages in the root of `prepared`.
///
/// # Errors
/// [`BasesError::Configure`] where a script fails; [`BasesError::Sandbox`], [`BasesError::Store`] and [`BasesError::Io`].
pub fn configure(
    configuration: &Configuration<'_>,
    prepared: &mut Prepared,
    world: &BasesWorld<'_>,
    progress: &dyn Progress,
) -> Result<(), BasesError> {
    let root = match prepared.root()? {
        // One use, and nothing to lose by a power cut: skipping what dpkg wants synced makes it five times as fast.
        PreparedRoot::Overlay { lowers, upper, work, userxattr } => {
            Root::Overlay { lowers, upper, work, userxattr, volatile: true }
        }
        PreparedRoot::Directory(directory) => Root::Directory(directory),
    };
    let mut process = Process::new(root, ["/bin/sh", "-c", SCRIPT, "configure"]);
    process.args.extend(configuration.preinst.iter().map(Into::into));
    process.args.push("--".into());
    process.args.extend(configuration.unpack.iter().map(|deb| OsString::from(inside(deb))));
    process.env = environment(configuration).map(|(name, value)| (name.into(), value.into())).into();
    process.network = Network::None;
    process.hostname = Some("galley".into());
    process.mounts.extend(mount(configuration, prepared)?);
    let mut log =
        Log { progress, line: Vec::new(), tail: VecDeque::new(), done: 0, total: configuration.packages };
    let mut take = |_, bytes: &[u8]| log.take(bytes);
    let io = Io { stdin: Stdin::Null, output: Output::Callback(&mut take) };
    let exit = world.sandbox.run(&process, io, world.cancel)?;
    match exit.success() {
        true => Ok(()),
        false if world.store.is_full() => Err(BasesError::NoSpace { store: world.store.root().into() }),
        false => Err(BasesError::Configure { exit, tail: log.finish() }),
    }
}

fn environment(configuration: &Configuration<'_>) -> [(&'static str, String); 10] {
    [
        ("PATH", SEARCH_PATH.into()),
        ("HOME", "/root".into()),
        ("LC_ALL", "C.UTF-8".into()),
        ("TERM", "dumb".into()),
        ("DEBIAN_FRONTEND", "noninteractive".into()),
        ("DEBCONF_NONINTERACTIVE_SEEN", "true".into()),
        ("DEBCONF_NOWARNINGS", "yes".into()),
        ("SOURCE_DATE_EPOCH", configuration.date.to_string()),
        ("ARCHITECTURE", configuration.architecture.into()),
        ("VARIANT", configuration.variant.name().into()),
    ]
}

fn inside(deb: &DebFile) -> String {
    format!("{PACKAGES}/{}.deb", deb.name)
}

/// The packages that dpkg unpacks, in a directory of their own.
fn mount(configuration: &Configuration<'_>, prepared: &Prepared) -> Result<Option<Mount>, BasesError> {
    if configuration.unpack.is_empty() {
        return Ok(None);
    }
    let source: PathBuf = prepared.scratch().join("packages");
    std::fs::create_dir(&source).map_err(BasesError::io("create", &source))?;
    for deb in &configuration.unpack {
        let copy = source.join(format!("{}.deb", deb.name));
        std::fs::copy(&deb.path, &copy).map_err(BasesError::io("copy a package to", &copy))?;
    }
    let kind = MountKind::Bind { source, subpath: PathBuf::new(), read_only: true, recursive: false };
    Ok(Some(Mount { target: PACKAGES.into(), kind }))
}

/// What the scripts write: passed on, counted, and its end kept for an error.
struct Log<'a> {
    progress: &'a dyn Progress,
    line: Vec<u8>,
    tail: VecDeque<String>,
    done: u64,
    total: usize,
}

impl Log<'_> {
    fn take(&mut self, bytes: &[u8]) {
        self.progress.output(bytes);
        for byte in bytes {
            match byte {
                b'\n' => self.keep_line(),
                byte => self.line.push(*byte),
            }
        }
    }

    fn keep_line(&mut self) {
        if self.line.starts_with(b"Setting up ") {
            self.done += 1;
            self.progress.progress(Phase::Configure, self.done, Some(self.total as u64));
        }
        if self.tail.len() == TAIL {
            self.tail.pop_front();
        }
        self.tail.push_back(String::from_utf8_lossy(&self.line).into_owned());
        self.line.clear();
    }

    fn finish(mut self) -> String {
        if !self.line.is_empty() {
            self.keep_line();
        }
        self.tail.into_iter().collect::<Vec<_>>().join("\n")
    }
}
