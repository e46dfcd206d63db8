//! Puts a failed operation into words: what galley was doing, and what to do about it.

use std::ffi::CStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use rustix::io::Errno;

use crate::child::{self, NO_INTERPRETER, NOT_FOUND};
use crate::report::{Failure, Phase};
use crate::script::{Op, Overlay, Program, Script};
use crate::{SandboxError, overlay};

const RIGHTS: &str = "galley may not do this here; run it as root, or as a user with subordinate ids, outside of a restricted container";
const KERNEL: &str = "the kernel has no support for this; galley needs Linux 5.12 or newer";
const REPORT: &str = "this is unexpected, please report it with the kernel's version (uname -r)";

/// The error behind a report of the child.
pub(crate) fn explain(script: &Script, phase: Phase, index: u32, failure: &Failure) -> SandboxError {
    let ops = match phase {
        Phase::Setup => &script.setup,
        Phase::Launch => &script.launch,
    };
    let op = usize::try_from(index).ok().and_then(|index| ops.get(index));
    let source = io::Error::from(failure.errno);
    match op {
        Some(Op::Execute(program)) => not_executed(program, failure),
        Some(Op::WorkingDirectory(path)) => {
            let path = PathBuf::from(std::ffi::OsStr::from_bytes(path.as_bytes()));
            if failure.errno == child::OUTSIDE {
                let problem =
                    format!("its working directory {} leads out of the root file system", path.display());
                return SandboxError::InvalidProcess { problem };
            }
            SandboxError::WorkingDirectory { path, source }
        }
        Some(op) => {
            let action = action(op, failure.detail);
            SandboxError::Setup { action, source, advice: advice(op, failure) }
        }
        None => {
            let action = "start the reaper of the sandbox".into();
            SandboxError::Setup { action, source, advice: REPORT.into() }
        }
    }
}

fn not_executed(program: &Program, failure: &Failure) -> SandboxError {
    let name = program.name.display().to_string();
    match failure.detail {
        NOT_FOUND => {
            let directories = program.candidates.iter().map(|candidate| show(candidate));
            let searched = match directories.collect::<Vec<_>>() {
                paths if paths.is_empty() => "PATH has no absolute directory".into(),
                paths => format!("looked for {}", paths.join(", ")),
            };
            SandboxError::NotFound { program: name, searched }
        }
        NO_INTERPRETER => SandboxError::NoInterpreter { program: name },
        _ => {
            let advice = match failure.errno {
                Errno::ACCESS => {
                    "the user needs permission to execute it and to enter the directories above it"
                }
                Errno::NOEXEC => {
                    "it is neither a program for this machine's architecture nor a script with a #! line"
                }
                Errno::TOOBIG => "its arguments and environment are too long for the kernel",
                _ => REPORT,
            };
            SandboxError::NotExecutable { program: name, source: failure.errno.into(), advice: advice.into() }
        }
    }
}

fn action(op: &Op, detail: u32) -> String {
    match op {
        Op::PrivateMounts => "separate the sandbox's mounts from the machine's".into(),
        Op::Hostname(name) => format!("set the host name {}", name.display()),
        Op::Loopback => "bring the loopback interface up".into(),
        Op::Filesystem { name, .. } => format!("make a {} file system", show(name)),
        Op::Sysfs { .. } => "make /sys".into(),
        Op::Overlay(overlay) => overlay_action(overlay, detail),
        Op::CloneTree { source, subpath, .. } => match subpath.is_empty() {
            true => format!("mount {}", show(source)),
            false => format!("mount {} of {}", show(subpath), show(source)),
        },
        Op::CloneBelow { path, .. } => format!("mount {} of the source's layers", show(path)),
        Op::ReadOnly { .. } | Op::ReadOnlyRoot { .. } => "make a mount read-only".into(),
        Op::AttachAside { at, .. } => format!("use {} as a scratch mount point", show(at)),
        Op::Attach { place, .. } => format!("mount on {} inside the root file system", show(&place.path)),
        Op::Pivot { at, .. } => format!("make the mount on {} the root file system", show(at)),
        Op::WriteFile { .. } => "write a file in memory".into(),
        Op::CloneDevice { source, .. } => format!("use the machine's {}", show(source)),
        Op::Directory { name, .. } | Op::Link { name, .. } => format!("make /dev/{}", show(name)),
        Op::Mask { place, .. } => format!("hide {} of the kernel's files", show(&place.path)),
        Op::ReadOnlyBelow { place } => format!("make {} of the kernel's files read-only", show(&place.path)),
        Op::Terminal { .. } => "open a pseudo terminal".into(),
        _ => privilege_action(op),
    }
}

