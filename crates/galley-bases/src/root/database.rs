//! dpkg's database of packages that galley unpacked (dpkg's lib/dpkg/dbdir, info and triggers files): what dpkg would have
//! written had it unpacked them, so that it can go on and configure them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use galley_image::TreePath;
use galley_store::StoreError;

use super::control::Control;
use super::place::Placer;
use super::tree::Outcome;

/// A package that was unpacked.
pub struct UnpackedPackage<'a> {
    /// Its index among all.
    pub index: usize,
    /// What it says of itself.
    pub control: &'a Control,
    /// Its paths in its own order.
    pub names: &'a [TreePath],
}

/// Where the database lies.
const ROOT: &str = "var/lib/dpkg";

/// Writes the database of `packages`, sorted by name, none of them configured. `architecture` is dpkg's own.
///
/// # Errors
/// [`StoreError`].
pub fn write(
    packages: &[UnpackedPackage<'_>],
    outcome: &Outcome,
    architecture: &str,
    placer: &mut Placer<'_>,
) -> Result<(), StoreError> {
    for directory in ["alternatives", "info", "parts", "triggers", "updates"] {
        placer.directory(&format!("{ROOT}/{directory}"), 0o755, 0)?;
    }
    let mut status = String::new();
    for package in packages {
        status.push_str(&stanza(package, outcome));
        status.push('\n');
        info(package, outcome, placer)?;
    }
    placer.file(&format!("{ROOT}/status"), 0o644, status.as_bytes())?;
    placer.file(&format!("{ROOT}/arch"), 0o644, format!("{architecture}\n").as_bytes())?;
    // The version of how files in `info/` are named: with the architecture where several could be installed.
    placer.file(&format!("{ROOT}/info/format"), 0o644, b"1\n")?;
    for (name, content) in triggers(packages) {
        placer.file(&format!("{ROOT}/triggers/{name}"), 0o644, content.as_bytes())?;
    }
    for empty in ["diversions", "triggers/Unincorp"] {
        placer.file(&format!("{ROOT}/{empty}"), 0o644, b"")?;
    }
    for (lock, mode) in [("lock", 0o640), ("lock-frontend", 0o640), ("triggers/Lock", 0o600)] {
        placer.file(&format!("{ROOT}/{lock}"), mode, b"")?;
    }
    Ok(())
}

/// The paragraph of a package in `status`.
fn stanza(package: &UnpackedPackage<'_>, outcome: &Outcome) -> String {
    let paragraph = &package.control.paragraph;
    let (first, rest) = match paragraph.split_once('\n') {
        Some((first, rest)) if first.starts_with("Package:") => (first, rest),
        _ => ("", paragraph.as_str()),
    };
    let mut stanza = String::new();
    if !first.is_empty() {
        stanza.push_str(first);
        stanza.push('\n');
    }
    stanza.push_str("Status: install ok unpacked\n");
    stanza.push_str(rest);
    let conffiles = package.control.conffiles();
    if !conffiles.is_empty() {
        stanza.push_str("Conffiles:\n");
    }
    for path in conffiles {
        // One that the package lists and does not have is new to dpkg.
        let key = (package.index, path);
        let hash = outcome.conffiles.get(&key).map_or("newconffile", String::as_str);
        // Writing to a string cannot fail.
        let _ = writeln!(stanza, " {} {hash}", key.1.display());
    }
    stanza
}

/// The package's files in `info/`: its list, and what its control archive holds.
fn info(package: &UnpackedPackage<'_>, outcome: &Outcome, placer: &mut Placer<'_>) -> Result<(), StoreError> {
    let name = package.control.database_name();
    let gone: BTreeSet<&TreePath> =
        outcome.replaced.iter().filter(|(index, _)| *index == package.index).map(|(_, path)| path).collect();
    let mut list = Vec::new();
    for path in package.names.iter().filter(|path| !gone.contains(path)) {
        list.push(b'/');
        list.extend_from_slice(if path.is_root() { b"." } else { path.as_bytes() });
        list.push(b'\n');
    }
    placer.file(&format!("{ROOT}/info/{name}.list"), 0o644, &list)?;
    for (file, (mode, content)) in &package.control.files {
        let mode = if mode & 0o111 == 0 { 0o644 } else { 0o755 };
        placer.file(&format!("{ROOT}/info/{name}.{file}"), mode, content)?;
    }
    Ok(())
}

/// Who is interested in which trigger (deb-triggers(5)): the file `File` for paths, and one file for each other trigger.
fn triggers(packages: &[UnpackedPackage<'_>]) -> BTreeMap<String, String> {
    let mut files = BTreeMap::from([("File".to_owned(), String::new())]);
    for package in packages {
        let name = package.control.database_name();
        for line in package.control.text("triggers").lines() {
            let line = line.split('#').next().unwrap_or_default();
            let mut words = line.split_ascii_whitespace();
            let (Some(directive), Some(trigger)) = (words.next(), words.next()) else { continue };
            let wait = match directive {
                "interest" | "interest-await" => "",
                "interest-noawait" => "/noawait",
                _ => continue,
            };
            // Writing to a string cannot fail.
            if trigger.starts_with('/') {
                let _ = writeln!(files.entry("File".to_owned()).or_default(), "{trigger} {name}{wait}");
            } else if trigger.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.+:".contains(&byte)) {
                let _ = writeln!(files.entry(trigger.to_owned()).or_default(), "{name}{wait}");
            }
        }
    }
    files
}
