//! Tokens for one repository (distribution, "Token Authentication Specification" and "OAuth2 Token Authentication").

use serde::Deserialize;

use super::Credential;

/// How to ask a token service.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum TokenRequest {
    /// With the query in the URL, and a name and password where there are some.
    Get {
        /// The whole URL.
        url: String,
        /// The `Authorization` header.
        authorization: Option<String>,
    },
    /// With a form that holds an identity token.
    Post {
        /// The URL.
        url: String,
        /// The form, encoded.
        form: String,
    },
}

/// The request for a token that allows `scope`.
pub(crate) fn token_request(
    realm: &str,
    service: Option<&str>,
    scope: &str,
    credential: Option<&Credential>,
) -> TokenRequest {
    let mut pairs = vec![("scope", scope)];
    pairs.extend(service.map(|service| ("service", service)));
    if let Some(Credential::Identity(token)) = credential {
        pairs.extend([("client_id", "galley"), ("grant_type", "refresh_token"), ("refresh_token", token)]);
        return TokenRequest::Post { url: realm.into(), form: encode(&pairs) };
    }
    if let Some(Credential::Password { username, .. }) = credential {
        pairs.push(("account", username));
    }
    let joint = if realm.contains('?') { '&' } else { '?' };
    TokenRequest::Get {
        url: format!("{realm}{joint}{}", encode(&pairs)),
        authorization: credential.and_then(Credential::basic),
    }
}

/// The token in a service's answer; `None` where there is none.
pub(crate) fn token_of(answer: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Answer {
        token: Option<String>,
        access_token: Option<String>,
    }
    let answer: Answer = serde_json::from_slice(answer).ok()?;
    let usable = |token: &String| !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic());
    answer.token.filter(usable).or(answer.access_token.filter(usable))
}

/// `application/x-www-form-urlencoded`.
fn encode(pairs: &[(&str, &str)]) -> String {
    let escape = |text: &str| -> String {
        text.bytes()
            .map(|byte| match byte {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                    char::from(byte).to_string()
                }
                other => format!("%{other:02X}"),
            })
            .collect()
    };
    let pairs: Vec<String> = pairs.iter().map(|(key, value)| format!("{key}={}", escape(value))).collect();
    pairs.join("&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_follow_the_credential() {
        let scope = "repository:a/b:pull";
        assert_eq!(
            token_request("https://t/token", Some("reg & co"), scope, None),
            TokenRequest::Get {
                url: "https://t/token?scope=repository%3Aa%2Fb%3Apull&service=reg%20%26%20co".into(),
                authorization: None
            }
        );
        let password = Credential::Password { username: "me".into(), password: "pw".into() };
        assert_eq!(
            token_request("https://t/token?x=1", None, scope, Some(&password)),
            TokenRequest::Get {
                url: "https://t/token?x=1&scope=repository%3Aa%2Fb%3Apull&account=me".into(),
                authorization: Some("Basic bWU6cHc=".into())
            }
        );
        let TokenRequest::Post { url, form } =
            token_request("https://t/token", Some("s"), scope, Some(&Credential::Identity("id+1".into())))
        else {
            panic!("an identity token is posted");
        };
        assert_eq!(url, "https://t/token");
        assert!(form.contains("grant_type=refresh_token") && form.contains("refresh_token=id%2B1"));
    }

    #[test]
    fn answers_have_either_name() {
        assert_eq!(token_of(br#"{"token":"a","expires_in":60}"#).as_deref(), Some("a"));
        assert_eq!(token_of(br#"{"token":"","access_token":"b"}"#).as_deref(), Some("b"));
        for bad in [&b"{}"[..], b"", b"<html>", b"{\"token\":\"a\\r\\nX: y\"}"] {
            assert_eq!(token_of(bad), None);
        }
    }
}
