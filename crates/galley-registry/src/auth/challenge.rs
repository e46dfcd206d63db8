//! The `WWW-Authenticate` header (RFC 9110, section 11.6.1; distribution-spec names `Bearer` and `Basic`).

/// How a registry wants to be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Challenge {
    /// With a token from `realm`.
    Bearer {
        /// The token service's URL.
        realm: String,
        /// The registry's name there.
        service: Option<String>,
        /// What the token must allow.
        scope: Option<String>,
    },
    /// With a name and a password.
    Basic,
}

/// The challenges in a header, those of unknown schemes left out.
pub(crate) fn challenges(header: &str) -> Vec<Challenge> {
    let mut found = Vec::new();
    let mut rest = header.trim_start_matches([' ', ',', '\t']);
    while !rest.is_empty() {
        let (scheme, after) = split_token(rest);
        if scheme.is_empty() {
            break;
        }
        let (parameters, after) = parameters(after);
        let value = |name: &str| {
            parameters.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.clone())
        };
        if scheme.eq_ignore_ascii_case("basic") {
            found.push(Challenge::Basic);
        } else if let Some(realm) = value("realm").filter(|_| scheme.eq_ignore_ascii_case("bearer")) {
            found.push(Challenge::Bearer { realm, service: value("service"), scope: value("scope") });
        }
        rest = after.trim_start_matches([' ', ',', '\t']);
    }
    found
}

/// `key=value` pairs up to the next scheme, and what follows them.
fn parameters(mut rest: &str) -> (Vec<(String, String)>, &str) {
    let mut parameters = Vec::new();
    loop {
        let start = rest.trim_start_matches([' ', ',', '\t']);
        let (key, after) = split_token(start);
        let Some(value) = after.trim_start().strip_prefix('=').filter(|_| !key.is_empty()) else {
            return (parameters, start);
        };
        let (value, after) = match value.trim_start().strip_prefix('"') {
            Some(quoted) => unquote(quoted),
            None => {
                let (value, after) = split_token(value.trim_start());
                (value.to_owned(), after)
            }
        };
        parameters.push((key.to_owned(), value));
        rest = after;
    }
}

/// The text up to a blank, comma or equals sign.
fn split_token(text: &str) -> (&str, &str) {
    text.split_at(text.find([' ', ',', '=', '\t']).unwrap_or(text.len()))
}

/// The text up to the closing quote, without backslashes, and what follows the quote.
fn unquote(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return (value, &text[at + 1..]),
            '\\' => value.extend(characters.next().map(|(_, escaped)| escaped)),
            other => value.push(other),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bearer(realm: &str, service: Option<&str>, scope: Option<&str>) -> Challenge {
        Challenge::Bearer {
            realm: realm.into(),
            service: service.map(Into::into),
            scope: scope.map(Into::into),
        }
    }

    #[test]
    fn headers_as_registries_write_them() {
        for (header, expected) in [
            (
                r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:library/node:pull""#,
                vec![bearer(
                    "https://auth.docker.io/token",
                    Some("registry.docker.io"),
                    Some("repository:library/node:pull"),
                )],
            ),
            (
                r#"Bearer realm="https://r/t", scope="repository:a:pull,push""#,
                vec![bearer("https://r/t", None, Some("repository:a:pull,push"))],
            ),
            (r"bearer realm=https://r/t", vec![bearer("https://r/t", None, None)]),
            (r#"Basic realm="Registry Realm""#, vec![Challenge::Basic]),
            (
                r#"Negotiate, Basic realm="x", Bearer realm="https://r""#,
                vec![Challenge::Basic, bearer("https://r", None, None)],
            ),
            (r#"Bearer realm="a\"b""#, vec![bearer("a\"b", None, None)]),
            ("Bearer", vec![]),
            ("Digest realm=\"x\"", vec![]),
            ("", vec![]),
            (", ,", vec![]),
            ("= =", vec![]),
        ] {
            assert_eq!(challenges(header), expected, "{header}");
        }
    }
}
