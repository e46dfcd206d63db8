//! A path inside a tree: relative to its root, normalised, and ordered so that a directory's content follows it directly.

use std::cmp::Ordering;
use std::fmt;

/// A normalised path inside a tree. No leading or trailing slash, no empty, `.` or `..` component, no NUL byte; the empty
/// path is the root. Bytes, because Linux file names need not be UTF-8.
///
/// The order compares component by component (a slash sorts before every other byte), so a sorted list of paths is a walk
/// in depth-first order: `a`, `a/b`, `a/b/c`, `a-b`.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct TreePath(Box<[u8]>);

/// Why bytes are not a path inside a tree.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// A `..` component would leave the tree.
    #[error("path `{0}` leaves its tree with `..`")]
    Escapes(String),
    /// Linux file names cannot contain NUL.
    #[error("path `{0}` contains a NUL byte")]
    Nul(String),
}

impl TreePath {
    /// The root of the tree.
    #[must_use]
    pub fn root() -> Self {
        Self::default()
    }

    /// Normalises `bytes` lexically, as Go's `path.Clean("/" + p)` does: leading slashes, `.` and doubled slashes go, and
    /// `..` removes the component before it, stopping at the root.
    ///
    /// # Errors
    /// [`PathError::Nul`] for a NUL byte.
    pub fn clean(bytes: &[u8]) -> Result<Self, PathError> {
        Self::normalise(bytes, false)
    }

    /// Like [`TreePath::clean`], but a `..` that would climb above the root is an error: for names out of archives.
    ///
    /// # Errors
    /// [`PathError::Escapes`] and [`PathError::Nul`].
    pub fn strict(bytes: &[u8]) -> Result<Self, PathError> {
        Self::normalise(bytes, true)
    }

    fn normalise(bytes: &[u8], strict: bool) -> Result<Self, PathError> {
        let shown = || String::from_utf8_lossy(bytes).into_owned();
        if bytes.contains(&0) {
            return Err(PathError::Nul(shown()));
        }
        let mut components: Vec<&[u8]> = Vec::new();
        for component in bytes.split(|byte| *byte == b'/') {
            match component {
                b"" | b"." => {}
                b".." => {
                    if components.pop().is_none() && strict {
                        return Err(PathError::Escapes(shown()));
                    }
                }
                name => components.push(name),
            }
        }
        Ok(Self(components.join(&b'/').into()))
    }

    /// The path's bytes, without a leading slash; empty for the root.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether this is the root of the tree.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The components from the root downwards.
    pub fn components(&self) -> impl Iterator<Item = &[u8]> {
        self.0.split(|byte| *byte == b'/').filter(|component| !component.is_empty())
    }

    /// The last component; `None` for the root.
    #[must_use]
    pub fn name(&self) -> Option<&[u8]> {
        self.0.rsplit(|byte| *byte == b'/').next().filter(|name| !name.is_empty())
    }

    /// The directory that holds this path; `None` for the root.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        if self.is_root() {
            return None;
        }
        let cut = self.0.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
        Some(Self(self.0[..cut].into()))
    }

    /// Every directory above this path, the root first, the path itself not.
    pub fn ancestors(&self) -> impl Iterator<Item = Self> {
        let cuts = self.0.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at);
        let root = (!self.is_root()).then_some(0);
        root.into_iter().chain(cuts).map(|cut| Self(self.0[..cut].into()))
    }

    /// This path with one more component (or several, joined by slashes, already normalised).
    #[must_use]
    pub fn join(&self, below: &[u8]) -> Self {
        if below.is_empty() {
            return self.clone();
        }
        let mut bytes = Vec::with_capacity(self.0.len() + 1 + below.len());
        if !self.is_root() {
            bytes.extend_from_slice(&self.0);
            bytes.push(b'/');
        }
        bytes.extend_from_slice(below);
        Self(bytes.into())
    }

    /// What follows `ancestor` in this path (empty when they are equal); `None` when it is not below it.
    #[must_use]
    pub fn below(&self, ancestor: &Self) -> Option<&[u8]> {
        if ancestor.is_root() {
            return Some(&self.0);
        }
        match self.0.strip_prefix(&*ancestor.0)? {
            [] => Some(&[]),
            [b'/', rest @ ..] => Some(rest),
            _ => None,
        }
    }

    /// The path as it is written for people, with a leading slash; bytes that are not UTF-8 are replaced.
    #[must_use]
    pub fn display(&self) -> String {
        format!("/{}", String::from_utf8_lossy(&self.0))
    }
}

