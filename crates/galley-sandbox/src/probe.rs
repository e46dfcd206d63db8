//! Finds out what this machine allows, by trying it in a sandbox that runs nothing.

use std::ffi::CString;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::mount::MountAttrFlags;

use crate::compile::{Facts, namespaces};
use crate::linux::{connect_nothing, start};
use crate::report::Report;
use crate::run::supervise;
use crate::script::{Op, Overlay, Script, Slot};
use crate::spawner::Spawner;
use crate::userns::IdMap;
use crate::{Abilities, Ids, Network, SandboxError, dev};

pub(crate) fn probe(spawner: &Spawner, scratch: &Path) -> Result<(Abilities, Facts), SandboxError> {
    let fail = |source| SandboxError::Supervise { action: "read /proc/self/uid_map", source };
    let users = IdMap::of_users().map_err(fail)?;
    let groups = IdMap::of_groups().map_err(fail)?;
    let user_namespace = !users.is_identity();
    let directories = Directories::make(scratch).map_err(|source| SandboxError::Supervise {
        action: "make directories to probe overlays with",
        source,
    })?;
    let trial = Trial { directories: &directories, userxattr: user_namespace };
    let (failed, network_none) = match trial.run(spawner, Network::None) {
        Ok(failed) => (failed, true),
        Err(_) => (trial.run(spawner, Network::Host)?, false),
    };
    let able = |name| !failed.contains(&name);
    let ids = match users.count() {
        _ if !user_namespace => Ids::All,
        1 => Ids::One,
        count => Ids::Mapped(count),
    };
    let abilities = Abilities {
        overlay: able("overlay"),
        user_namespace,
        ids,
        proc: able("proc"),
        network_none: network_none && able("loopback"),
        pivot: able("pivot"),
    };
    let facts = Facts {
        arguments: fs::read_to_string("/proc/self/stat").map_or(0..0, |stat| arguments_in(&stat)),
        tty_group: groups.contains(dev::TTY_GROUP),
        ..Facts::default()
    };
    Ok((abilities, facts))
}

/// Fields 48 and 49 of `/proc/PID/stat`, see proc_pid_stat(5); an empty range where they are missing.
fn arguments_in(stat: &str) -> std::ops::Range<usize> {
    // The second field is the name in parentheses, which may contain anything.
    let rest = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let mut fields = rest.split_whitespace().skip(48 - 3).map(|field| field.parse().unwrap_or(0));
    let start = fields.next().unwrap_or(0);
    start..fields.next().unwrap_or(0)
}

struct Trial<'a> {
    directories: &'a Directories,
    userxattr: bool,
}

impl Trial<'_> {
    /// The names of what did not work.
    fn run(&self, spawner: &Spawner, network: Network) -> Result<Vec<&'static str>, SandboxError> {
        let (names, setup) = self.operations(network).into_iter().unzip::<_, _, Vec<_>, Vec<_>>();
        let script = Script {
            namespaces: namespaces(network),
            setup,
            launch: vec![],
            init: false,
            slots: 3,
            arguments: 0..0,
            tolerant: true,
        };
        let (descriptors, ours) = connect_nothing().map_err(supervise("open pipes"))?;
        let mut child = start(spawner, &Arc::new(script), descriptors)?;
        child.wait().map_err(supervise("wait for the probe"))?;
        let mut failed = Vec::new();
        while let Some((report, _)) = Report::receive(&ours.control) {
            if let Report::Failed { index, .. } = report {
                failed.extend(usize::try_from(index).ok().and_then(|index| names.get(index)));
            }
        }
        Ok(failed)
    }

    fn operations(&self, network: Network) -> Vec<(&'static str, Op)> {
        let (overlay, proc, memory) = (Slot(0), Slot(1), Slot(2));
        let [lower, upper, work] = &self.directories.paths;
        let empty = MountAttrFlags::empty();
        let filesystem = |name, into| Op::Filesystem {
            name,
            options: vec![],
            optional_flag: None,
            attributes: empty,
            into,
        };
        let mut operations = vec![
            ("pivot", Op::PrivateMounts),
            (
                "overlay",
                Op::Overlay(Overlay {
                    lowers: vec![lower.clone()],
                    upper: Some((upper.clone(), work.clone())),
                    userxattr: self.userxattr,
                    volatile: true,
                    legacy: false,
                    into: overlay,
                }),
            ),
            ("proc", filesystem(c"proc", proc)),
            ("pivot", filesystem(c"tmpfs", memory)),
            ("pivot", Op::Pivot { root: memory, at: lower.clone() }),
        ];
        if network == Network::None {
            operations.push(("loopback", Op::Loopback));
        }
        operations
    }
}

/// A lower, an upper and a work directory, removed on drop.
struct Directories {
    top: PathBuf,
    paths: [CString; 3],
}

impl Directories {
    fn make(scratch: &Path) -> io::Result<Self> {
        /// Two probes of one process need two names.
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let top = scratch.join(format!(".probe-{}-{count}", std::process::id()));
        let paths = ["lower", "upper", "work"].map(|name| top.join(name));
        for path in &paths {
            fs::create_dir_all(path)?;
        }
        let c_path = |path: PathBuf| CString::new(path.as_os_str().as_bytes());
        let [lower, upper, work] = paths.map(c_path);
        Ok(Self { top, paths: [lower?, upper?, work?] })
    }
}

impl Drop for Directories {
    fn drop(&mut self) {
        // What stays is empty and in the caller's scratch directory.
        let _ = fs::remove_dir_all(&self.top);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_found_in_the_kernels_numbers() {
        let numbers: Vec<String> = (4..=52).map(|number| number.to_string()).collect();
        let stat = format!("12 (a) b (c) R {}", numbers.join(" "));
        assert_eq!(arguments_in(&stat), 48..49);
        assert_eq!(arguments_in("1 (x) R 2 3"), 0..0);
        assert_eq!(arguments_in(""), 0..0);
    }
}
