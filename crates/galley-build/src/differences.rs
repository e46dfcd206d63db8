//! In what two layers differ that one step made from the same inputs. Pure: said path by path, for a build that is to be
//! reproducible and is not.

use std::fmt;

use galley_image::layer_tar::Times;
use galley_image::{Change, Diff, Entry, Kind, TreePath};

/// One path that came out differently.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Which.
    pub path: TreePath,
    /// How.
    pub what: What,
}

/// How a path came out differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// It was not there.
    Added,
    /// It is not there any more.
    Removed,
    /// It is deleted now and was not, or the other way round.
    Deleted,
    /// It is of another type.
    Type,
    /// A link leads elsewhere, a device has another number.
    Target,
    /// Its bytes.
    Bytes,
    /// Its mode, owner or attributes.
    Metadata,
    /// Its time, as far as it counts.
    Time,
}

/// Everything in which `now` differs from `before`, in path order; times differ only where they still do after `times`.
/// Files whose digests are not known differ by their size alone.
#[must_use]
pub fn differences(before: &Diff, now: &Diff, times: Times) -> Vec<Difference> {
    let removed = before.iter().filter(|(path, _)| now.get(path).is_none());
    let mut all: Vec<Difference> =
        removed.map(|(path, _)| Difference { path: path.clone(), what: What::Removed }).collect();
    for (path, change) in now {
        let what = match before.get(path) {
            None => Some(What::Added),
            Some(earlier) => between(earlier, change, times),
        };
        all.extend(what.map(|what| Difference { path: path.clone(), what }));
    }
    all.sort_by(|a, b| a.path.cmp(&b.path));
    all
}

/// Files of the same size in both layers of which at least one was never hashed.
pub(crate) fn unhashed<'a>(before: &'a Diff, now: &'a Diff) -> Vec<&'a TreePath> {
    let file = |change: &'a Change| match change {
        Change::Put { entry, .. } => entry.file(),
        Change::Whiteout => None,
    };
    let both = now.iter().filter_map(|(path, change)| Some((path, file(before.get(path)?)?, file(change)?)));
    both.filter(|(_, a, b)| a.size == b.size && (a.digest.is_none() || b.digest.is_none()))
        .map(|(path, ..)| path)
        .collect()
}

fn between(before: &Change, now: &Change, times: Times) -> Option<What> {
    match (before, now) {
        (Change::Whiteout, Change::Whiteout) => None,
        (Change::Put { entry: a, opaque: x }, Change::Put { entry: b, opaque: y }) => {
            if x == y {
                of_entries(a, b, times)
            } else {
                Some(What::Deleted)
            }
        }
        _ => Some(What::Deleted),
    }
}

fn of_entries(before: &Entry, now: &Entry, times: Times) -> Option<What> {
    let metadata = |entry: &Entry| (entry.mode, entry.uid, entry.gid, entry.xattrs.clone());
    match (&before.kind, &now.kind) {
        (Kind::File(a), Kind::File(b)) => {
            let other_bytes = a.digest.zip(b.digest).is_some_and(|(a, b)| a != b);
            if a.size != b.size || other_bytes {
                return Some(What::Bytes);
            }
        }
        (a, b) if std::mem::discriminant(a) != std::mem::discriminant(b) => return Some(What::Type),
        (a, b) if a != b => return Some(What::Target),
        _ => {}
    }
    if metadata(before) != metadata(now) {
        return Some(What::Metadata);
    }
    let other_time = times.apply(before.mtime.seconds) != times.apply(now.mtime.seconds);
    other_time.then_some(What::Time)
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.what {
            What::Added => "is new",
            What::Removed => "is missing",
            What::Deleted => "is deleted in one of them",
            What::Type => "is of another type",
            What::Target => "leads elsewhere",
            What::Bytes => "has other bytes",
            What::Metadata => "has another mode, owner or attribute",
            What::Time => "has another time",
        };
        write!(f, "{} {what}", self.path.display())
    }
}

#[cfg(test)]
mod tests {
    use galley_image::{ContentDigest, FileContent, Mtime};

    use super::*;

    fn file(bytes: &[u8], seconds: i64) -> Change {
        let content = FileContent {
            size: bytes.len() as u64,
            digest: Some(ContentDigest::of(bytes)),
            link_group: None,
        };
        let mtime = Mtime { seconds, nanoseconds: 5 };
        Change::put(Entry { kind: Kind::File(content), ..Entry::directory(0o644, mtime) })
    }

    fn link(target: &[u8]) -> Change {
        let kind = Kind::Symlink(target.into());
        Change::put(Entry { kind, ..Entry::directory(0o777, Mtime { seconds: 0, nanoseconds: 0 }) })
    }

    fn diff(changes: &[(&str, Change)]) -> Diff {
        changes
            .iter()
            .map(|(path, change)| (TreePath::clean(path.as_bytes()).unwrap(), change.clone()))
            .collect()
    }

    #[test]
    fn every_difference_is_said_once_and_in_order() {
        let before = diff(&[
            ("bytes", file(b"one", 9)),
            ("gone", file(b"", 9)),
            ("link", link(b"a")),
            ("time", file(b"x", 3)),
            ("type", file(b"x", 9)),
            ("same", file(b"x", 9)),
            ("deleted", Change::Whiteout),
        ]);
        let now = diff(&[
            ("bytes", file(b"two", 9)),
            ("link", link(b"b")),
            ("new", file(b"", 9)),
            ("time", file(b"x", 4)),
            ("type", link(b"x")),
            ("same", file(b"x", 10)),
            ("deleted", file(b"", 9)),
        ]);
        let said: Vec<String> =
            differences(&before, &now, Times::AtMost(8)).iter().map(ToString::to_string).collect();
        assert_eq!(
            said,
            [
                "/bytes has other bytes",
                "/deleted is deleted in one of them",
                "/gone is missing",
                "/link leads elsewhere",
                "/new is new",
                "/time has another time",
                "/type is of another type",
            ]
        );
        assert!(differences(&before, &before, Times::Kept).is_empty());
        assert!(differences(&now, &before, Times::All(0)).iter().all(|one| one.what != What::Time));
    }

    #[test]
    fn files_that_were_never_hashed_are_named() {
        let Change::Put { mut entry, opaque } = file(b"x", 1) else { unreachable!() };
        if let Kind::File(content) = &mut entry.kind {
            content.digest = None;
        }
        let unknown = diff(&[("a", Change::Put { entry, opaque }), ("b", file(b"x", 1))]);
        let known = diff(&[("a", file(b"y", 1)), ("b", file(b"y", 1))]);
        let named: Vec<String> = unhashed(&unknown, &known).iter().map(|path| path.display()).collect();
        assert_eq!(named, ["/a"]);
    }
}
