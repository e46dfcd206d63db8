//! URLs as far as registries and mirrors use them.

use std::fmt;

/// `http` or `https`, an authority, and the rest with its leading slash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    /// Whether the scheme is `https`, and not `http`.
    pub https: bool,
    /// Host and port, as written.
    pub authority: String,
    /// Path and query.
    pub rest: String,
}

impl Url {
    /// `None` for other schemes, for a missing host, and for names and passwords before the host.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let scheme = |name: &str| {
            let (head, rest) = text.split_at_checked(name.len())?;
            head.eq_ignore_ascii_case(name).then_some(rest)
        };
        let (https, rest) = match (scheme("https://"), scheme("http://")) {
            (Some(rest), _) => (true, rest),
            (None, Some(rest)) => (false, rest),
            (None, None) => return None,
        };
        let (authority, rest) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        let rest = rest.split('#').next().unwrap_or_default();
        let rest = if rest.starts_with('/') { rest.to_owned() } else { format!("/{rest}") };
        (!authority.is_empty() && !authority.contains('@')).then(|| Self {
            https,
            authority: authority.into(),
            rest,
        })
    }

    /// Where a `Location` header in an answer from this URL leads (RFC 3986, section 5).
    #[must_use]
    pub fn join(&self, location: &str) -> Option<Self> {
        if location.contains("://") {
            return Self::parse(location);
        }
        let scheme = if self.https { "https" } else { "http" };
        if location.starts_with("//") {
            return Self::parse(&format!("{scheme}:{location}"));
        }
        let directory =
            self.rest.split('?').next().and_then(|path| path.rsplit_once('/')).map_or("", |(above, _)| above);
        let rest =
            if location.starts_with('/') { location.to_owned() } else { format!("{directory}/{location}") };
        Self::parse(&format!("{scheme}://{}{rest}", self.authority))
    }

    /// Whether both are answered by the same server.
    #[must_use]
    pub fn same_origin(&self, other: &Self) -> bool {
        self.https == other.https && self.authority.eq_ignore_ascii_case(&other.authority)
    }

    /// The host without its port; an IPv6 address without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        host_of(&self.authority)
    }

    /// The port, written or implied.
    #[must_use]
    pub fn port(&self) -> u16 {
        let written = self.authority.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
        written.unwrap_or(if self.https { 443 } else { 80 })
    }
}

/// The host in `host[:port]`; an IPv6 address without brackets.
pub(crate) fn host_of(authority: &str) -> &str {
    if let Some((address, _)) = authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return address;
    }
    authority.split(':').next().unwrap_or(authority)
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", if self.https { "https" } else { "http" }, self.authority, self.rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locations_are_resolved() {
        let base = Url::parse("https://r:5000/v2/a/blobs/x?y=/z").unwrap();
        for (location, url) in [
            ("http://cdn/blob?sig=1", Some("http://cdn/blob?sig=1")),
            ("//cdn/blob", Some("https://cdn/blob")),
            ("/other", Some("https://r:5000/other")),
            ("next", Some("https://r:5000/v2/a/blobs/next")),
            ("HTTPS://CDN", Some("https://CDN/")),
            ("https://host?q", Some("https://host/?q")),
            ("file:///etc/passwd", None),
            ("https://user:pw@host/", None),
            ("https://", None),
        ] {
            assert_eq!(base.join(location).map(|url| url.to_string()).as_deref(), url, "{location}");
        }
    }

    #[test]
    fn hosts_and_ports() {
        for (url, host, port) in [
            ("https://a/", "a", 443),
            ("http://a:81/", "a", 81),
            ("http://[::1]:5/", "::1", 5),
            ("https://[::1]/", "::1", 443),
        ] {
            let url = Url::parse(url).unwrap();
            assert_eq!((url.host(), url.port()), (host, port));
        }
    }
}
