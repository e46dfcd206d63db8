//! Closures over small indexes, written as `name: fields`.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::*;
use crate::archive::index::read;

/// One package a line: `name version | Field: value | Field: value`.
fn index(lines: &str) -> String {
    let paragraph = |line: &str| {
        let mut parts = line.split(" ~ ");
        let (name, version) = parts.next().unwrap().trim().split_once(' ').unwrap();
        let fields: String = parts.map(|field| format!("{}\n", field.trim())).collect();
        format!("Package: {name}\nVersion: {version}\nArchitecture: amd64\n{fields}\n")
    };
    lines.lines().filter(|line| !line.trim().is_empty()).map(paragraph).collect()
}

fn solve(lines: &str, variant: Variant, asked: &str) -> Result<String, String> {
    let text = index(lines);
    let asked: Vec<String> = asked.split_whitespace().map(str::to_owned).collect();
    let pins = asked.iter().filter_map(|asked| pin(asked).1.map(|version| (pin(asked).0, version))).collect();
    let universe = Universe::new(read(&text, 0), "amd64", &pins);
    let chosen = closure(&universe, variant, &asked).map_err(|error| error.to_string())?;
    Ok(chosen.iter().map(|chosen| chosen.package.name).collect::<Vec<_>>().join(" "))
}

fn only(lines: &str, asked: &str) -> Result<String, String> {
    solve(lines, Variant::Only, asked)
}

#[test]
fn variants() {
    let lines = "base 1 ~ Essential: yes ~ Pre-Depends: libc, usrmerge | usr-is-merged\nlibc 1\nusr-is-merged 1\nusrmerge 1\n\
        apt 1 ~ Depends: gpg\ngpg 1\nmount 1 ~ Priority: required\nx 1";
    assert_eq!(solve(lines, Variant::Essential, "").unwrap(), "base libc usr-is-merged");
    assert_eq!(solve(lines, Variant::Minbase, "").unwrap(), "apt base gpg libc mount usr-is-merged");
    assert_eq!(solve(lines, Variant::Only, "x").unwrap(), "x");
    assert_eq!(
        solve("base 1 ~ Essential: yes", Variant::Minbase, "").unwrap_err(),
        "no suite has a package `apt`"
    );
}

#[test]
fn of_alternatives_the_first_that_will_do() {
    assert_eq!(only("a 1 ~ Depends: b | c\nb 1\nc 1", "a").unwrap(), "a b");
    assert_eq!(only("a 1 ~ Depends: b (>= 2) | c\nb 1\nc 1", "a").unwrap(), "a c");
    // What is there anyway is enough, wherever it is said.
    assert_eq!(only("a 1 ~ Depends: b | c, d\nb 1\nc 1\nd 1 ~ Depends: c", "a").unwrap(), "a c d");
    // b cannot be installed, which shows only further down.
    assert_eq!(only("a 1 ~ Depends: b | c\nb 1 ~ Depends: e\ne 1 ~ Depends: gone\nc 1", "a").unwrap(), "a c");
    // b could be, but not here.
    assert_eq!(only("a 1 ~ Depends: b | c, d\nb 1 ~ Conflicts: d\nc 1\nd 1", "a").unwrap(), "a c d");
    assert_eq!(only("a 1 ~ Depends: b | c, d\nb 1\nc 1\nd 1 ~ Breaks: b (<< 2)", "a").unwrap(), "a c d");
}

#[test]
fn virtual_packages() {
    let lines = "a 1 ~ Depends: mta\nz 1 ~ Provides: mta ~ Priority: important\nb 1 ~ Provides: mta\nc 1 ~ Depends: mta (>= 2)\nd 1 ~ Provides: mta (= 3)";
    assert_eq!(only(lines, "a").unwrap(), "a z");
    assert_eq!(only(lines, "a b").unwrap(), "a b");
    assert_eq!(only(lines, "c").unwrap(), "c d");
    assert_eq!(only("a 1 ~ Provides: me ~ Conflicts: me ~ Depends: me", "a").unwrap(), "a");
    assert_eq!(only("libxslt1-dev 1 ~ Provides: libxslt-dev", "libxslt-dev").unwrap(), "libxslt1-dev");
    assert_eq!(
        only(lines, "mta").unwrap_err(),
        "no suite has a package `mta`, but some provide it; ask for one of them: z, b, d"
    );
}

#[test]
fn architectures_and_versions() {
    assert_eq!(only("a 1 ~ Depends: p:any, q [arm64], r:i386 | s\np 1\ns 1", "a").unwrap(), "a p s");
    assert_eq!(only("a 1\na 2 ~ Depends: b\nb 1", "a").unwrap(), "a b");
    assert_eq!(only("a 1\na 2 ~ Depends: b\nb 1", "a=1").unwrap(), "a");
    assert_eq!(
        only("a 1", "a=3").unwrap_err(),
        "no suite has version 3 of the package `a`; ask for the version that is there, or leave it out"
    );
}

#[test]
fn circles_are_no_error() {
    assert_eq!(only("a 1 ~ Depends: b\nb 1 ~ Depends: c\nc 1 ~ Pre-Depends: a", "a").unwrap(), "a b c");
}

#[test]
fn names_that_are_nowhere() {
    assert_eq!(
        only("python3 1\nperl 1", "pyton3").unwrap_err(),
        "no suite has a package `pyton3`; did you mean `python3`?"
    );
    assert_eq!(only("python3 1", "x y").unwrap_err(), "no suite has a package `x`");
}

#[test]
fn what_cannot_be_met_names_the_way_there() {
    assert_eq!(
        only("a 1 ~ Depends: b\nb 2 ~ Depends: c (>= 3) | d\nc 2", "a").unwrap_err(),
        "`a 1` cannot be installed: a 1 needs b; b 2 needs c (>= 3) | d, and c is there in version 2; no suite has a package `d`"
    );
    // A circle of packages that all hang on a missing one.
    let error = only("a 1 ~ Depends: b\nb 1 ~ Depends: a, c\nc 1 ~ Depends: b, gone", "a").unwrap_err();
    assert!(error.ends_with("c 1 needs gone, and no suite has a package `gone`"), "{error}");
    assert_eq!(
        only("a 1 ~ Depends: b (>=", "a").unwrap_err(),
        "the index entry of the package `a` is malformed: `b (>=` is no dependency on a package"
    );
}

#[test]
fn conflicts_among_what_is_needed() {
    assert_eq!(
        only("a 1 ~ Depends: b, c\nb 1 ~ Conflicts: v\nc 1 ~ Provides: v", "a").unwrap_err(),
        "`b` and `c` cannot be installed together: b conflicts with v. They are there because of: a -> b; a -> c"
    );
    assert_eq!(only("a 1 ~ Breaks: b (<< 2)\nb 2", "a b").unwrap(), "a b");
}
