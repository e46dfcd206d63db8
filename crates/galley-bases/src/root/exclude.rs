//! Files that a variant leaves out of its packages: dpkg's `path-exclude` and `path-include` (dpkg(1)).

use galley_image::TreePath;

use super::Variant;

/// One rule; of those that match a path, the last counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// What matches is left out.
    Exclude(&'static str),
    /// What matches is kept all the same.
    Include(&'static str),
}

/// What Debian's slim images leave out. Written to `/etc/dpkg/dpkg.cfg.d/docker` too, so that dpkg goes on so.
pub const SLIM: [Rule; 9] = [
    Rule::Exclude("/usr/share/doc/*"),
    Rule::Exclude("/usr/share/info/*"),
    Rule::Exclude("/usr/share/linda/*"),
    Rule::Exclude("/usr/share/lintian/overrides/*"),
    Rule::Exclude("/usr/share/locale/*"),
    Rule::Exclude("/usr/share/man/*"),
    Rule::Exclude("/usr/share/groff/*"),
    Rule::Exclude("/usr/share/doc/kde/HTML/*/*"),
    Rule::Include("/usr/share/doc/*/copyright"),
];

/// What a root without shell and package manager has no use for, besides [`SLIM`].
const DISTROLESS: [Rule; 6] = [
    Rule::Exclude("/usr/share/lintian/*"),
    Rule::Exclude("/usr/share/base-files/*"),
    Rule::Exclude("/usr/share/bug/*"),
    Rule::Exclude("/usr/share/gcc/*"),
    Rule::Exclude("/usr/share/gdb/*"),
    // They are in the bundle.
    Rule::Exclude("/usr/share/ca-certificates/*"),
];

/// The rules of one variant.
#[derive(Clone, Debug)]
pub struct Rules {
    rules: Vec<Rule>,
    variant: Variant,
}

impl Rules {
    /// Those of `variant`.
    #[must_use]
    pub fn of(variant: Variant) -> Self {
        let rules = match variant {
            Variant::Minbase => Vec::new(),
            Variant::Slim => SLIM.to_vec(),
            Variant::Distroless => SLIM.into_iter().chain(DISTROLESS).collect(),
        };
        Self { rules, variant }
    }

    /// Whether `path` is left out.
    #[must_use]
    pub fn exclude(&self, path: &TreePath) -> bool {
        if self.rules.is_empty() {
            return false;
        }
        let name = [b"/", path.as_bytes()].concat();
        let last = self.rules.iter().rev().find(|rule| match rule {
            Rule::Exclude(pattern) | Rule::Include(pattern) => matches(pattern.as_bytes(), &name),
        });
        matches!(last, Some(Rule::Exclude(_)))
    }

    /// Whether an empty directory stays where what was in it is left out: the registering of alternatives of manual pages fails
    /// without the sections' directories.
    #[must_use]
    pub fn keeps_empty(&self, directory: &TreePath) -> bool {
        let section = directory.as_bytes().strip_prefix(b"usr/share/man/man");
        let is_section = section.is_some_and(|section| section.len() == 1 && section[0].is_ascii_digit());
        is_section && self.variant.is_configured()
    }
}

/// `dpkg.cfg` with the rules of the slim variant.
#[must_use]
pub fn slim_configuration() -> String {
    let line = |rule: Rule| match rule {
        Rule::Exclude(pattern) => format!("path-exclude {pattern}\n"),
        Rule::Include(pattern) => format!("path-include {pattern}\n"),
    };
    SLIM.into_iter().map(line).collect()
}

/// fnmatch(3) without flags for patterns whose only special sign is `*`, which matches slashes too.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    let mut pieces = pattern.split(|byte| *byte == b'*');
    let Some(mut rest) = name.strip_prefix(pieces.next().unwrap_or_default()) else { return false };
    let mut pieces = pieces.peekable();
    while let Some(piece) = pieces.next() {
        if pieces.peek().is_none() {
            return rest.ends_with(piece);
        }
        let Some(at) = memchr::memmem::find(rest, piece) else { return false };
        rest = &rest[at + piece.len()..];
    }
    rest.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slim_keeps_copyright_alone() {
        let rules = Rules::of(Variant::Slim);
        for (path, excluded) in [
            ("usr/share/doc/bash/changelog.gz", true),
            ("usr/share/doc/bash/copyright", false),
            ("usr/share/doc/bash/examples/copyright", false),
            ("usr/share/doc/bash", true),
            ("usr/share/doc", false),
            ("usr/share/man/man1/ls.1.gz", true),
            ("usr/share/locale/de/LC_MESSAGES/tar.mo", true),
            ("usr/share/lintian/overrides/bash", true),
            ("usr/share/common-licenses/GPL-3", false),
            ("usr/lib/locale/C.utf8/LC_CTYPE", false),
        ] {
            assert_eq!(rules.exclude(&TreePath::clean(path.as_bytes()).unwrap()), excluded, "{path}");
            assert!(!Rules::of(Variant::Minbase).exclude(&TreePath::clean(path.as_bytes()).unwrap()));
        }
    }

    #[test]
    fn manual_sections_stay() {
        for (path, stays) in [
            ("usr/share/man/man1", true),
            ("usr/share/man/man1/x", false),
            ("usr/share/man/de/man1", false),
            ("usr/share/man", false),
        ] {
            let path = TreePath::clean(path.as_bytes()).unwrap();
            assert_eq!(Rules::of(Variant::Slim).keeps_empty(&path), stays, "{path:?}");
            assert!(!Rules::of(Variant::Distroless).keeps_empty(&path), "{path:?}");
        }
    }

    #[test]
    fn patterns() {
        for (pattern, name, fits) in [
            ("/a/*", "/a/", true),
            ("/a/*", "/a", false),
            ("/a/*/b", "/a/x/y/b", true),
            ("/a/*/b", "/a/b", false),
            ("/a", "/a", true),
            ("/a", "/ab", false),
            ("/*a*b", "/xaab", true),
            ("/*a*b", "/xaabc", false),
        ] {
            assert_eq!(matches(pattern.as_bytes(), name.as_bytes()), fits, "{pattern} {name}");
        }
    }
}
