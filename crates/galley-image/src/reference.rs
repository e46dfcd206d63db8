//! Image references, read and completed as docker does: `node:20` is `docker.io/library/node:20`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::digest::Digest;

/// The name of an image: registry, repository, and a tag or a digest or both (distribution's reference grammar).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference {
    registry: String,
    repository: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

/// Why a text is not an image reference.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceError {
    /// Nothing was written.
    #[error("an image name is missing: write one such as debian:bookworm-slim")]
    Empty,
    /// Repository names are lower case.
    #[error("`{0}` is not an image name: a repository is written in lower case")]
    UpperCase(String),
    /// A component holds a character that the grammar does not allow.
    #[error(
        "`{0}` is not an image name: write [registry/]name[:tag][@sha256:digest] with letters, digits, `.`, `_` and `-`"
    )]
    Malformed(String),
    /// The tag is too long or holds a character that is not allowed.
    #[error(
        "`{0}` has an invalid tag: at most 128 letters, digits, `.`, `_` and `-`, and not `.` or `-` first"
    )]
    Tag(String),
    /// Registries do not take longer repository names.
    #[error("`{0}` is not an image name: registry and repository together have at most 255 characters")]
    TooLong(String),
    /// The digest cannot be read.
    #[error("`{0}` has an invalid digest: write `@sha256:` and 64 hex digits")]
    Digest(String),
}

impl Reference {
    /// The registry's host and port: `docker.io`, `localhost:5000`.
    #[must_use]
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// The repository inside the registry: `library/node`.
    #[must_use]
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// The tag, `latest` where neither a tag nor a digest was written.
    #[must_use]
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest.
    #[must_use]
    pub fn digest(&self) -> Option<Digest> {
        self.digest
    }

    /// The same repository with another tag and no digest.
    ///
    /// # Errors
    /// [`ReferenceError::Tag`].
    pub fn with_tag(&self, tag: &str) -> Result<Self, ReferenceError> {
        if !is_tag(tag) {
            return Err(ReferenceError::Tag(tag.into()));
        }
        Ok(Self { tag: Some(tag.into()), digest: None, ..self.clone() })
    }

    /// The same repository pinned to a digest; the tag is kept for people.
    #[must_use]
    pub fn with_digest(&self, digest: Digest) -> Self {
        Self { digest: Some(digest), ..self.clone() }
    }

    /// The name as people write it: without `docker.io/` and `library/`.
    #[must_use]
    pub fn familiar(&self) -> String {
        let full = self.to_string();
        let short = full.strip_prefix("docker.io/").unwrap_or(&full);
        let shortest = short.strip_prefix("library/").unwrap_or(short);
        // `docker.io/library/library/a` is not `library/a`, and `docker.io/a.b/c` is not at `a.b`.
        let same = |name: &&str| name.parse().is_ok_and(|reference: Self| reference == *self);
        [shortest, short].into_iter().find(same).unwrap_or(&full).to_owned()
    }
}

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        if text.is_empty() {
            return Err(ReferenceError::Empty);
        }
        let (name, digest) = match text.split_once('@') {
            Some((name, digest)) => {
                (name, Some(digest.parse().map_err(|_| ReferenceError::Digest(text.into()))?))
            }
            None => (text, None),
        };
        let last_slash = name.rfind('/').map_or(0, |at| at + 1);
        let (name, tag) = match name[last_slash..].find(':') {
            Some(colon) => (&name[..last_slash + colon], Some(&name[last_slash + colon + 1..])),
            None => (name, None),
        };
        if tag.is_some_and(|tag| !is_tag(tag)) {
            return Err(ReferenceError::Tag(text.into()));
        }
        let (registry, repository) = split_registry(name);
        if !is_registry(registry) || !repository.split('/').all(is_component) {
            let lower = name.to_ascii_lowercase();
            let (registry, repository) = split_registry(&lower);
            return Err(
                if lower != name && is_registry(registry) && repository.split('/').all(is_component) {
                    ReferenceError::UpperCase(text.into())
                } else {
                    ReferenceError::Malformed(text.into())
                },
            );
        }
        let registry = if registry == "index.docker.io" { "docker.io" } else { registry };
        let official = registry == "docker.io" && !repository.contains('/');
        let repository = if official { format!("library/{repository}") } else { repository.into() };
        // Of the whole name, so that a name is the same however much of it was written.
        if registry.len() + 1 + repository.len() > 255 {
            return Err(ReferenceError::TooLong(text.into()));
        }
        let tag = tag.map(str::to_owned).or_else(|| digest.is_none().then(|| "latest".into()));
        Ok(Self { registry: registry.into(), repository, tag, digest })
    }
}

