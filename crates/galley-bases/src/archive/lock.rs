//! `galley.lock`: every package of a root by version and hash, so that the same root can be had again.
//!
//! The text has one paragraph for the request and one for each package, sorted by name: a change of one package is a change of its lines. With a
//! lock no index is read; what it says is trusted as the Dockerfile beside it is.

use std::fmt::Write;

use super::deb822::{self, Paragraph};
use super::dependency::is_name;
use super::release::is_sha256;

/// A root, pinned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lock {
    /// What the packages are an answer to.
    pub request: Requested,
    /// Sorted by name.
    pub packages: Vec<Locked>,
}

/// What was asked for, as far as it bears on the packages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requested {
    /// The names of the suites.
    pub suites: Vec<String>,
    /// `main`.
    pub components: Vec<String>,
    /// `amd64`.
    pub architecture: String,
    /// `minbase`, `essential`, `only` or `listed`.
    pub variant: String,
    /// What was asked for besides, sorted.
    pub include: Vec<String>,
}

/// One package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Locked {
    /// Its name.
    pub name: String,
    /// See deb-version(7).
    pub version: String,
    /// `amd64` or `all`.
    pub architecture: String,
    /// Which of the request's suites has it; its mirrors are asked for the file.
    pub suite: String,
    /// Relative to the mirror.
    pub filename: String,
    /// Bytes.
    pub size: u64,
    /// Lower-case hexadecimal digits.
    pub sha256: String,
}

/// Why a text is no lock, or not the one for a request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LockProblem {
    /// It does not start as a lock does.
    #[error("it does not start with `Galley-Lock: {VERSION}`")]
    Format,
    /// A paragraph is not whole.
    #[error("the entry of the package `{package}` has no `{field}` that can be read")]
    Field {
        /// Its name, or `?`.
        package: String,
        /// The field's name.
        field: &'static str,
    },
    /// A name comes twice, or out of order.
    #[error("the package `{0}` stands in the wrong place: entries are sorted by name, one for each")]
    Order(String),
    /// The request was changed since.
    #[error("it was made for {field} `{locked}`, and asked for is `{wanted}`")]
    OtherRequest {
        /// Which part.
        field: &'static str,
        /// What the lock says.
        locked: String,
        /// What is asked for.
        wanted: String,
    },
}

const VERSION: &str = "1";

impl Lock {
    /// The text of the lock.
    #[must_use]
    pub fn to_text(&self) -> String {
        let Requested { suites, components, architecture, variant, include } = &self.request;
        let mut text = format!(
            "# Written by galley: the packages of a root file system, by version and hash. Keep it beside the Dockerfile.\nGalley-Lock: {VERSION}\nSuites: {}\nComponents: {}\nArchitecture: {architecture}\nVariant: {variant}\nInclude: {}\n",
            suites.join(" "),
            components.join(" "),
            include.join(" "),
        );
        for package in &self.packages {
            let Locked { name, version, architecture, suite, filename, size, sha256 } = package;
            let _ = write!(
                text,
                "\nPackage: {name}\nVersion: {version}\nArchitecture: {architecture}\nSuite: {suite}\nFilename: {filename}\nSize: {size}\nSHA256: {sha256}\n"
            );
        }
        text
    }

    /// Reads the text of a lock.
    ///
    /// # Errors
    /// [`LockProblem`], the first one.
    pub fn parse(text: &str) -> Result<Self, LockProblem> {
        let mut paragraphs = deb822::paragraphs(text);
        let head = paragraphs
            .next()
            .filter(|head| head.get("Galley-Lock") == Some(VERSION))
            .ok_or(LockProblem::Format)?;
        let words = |name| head.get(name).unwrap_or_default().split_whitespace().map(str::to_owned).collect();
        let word = |name| head.get(name).unwrap_or_default().to_owned();
        let request = Requested {
            suites: words("Suites"),
            components: words("Components"),
            architecture: word("Architecture"),
            variant: word("Variant"),
            include: words("Include"),
        };
        let mut packages: Vec<Locked> = Vec::new();
        for paragraph in paragraphs {
            let package = locked(&paragraph, &request)?;
            if packages.last().is_some_and(|last| last.name >= package.name) {
                return Err(LockProblem::Order(package.name));
            }
            packages.push(package);
        }
        Ok(Self { request, packages })
    }

