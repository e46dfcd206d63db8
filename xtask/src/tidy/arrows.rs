//! The floors of the crates, as ARCHITECTURE.md's table draws them, against what the manifests say.
//!
//! - A crate uses crates of lower floors only; crates of kind `dev` are used by tests only, and use what they like.
//! - A crate of kind `pure` forbids unsafe code and has a `clippy.toml`, which disallows the outside world.
//! - `unsafe` is allowed in crates of kind `kernel` alone: all others must at least not contain the word as code (see `rust`).

use std::collections::BTreeMap;
use std::path::Path;

use super::{Problem, TextFile};
use crate::Result;

/// A row of the table.
struct Room {
    /// None for crates of kind `dev`.
    floor: Option<u32>,
    kind: String,
}

/// Compares the manifests among `files` with the table in `map`.
pub(super) fn check(map: &TextFile, files: &[TextFile], problems: &mut Vec<Problem>) -> Result<()> {
    let rooms = rooms(&map.text);
    let mut seen = Vec::new();
    for file in files {
        let in_crates = file.path.starts_with("crates") && file.path.components().count() == 3;
        if !(in_crates || file.path.starts_with("xtask")) || !file.path.ends_with("Cargo.toml") {
            continue;
        }
        let manifest: toml::Table =
            file.text.parse().map_err(|error| format!("{}: {error}", file.path.display()))?;
        let name =
            manifest.get("package").and_then(|package| package.get("name")).and_then(toml::Value::as_str);
        let name = name.ok_or_else(|| format!("{}: no package name", file.path.display()))?;
        seen.push(name.to_owned());
        let Some(room) = rooms.get(name) else {
            problems.push(Problem::new(&file.path, 0, format!("{name} has no floor in ARCHITECTURE.md")));
            continue;
        };
        uses(file, &manifest, name, room, &rooms, problems);
        if room.kind == "pure" {
            purity(file, name, files, problems);
        }
    }
    for (name, _) in rooms.iter().filter(|(name, _)| *name != "fuzz" && !seen.contains(name)) {
        problems.push(Problem::new(
            &map.path,
            0,
            format!("{name} has a floor, but no manifest under crates/"),
        ));
    }
    Ok(())
}

/// Reads rows such as "| 0 | `galley-syntax` | pure | ... |"; a row may name several crates.
fn rooms(map: &str) -> BTreeMap<String, Room> {
    let mut rooms = BTreeMap::new();
    for line in map.lines() {
        let mut cells = line.split('|').map(str::trim).skip(1);
        let (Some(floor), Some(names), Some(kind)) = (cells.next(), cells.next(), cells.next()) else {
            continue;
        };
        let floor = floor.parse().ok();
        if floor.is_some() || kind == "dev" {
            for name in names.split('`').skip(1).step_by(2) {
                rooms.insert(name.to_owned(), Room { floor, kind: kind.to_owned() });
            }
        }
    }
    rooms
}

/// Checks the crates of ours that one manifest depends on.
fn uses(
    file: &TextFile,
    manifest: &toml::Table,
    name: &str,
    room: &Room,
    rooms: &BTreeMap<String, Room>,
    problems: &mut Vec<Problem>,
) {
    for section in ["dependencies", "build-dependencies", "dev-dependencies"] {
        let Some(table) = manifest.get(section).and_then(toml::Value::as_table) else { continue };
        for (used, target) in table.keys().filter_map(|used| Some((used, rooms.get(used)?))) {
            let allowed = match (room.floor, target.floor) {
                (None, _) => true,
                (Some(_), None) => section == "dev-dependencies",
                (Some(own), Some(below)) => below < own,
            };
            if !allowed {
                let message =
                    format!("{name} may not use {used} ({section}): an arrow points to a lower floor only");
                problems.push(Problem::new(&file.path, 0, message));
            }
        }
    }
}

/// Checks that a pure crate forbids unsafe code and has its list of disallowed functions.
fn purity(manifest: &TextFile, name: &str, files: &[TextFile], problems: &mut Vec<Problem>) {
    let home = manifest.path.parent().unwrap_or(Path::new(""));
    let find = |path: &str| files.iter().find(|file| file.path == home.join(path));
    if !find("src/lib.rs").is_some_and(|lib| lib.text.contains("#![forbid(unsafe_code)]")) {
        let message = format!("{name} is pure: its src/lib.rs needs #![forbid(unsafe_code)]");
        problems.push(Problem::new(&manifest.path, 0, message));
    }
    if find("clippy.toml").is_none() {
        let message =
            format!("{name} is pure: it needs a clippy.toml that disallows files, network and clocks");
        problems.push(Problem::new(&manifest.path, 0, message));
    }
}