fn privilege_action(op: &Op) -> String {
    match op {
        Op::Session { .. } => "start a session".into(),
        Op::ResetSignals | Op::DeathSignal => "set up signals".into(),
        Op::Bound { .. } | Op::Capabilities { .. } => "drop capabilities".into(),
        Op::NoNewPrivileges => "set no_new_privs".into(),
        Op::Seccomp(_) => "install the system call filter".into(),
        Op::Groups(groups) => {
            let groups: Vec<_> = groups.iter().map(|group| group.as_raw().to_string()).collect();
            format!("set the groups {}", groups.join(","))
        }
        Op::Ids { uid, gid } => format!("become user {uid} and group {gid}"),
        _ => "prepare the process".into(),
    }
}

fn overlay_action(overlay: &Overlay, detail: u32) -> String {
    let upper = overlay.upper.as_ref();
    let lower = || {
        let index = usize::try_from(detail.checked_sub(overlay::LOWER)?).ok()?;
        overlay.lowers.get(index)
    };
    match (detail, upper) {
        (overlay::UPPER, Some((upper, _))) => {
            format!("use {} as the upper directory of an overlay", show(upper))
        }
        (overlay::WORK, Some((_, work))) => format!("use {} as the work directory of an overlay", show(work)),
        (overlay::MOUNT, _) => format!("mount an overlay of {} layers", overlay.lowers.len()),
        _ => match lower() {
            Some(lower) => format!("use {} as a layer of an overlay", show(lower)),
            None => format!("mount an overlay of {} layers", overlay.lowers.len()),
        },
    }
}

fn advice(op: &Op, failure: &Failure) -> String {
    let end = failure.text.iter().position(|byte| *byte == 0).unwrap_or(failure.text.len());
    let text = String::from_utf8_lossy(failure.text.get(..end).unwrap_or_default());
    let advice = match (op, failure.errno) {
        (Op::Groups(_) | Op::Ids { .. } | Op::WriteFile { .. }, Errno::INVAL) => {
            "the id is not mapped into galley's user namespace; give the user more subordinate ids in /etc/subuid and /etc/subgid"
        }
        (Op::Attach { .. }, Errno::NOENT) => "the mount point is missing; it needs a stub",
        (Op::CloneTree { .. } | Op::CloneBelow { .. }, Errno::NOENT) => {
            "the source does not exist; check its path"
        }
        (Op::CloneTree { .. }, Errno::INVAL) => {
            "something is mounted below it that may not be uncovered; bind it recursively"
        }
        (Op::Overlay(_), Errno::INVAL) => {
            "the kernel refuses these directories; the store's file system may not carry overlays: use another --store, or the copy snapshots"
        }
        (Op::Overlay(_), Errno::NODEV) => {
            "the kernel has no overlay file system; load its module (modprobe overlay)"
        }
        (Op::Overlay(_), Errno::TOOBIG) => {
            "this kernel takes about 220 layers; join some, or use Linux 6.7 or newer"
        }
        (Op::WriteFile { .. }, Errno::NOSPC) | (_, Errno::NOMEM) => "the machine has no memory left for it",
        (_, Errno::NOENT) => "the path is missing on the machine",
        (_, Errno::NOSYS) => KERNEL,
        (_, Errno::PERM | Errno::ACCESS) => RIGHTS,
        (_, Errno::MFILE | Errno::NFILE) => "there are too many open files; raise the limit (ulimit -n)",
        _ => REPORT,
    };
    match text.trim() {
        "" => advice.into(),
        text => format!("{advice} (the kernel says: {text})"),
    }
}

fn show(text: &CStr) -> String {
    String::from_utf8_lossy(text.to_bytes()).into_owned()
}