impl Ord for TreePath {
    fn cmp(&self, other: &Self) -> Ordering {
        let rank = |byte: &u8| if *byte == b'/' { 0 } else { *byte };
        let at = common_prefix(&self.0, &other.0);
        match (self.0.get(at), other.0.get(at)) {
            (Some(own), Some(others)) => rank(own).cmp(&rank(others)),
            _ => self.0.len().cmp(&other.0.len()),
        }
    }
}

/// How many bytes two paths have in common from the start: eight at a time, since most of what is compared are long paths that
/// differ in their last component.
fn common_prefix(a: &[u8], b: &[u8]) -> usize {
    const WORD: usize = size_of::<u64>();
    let words = |path: &[u8], at: usize| path.get(at..at + WORD).and_then(|word| word.try_into().ok());
    let mut at = 0;
    while let (Some(own), Some(others)) = (words(a, at), words(b, at)) {
        let different = u64::from_le_bytes(own) ^ u64::from_le_bytes(others);
        if different != 0 {
            return at + different.trailing_zeros() as usize / 8;
        }
        at += WORD;
    }
    let rest = a.iter().zip(b).skip(at);
    at + rest.take_while(|(own, others)| own == others).count()
}

impl PartialOrd for TreePath {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Debug for TreePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.display())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> TreePath {
        TreePath::clean(text.as_bytes()).unwrap()
    }

    #[test]
    fn cleaning_follows_go() {
        for (from, to) in
            [("/a//b/./c/", "a/b/c"), ("../../x", "x"), ("a/../..", ""), (".", ""), ("a/b/../c", "a/c")]
        {
            assert_eq!(path(from).as_bytes(), to.as_bytes(), "{from}");
        }
        assert!(matches!(TreePath::strict(b"a/../../x"), Err(PathError::Escapes(_))));
        assert!(matches!(TreePath::strict(b"a\0"), Err(PathError::Nul(_))));
    }

    #[test]
    fn order_is_depth_first() {
        let mut paths = [path("a-b"), path("a/b"), path("a"), path(""), path("a/b/c"), path("a.c")];
        paths.sort();
        let shown: Vec<_> = paths.iter().map(TreePath::display).collect();
        assert_eq!(shown, ["/", "/a", "/a/b", "/a/b/c", "/a-b", "/a.c"]);
    }

    #[test]
    fn relations() {
        assert_eq!(path("a/b/c").parent(), Some(path("a/b")));
        assert_eq!(path("a").parent(), Some(path("")));
        assert_eq!(path("").parent(), None);
        assert_eq!(path("a/b").below(&path("a")), Some(&b"b"[..]));
        assert_eq!(path("ab").below(&path("a")), None);
        assert_eq!(path("a/b/c").ancestors().collect::<Vec<_>>(), [path(""), path("a"), path("a/b")]);
        assert_eq!(path("a/b").name(), Some(&b"b"[..]));
        assert_eq!(path("").join(b"x"), path("x"));
    }

    proptest::proptest! {
        /// Paths long enough to be compared by words, that have long beginnings in common.
        #[test]
        fn order_is_that_of_the_lists_of_components(a in "(longname/){0,2}[ab/.-]{0,20}", b in "(longname/){0,2}[ab/.-]{0,20}") {
            let (a, b) = (path(&a), path(&b));
            let list = |path: &TreePath| path.components().map(<[u8]>::to_vec).collect::<Vec<_>>();
            proptest::prop_assert_eq!(a.cmp(&b), list(&a).cmp(&list(&b)));
        }
    }
}
