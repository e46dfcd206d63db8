//! What a suite says about itself: the signed text of `InRelease`, read and judged.

use super::date::parse_rfc822;
use super::deb822::{self, Paragraph};

/// How far a mirror's clock may be ahead of ours, in seconds.
const CLOCKS_DIFFER: u64 = 15 * 60;

/// The fields of a `Release` file that count. Its lists of files are searched when they are asked.
#[derive(Clone, Copy, Debug)]
pub struct Release<'a> {
    /// Who made it: `Debian`.
    pub origin: Option<&'a str>,
    /// `oldstable`.
    pub suite: Option<&'a str>,
    /// `bookworm`.
    pub codename: Option<&'a str>,
    /// `Date`, as it was written.
    pub date: Option<&'a str>,
    /// `Valid-Until`, as it was written.
    pub valid_until: Option<&'a str>,
    /// Whether files can be had under their hashes, so that an index is the one meant even while the mirror changes.
    pub by_hash: bool,
    sha256: &'a str,
}

/// A file that a release lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Relative to the directory of the release.
    pub path: String,
    /// Bytes.
    pub size: u64,
    /// Lower-case hexadecimal digits.
    pub sha256: String,
}

/// Why a release is not the one wanted. None of these is a matter of signatures.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReleaseProblem {
    /// It is no paragraph with SHA-256 sums in it.
    #[error("it is no list of files with SHA-256 sums")]
    Malformed,
    /// A mirror hands out something else than was asked for.
    #[error("it is the release `{0}`")]
    OtherSuite(String),
    /// The mirror has stopped, or somebody holds updates back.
    #[error("it was valid until {0}")]
    Expired(String),
    /// Our clock, or theirs.
    #[error("it is dated {0}, which is still to come; is this machine's clock right?")]
    Future(String),
    /// It says no date that can be read.
    #[error("its date is missing or malformed")]
    NoDate,
}

impl<'a> Release<'a> {
    /// Reads the text.
    ///
    /// # Errors
    /// [`ReleaseProblem::Malformed`].
    pub fn parse(text: &'a str) -> Result<Self, ReleaseProblem> {
        let mut paragraphs = deb822::paragraphs(text);
        let paragraph = paragraphs.next().filter(|paragraph| paragraph.check().is_ok());
        let (Some(paragraph), None) = (paragraph, paragraphs.next()) else {
            return Err(ReleaseProblem::Malformed);
        };
        let sha256 = paragraph.get("SHA256").ok_or(ReleaseProblem::Malformed)?;
        let field = |name| Paragraph::get(&paragraph, name);
        Ok(Self {
            origin: field("Origin"),
            suite: field("Suite"),
            codename: field("Codename"),
            date: field("Date"),
            valid_until: field("Valid-Until"),
            by_hash: field("Acquire-By-Hash").is_some_and(|value| value.eq_ignore_ascii_case("yes")),
            sha256,
        })
    }

    /// Whether this is the release that was asked for as `name`, by suite or by codename.
    ///
    /// # Errors
    /// [`ReleaseProblem::OtherSuite`].
    pub fn check_name(&self, name: &str) -> Result<(), ReleaseProblem> {
        let named = [self.codename, self.suite];
        if named.contains(&Some(name)) {
            return Ok(());
        }
        let found = self.codename.or(self.suite).unwrap_or_default();
        Err(ReleaseProblem::OtherSuite(found.chars().filter(|c| !c.is_control()).take(80).collect()))
    }

    /// Whether the release counts at `now`, in seconds since 1970.
    ///
    /// # Errors
    /// Every variant that is about dates.
    pub fn check_dates(&self, now: u64) -> Result<(), ReleaseProblem> {
        let (date, written) =
            self.date.and_then(|text| Some((parse_rfc822(text)?, text))).ok_or(ReleaseProblem::NoDate)?;
        if date > now.saturating_add(CLOCKS_DIFFER) {
            return Err(ReleaseProblem::Future(written.into()));
        }
        let Some(written) = self.valid_until else { return Ok(()) };
        match parse_rfc822(written) {
            None => Err(ReleaseProblem::NoDate),
            Some(until) if until < now => Err(ReleaseProblem::Expired(written.into())),
            Some(_) => Ok(()),
        }
    }

    /// The entry of a file.
    pub fn file(&self, path: &str) -> Option<Listed> {
        deb822::value_lines(self.sha256).find_map(|line| {
            let mut words = line.split_ascii_whitespace();
            let (sha256, size, listed) = (words.next()?, words.next()?, words.next()?);
            let fits = listed == path && words.next().is_none() && is_sha256(sha256);
            fits.then_some(())?;
            Some(Listed {
                path: listed.into(),
                size: size.parse().ok()?,
                sha256: sha256.to_ascii_lowercase(),
            })
        })
    }
}

/// 64 hexadecimal digits.
pub(super) fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUM: &str = "E3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn text(fields: &str) -> String {
        format!(
            "Suite: oldstable\nCodename: bookworm\nAcquire-By-Hash: yes\n{fields}SHA256:\n {SUM} 12 main/binary-amd64/Packages.xz\n {SUM} x bad\n"
        )
    }

    #[test]
    fn files_are_found() {
        let text = text("");
        let release = Release::parse(&text).unwrap();
        assert!(release.by_hash);
        let file = release.file("main/binary-amd64/Packages.xz").unwrap();
        assert_eq!((file.size, file.sha256), (12, SUM.to_lowercase()));
        assert_eq!(release.file("main/binary-amd64/Packages"), None);
        assert_eq!(release.file("bad"), None);
    }

    #[test]
    fn a_release_is_known_by_suite_and_codename() {
        let text = text("");
        let release = Release::parse(&text).unwrap();
        assert_eq!(release.check_name("bookworm"), Ok(()));
        assert_eq!(release.check_name("oldstable"), Ok(()));
        assert_eq!(release.check_name("trixie"), Err(ReleaseProblem::OtherSuite("bookworm".into())));
    }

    #[test]
    fn dates_decide() {
        let now = 1_783_764_997;
        let date = "Date: Sat, 11 Jul 2026 10:16:37 UTC\n";
        for (fields, problem) in [
            (date.to_owned(), None),
            (format!("{date}Valid-Until: Sat, 11 Jul 2026 10:16:38 UTC\n"), None),
            (
                format!("{date}Valid-Until: Sat, 11 Jul 2026 10:16:36 UTC\n"),
                Some(ReleaseProblem::Expired("Sat, 11 Jul 2026 10:16:36 UTC".into())),
            ),
            ("Date: Sat, 11 Jul 2026 10:20:00 UTC\n".into(), None),
            (
                "Date: Sat, 11 Jul 2026 11:20:00 UTC\n".into(),
                Some(ReleaseProblem::Future("Sat, 11 Jul 2026 11:20:00 UTC".into())),
            ),
            (format!("{date}Valid-Until: soon\n"), Some(ReleaseProblem::NoDate)),
            (String::new(), Some(ReleaseProblem::NoDate)),
        ] {
            let text = text(&fields);
            assert_eq!(Release::parse(&text).unwrap().check_dates(now).err(), problem, "{fields}");
        }
    }

    #[test]
    fn what_is_no_release_is_refused() {
        for text in ["", "<html>\n", "Suite: a\n", "SHA256:\n\nSHA256:\n"] {
            assert_eq!(Release::parse(text).err(), Some(ReleaseProblem::Malformed), "{text:?}");
        }
    }
}