/// A first component is a registry only when it could not be a user's name: it has a dot, a port, or is `localhost`.
fn split_registry(name: &str) -> (&str, &str) {
    match name.split_once('/') {
        Some((first, rest))
            if first.contains(['.', ':'])
                || first == "localhost"
                || first.bytes().any(|b| b.is_ascii_uppercase()) =>
        {
            (first, rest)
        }
        _ => ("docker.io", name),
    }
}

fn is_registry(host: &str) -> bool {
    let (host, port) = match host.rsplit_once(':') {
        // The colons of a bare IPv6 address stand inside its brackets.
        Some((name, port)) if !port.ends_with(']') => (name, Some(port)),
        _ => (host, None),
    };
    let label = |label: &str| {
        !label.is_empty()
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let ipv6 = host.starts_with('[') && host.ends_with(']') && host.len() > 2;
    let named = ipv6 && host[1..host.len() - 1].bytes().all(|b| b.is_ascii_hexdigit() || b == b':')
        || host.split('.').all(label);
    named && port.is_none_or(|port| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()))
}

/// `[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*`
fn is_component(component: &str) -> bool {
    let alphanumeric = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let separators =
        component.split(|c: char| alphanumeric(u8::try_from(c).unwrap_or(0))).filter(|run| !run.is_empty());
    let ends = component.bytes().next().is_some_and(alphanumeric)
        && component.bytes().last().is_some_and(alphanumeric);
    ends && separators
        .into_iter()
        .all(|run| matches!(run, "." | "_" | "__") || run.bytes().all(|b| b == b'-'))
}

fn is_tag(tag: &str) -> bool {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    (1..=128).contains(&tag.len())
        && tag.bytes().next().is_some_and(word)
        && tag.bytes().all(|b| word(b) || b == b'.' || b == b'-')
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.repository)?;
        self.tag.as_ref().map_or(Ok(()), |tag| write!(f, ":{tag}"))?;
        self.digest.map_or(Ok(()), |digest| write!(f, "@{digest}"))
    }
}

impl fmt::Debug for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Reference {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Reference {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn completed_as_docker_does() {
        for (from, to) in [
            ("node:20", "docker.io/library/node:20"),
            ("node", "docker.io/library/node:latest"),
            ("me/app", "docker.io/me/app:latest"),
            ("localhost/app", "localhost/app:latest"),
            ("127.0.0.1:5000/a/b:1", "127.0.0.1:5000/a/b:1"),
            ("gcr.io/distroless/static-debian12:nonroot", "gcr.io/distroless/static-debian12:nonroot"),
            ("index.docker.io/library/node", "docker.io/library/node:latest"),
            ("[::1]/a", "[::1]/a:latest"),
            ("[::1]:5000/a", "[::1]:5000/a:latest"),
            ("a__b/c-d.e", "docker.io/a__b/c-d.e:latest"),
        ] {
            assert_eq!(from.parse::<Reference>().unwrap().to_string(), to);
        }
        let digest = Digest::of(b"");
        let pinned: Reference = format!("node@{digest}").parse().unwrap();
        assert_eq!((pinned.tag(), pinned.digest()), (None, Some(digest)));
        assert_eq!("node:20".parse::<Reference>().unwrap().familiar(), "node:20");
        for name in ["library/library/a:latest", "docker.io/a.b/c:latest", "docker.io/localhost/c:latest"] {
            assert_eq!(name.parse::<Reference>().unwrap().familiar(), name);
        }
    }

    #[test]
    fn refused_with_the_reason() {
        assert_eq!("".parse::<Reference>(), Err(ReferenceError::Empty));
        assert!(matches!("<build-image>".parse::<Reference>(), Err(ReferenceError::Malformed(_))));
        assert!(matches!("Node:20".parse::<Reference>(), Err(ReferenceError::UpperCase(_))));
        assert!(matches!("node:".parse::<Reference>(), Err(ReferenceError::Tag(_))));
        assert!(matches!("node@sha256:12".parse::<Reference>(), Err(ReferenceError::Digest(_))));
        assert!(matches!("a".repeat(256).parse::<Reference>(), Err(ReferenceError::TooLong(_))));
        for bad in ["[::1", "[]/a", "[::1]:/a", "a..b", "a/", "/a", "a//b", "é", "-a/b"] {
            assert!(bad.parse::<Reference>().is_err(), "{bad}");
        }
    }
}
