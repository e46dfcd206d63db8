//! An index as the cache keeps it: a line for each package, with what [`Package`] has in columns. A third of the text, and read ten times as fast.

use std::borrow::Cow;
use std::fmt::Write;

use super::{Package, Priority, read};
use crate::archive::deb822::folded;

/// Condenses the text of a `Packages` index.
#[must_use]
pub fn condense(text: &str) -> String {
    let mut condensed = String::with_capacity(text.len() / 2);
    for package in read(text, 0) {
        let Package { name, version, architecture, filename, size, sha256, .. } = package;
        let (essential, priority) = (if package.essential { "yes" } else { "" }, letter(package.priority));
        let columns = [name, version, architecture, essential, priority, filename, sha256].map(column);
        let relations =
            [package.pre_depends, package.depends, package.provides, package.conflicts, package.breaks]
                .map(column);
        for text in columns.iter().chain(&relations) {
            condensed.push_str(text);
            condensed.push('\t');
        }
        let _ = writeln!(condensed, "{size}");
    }
    condensed
}

/// The packages of a condensed index, each marked as being of `suite`. Lines that are not whole are passed over.
pub fn read_condensed(text: &str, suite: usize) -> impl Iterator<Item = Package<'_>> {
    text.split('\n').filter_map(move |line| package(line, suite))
}

fn package(line: &str, suite: usize) -> Option<Package<'_>> {
    let mut columns = Columns(Some(line));
    let mut next = || columns.next();
    Some(Package {
        name: next()?,
        version: next()?,
        architecture: next()?,
        essential: !next()?.is_empty(),
        priority: match next()? {
            "r" => Priority::Required,
            "i" => Priority::Important,
            "s" => Priority::Standard,
            _ => Priority::Optional,
        },
        filename: next()?,
        sha256: next()?,
        pre_depends: next()?,
        depends: next()?,
        provides: next()?,
        conflicts: next()?,
        breaks: next()?,
        size: next()?.parse().ok()?,
        suite,
    })
}

/// The pieces between tabs.
struct Columns<'a>(Option<&'a str>);

impl<'a> Iterator for Columns<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let rest = self.0?;
        let end = memchr::memchr(b'\t', rest.as_bytes());
        self.0 = end.map(|end| &rest[end + 1..]);
        Some(end.map_or(rest, |end| &rest[..end]))
    }
}

fn letter(priority: Priority) -> &'static str {
    match priority {
        Priority::Required => "r",
        Priority::Important => "i",
        Priority::Standard => "s",
        Priority::Optional => "",
    }
}

/// A value in one line and without tabs.
fn column(value: &str) -> Cow<'_, str> {
    let value = folded(value);
    match value.contains(['\t', '\n']) {
        true => Cow::Owned(value.replace(['\t', '\n'], " ")),
        false => value,
    }
}