    /// Whether this is a lock for the request.
    ///
    /// # Errors
    /// The first difference.
    pub fn check(&self, wanted: &Requested) -> Result<(), LockProblem> {
        let locked = &self.request;
        let fields = [
            ("the suites", locked.suites.join(" "), wanted.suites.join(" ")),
            ("the components", locked.components.join(" "), wanted.components.join(" ")),
            ("the architecture", locked.architecture.clone(), wanted.architecture.clone()),
            ("the variant", locked.variant.clone(), wanted.variant.clone()),
            ("the packages", locked.include.join(" "), wanted.include.join(" ")),
        ];
        for (field, locked, wanted) in fields {
            if locked != wanted {
                return Err(LockProblem::OtherRequest { field, locked, wanted });
            }
        }
        Ok(())
    }
}

fn locked(paragraph: &Paragraph<'_>, request: &Requested) -> Result<Locked, LockProblem> {
    let package = || paragraph.get("Package").filter(|name| is_name(name)).unwrap_or("?").to_owned();
    let field = |field: &'static str, fits: &dyn Fn(&str) -> bool| {
        let value = paragraph.get(field).filter(|value| fits(value) && !value.contains('\n'));
        value.map(str::to_owned).ok_or_else(|| LockProblem::Field { package: package(), field })
    };
    Ok(Locked {
        name: field("Package", &is_name)?,
        version: field("Version", &|value| !value.is_empty())?,
        architecture: field("Architecture", &|value| value == "all" || value == request.architecture)?,
        suite: field("Suite", &|value| request.suites.iter().any(|suite| suite == value))?,
        filename: field("Filename", &is_inside)?,
        size: field("Size", &|value| value.parse::<u64>().is_ok())?.parse().unwrap_or_default(),
        sha256: field("SHA256", &is_sha256)?.to_ascii_lowercase(),
    })
}

/// Whether a file's name stays below the mirror's directory.
pub(super) fn is_inside(path: &str) -> bool {
    let part = |part: &str| !part.is_empty() && part != "." && part != "..";
    path.split('/').all(part)
        && path.bytes().all(|byte| matches!(byte, b'!'..=b'~') && !matches!(byte, b'?' | b'#' | b'\\'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lock() -> Lock {
        let package = |name: &str| Locked {
            name: name.into(),
            version: "1:1.0-1".into(),
            architecture: "all".into(),
            suite: "bookworm".into(),
            filename: format!("pool/main/{name}.deb"),
            size: 12,
            sha256: "a".repeat(64),
        };
        let request = Requested {
            suites: vec!["bookworm".into(), "bookworm-updates".into()],
            components: vec!["main".into()],
            architecture: "amd64".into(),
            variant: "minbase".into(),
            include: vec!["b".into()],
        };
        Lock { request, packages: vec![package("a"), package("b")] }
    }

    #[test]
    fn what_was_written_is_read() {
        assert_eq!(Lock::parse(&lock().to_text()), Ok(lock()));
        let mut none = lock();
        (none.request.include, none.packages) = (vec![], vec![]);
        assert_eq!(Lock::parse(&none.to_text()), Ok(none));
    }

    #[test]
    fn edited_locks_name_the_package() {
        let field = |package: &str, field| Some(LockProblem::Field { package: package.into(), field });
        for (from, to, problem) in [
            ("Galley-Lock: 1", "Galley-Lock: 2", Some(LockProblem::Format)),
            ("Package: a", "Package: c", Some(LockProblem::Order("b".into()))),
            ("Package: b", "Package: a", Some(LockProblem::Order("a".into()))),
            ("Package: a", "Package: -a", field("?", "Package")),
            ("Version: 1:1.0-1", "Version:", field("a", "Version")),
            ("Architecture: all", "Architecture: i386", field("a", "Architecture")),
            ("Suite: bookworm", "Suite: sid", field("a", "Suite")),
            ("pool/main/a.deb", "pool/../../a.deb", field("a", "Filename")),
            ("pool/main/a.deb", "/pool/a.deb", field("a", "Filename")),
            ("Size: 12", "Size: many", field("a", "Size")),
            ("SHA256: aa", "SHA256: x", field("a", "SHA256")),
        ] {
            let text = lock().to_text().replacen(from, to, 1);
            assert_eq!(Lock::parse(&text).err(), problem, "{to}");
        }
    }

    #[test]
    fn a_lock_is_for_one_request() {
        assert_eq!(lock().check(&lock().request), Ok(()));
        let mut other = lock().request;
        other.include.push("curl".into());
        let problem =
            LockProblem::OtherRequest { field: "the packages", locked: "b".into(), wanted: "b curl".into() };
        assert_eq!(lock().check(&other), Err(problem));
    }
}
