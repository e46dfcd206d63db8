//! Where an archive lies: the URI of a mirror, and the password in it, which is sent and never shown.

use std::fmt;
use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use galley_registry::http::Url;

/// A mirror: the directory with `dists` and `pool` in it.
#[derive(Clone, PartialEq, Eq)]
pub struct Mirror {
    place: Place,
    /// The `Authorization` header.
    authorization: Option<String>,
    /// The keys to check with, where the apt source names some.
    pub signed_by: Option<SignedBy>,
}

/// Where a mirror is.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Place {
    Http(Url),
    Directory(PathBuf),
}

/// What `Signed-By` says in an apt source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignedBy {
    /// A keyring's file.
    File(PathBuf),
    /// The armored key itself.
    Key(String),
}

/// A text that names no mirror.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no mirror: give a URI such as `https://host/debian`, or `file:///directory`")]
pub struct MalformedMirror(pub String);

impl Mirror {
    /// Reads a URI: `http`, `https` (a name and a password before the host are kept for requests), or `file`.
    ///
    /// # Errors
    /// [`MalformedMirror`], with anything that may be a password left out.
    pub fn parse(uri: &str) -> Result<Self, MalformedMirror> {
        let uri = uri.trim();
        let malformed = || MalformedMirror(without_credentials(uri));
        if let Some(path) = uri.strip_prefix("file:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            let directory = PathBuf::from(path);
            let place =
                directory.is_absolute().then_some(Place::Directory(directory)).ok_or_else(malformed)?;
            return Ok(Self { place, authorization: None, signed_by: None });
        }
        let url = Url::parse(without_credentials(uri).trim_end_matches('/')).ok_or_else(malformed)?;
        let authorization =
            credentials(uri).map(|text| format!("Basic {}", STANDARD.encode(percent_decoded(text))));
        Ok(Self { place: Place::Http(url), authorization, signed_by: None })
    }

    /// The same mirror, checked with these keys.
    #[must_use]
    pub fn signed_by(mut self, signed_by: Option<SignedBy>) -> Self {
        self.signed_by = signed_by;
        self
    }

    /// The archive that lies beside this one under this name with `suffix`: `debian` and `-security` give `debian-security`.
    #[must_use]
    pub fn beside(&self, suffix: &str) -> Self {
        let mut other = self.clone();
        match &mut other.place {
            Place::Http(url) => url.rest = format!("{}{suffix}", url.rest.trim_end_matches('/')),
            Place::Directory(path) => {
                let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                path.set_file_name(format!("{name}{suffix}"));
            }
        }
        other
    }

    /// The URI of a file below, credentials left out.
    #[must_use]
    pub fn uri_of(&self, path: &str) -> String {
        format!("{self}/{path}")
    }

    pub(super) fn place(&self) -> &Place {
        &self.place
    }

    pub(super) fn authorization(&self) -> Option<&String> {
        self.authorization.as_ref()
    }
}

/// The URI as it may be shown and written into apt sources: without credentials, without a slash at its end.
impl fmt::Display for Mirror {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Http(url) => f.write_str(url.to_string().trim_end_matches('/')),
            Place::Directory(path) => {
                write!(f, "file://{}", path.display().to_string().trim_end_matches('/'))
            }
        }
    }
}

/// As [`fmt::Display`]: logs have no credentials in them either.
impl fmt::Debug for Mirror {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mirror({self})")
    }
}

/// Where the authority starts and where the `@` in it is.
fn at_sign(uri: &str) -> Option<(usize, usize)> {
    let start = uri.find("://")? + 3;
    let end = uri[start..].find(['/', '?', '#']).map_or(uri.len(), |end| start + end);
    uri[start..end].rfind('@').map(|at| (start, start + at))
}

fn without_credentials(uri: &str) -> String {
    match at_sign(uri) {
        Some((start, at)) => format!("{}{}", &uri[..start], &uri[at + 1..]),
        None => uri.to_owned(),
    }
}

fn credentials(uri: &str) -> Option<&str> {
    at_sign(uri).map(|(start, at)| &uri[start..at])
}

fn percent_decoded(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let mut decoded = Vec::new();
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let hex = text
            .get(at + 1..at + 3)
            .filter(|_| *byte == b'%')
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        decoded.push(hex.unwrap_or(*byte));
        at += if hex.is_some() { 3 } else { 1 };
    }
    decoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uris() {
        for (uri, shown, authorization) in [
            ("http://host/debian/", "http://host/debian", None),
            ("https://host:8080/a/b", "https://host:8080/a/b", None),
            ("http://me:s%40cret@host/debian", "http://host/debian", Some("Basic bWU6c0BjcmV0")),
            ("file:///srv/debian/", "file:///srv/debian", None),
            ("file:/srv/debian", "file:///srv/debian", None),
        ] {
            let mirror = Mirror::parse(uri).unwrap();
            assert_eq!(
                (mirror.to_string().as_str(), mirror.authorization.as_deref()),
                (shown, authorization),
                "{uri}"
            );
            assert!(!format!("{mirror:?}").contains('@'));
        }
    }

    #[test]
    fn what_is_no_mirror_is_shown_without_its_password() {
        for (uri, shown) in [
            ("ftp://me:secret@host/x", "ftp://host/x"),
            ("file:relative", "file:relative"),
            ("", ""),
            ("http://", "http://"),
            ("cdrom:[x]", "cdrom:[x]"),
        ] {
            assert_eq!(Mirror::parse(uri), Err(MalformedMirror(shown.into())), "{uri}");
        }
    }

    #[test]
    fn archives_beside() {
        for (uri, beside) in [
            ("http://host/debian/", "http://host/debian-security"),
            ("file:///srv/debian", "file:///srv/debian-security"),
        ] {
            assert_eq!(Mirror::parse(uri).unwrap().beside("-security").to_string(), beside);
        }
    }
}
