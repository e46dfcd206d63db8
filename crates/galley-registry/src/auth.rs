//! Who we are to a registry: credentials from docker's configuration, the registry's challenge, and the answer to it.

mod challenge;
mod docker_config;
mod helper;
mod keychain;
mod token;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

pub(crate) use challenge::{Challenge, challenges};
pub use docker_config::Credentials;
pub(crate) use keychain::Keychain;
pub use keychain::{CredentialLookup, CredentialSource};
pub(crate) use token::{TokenRequest, token_of, token_request};

/// What proves who we are to one registry.
#[derive(Clone, PartialEq, Eq)]
pub enum Credential {
    /// A name and a password.
    Password {
        /// The name.
        username: String,
        /// The password, or an access token in its place.
        password: String,
    },
    /// A token that the registry's token service trades for short-lived ones (OAuth 2 refresh token).
    Identity(String),
    /// A token that is sent to the registry as it is.
    Bearer(String),
}

impl Credential {
    /// The `Authorization` header of HTTP basic authentication, where there is a password.
    pub(crate) fn basic(&self) -> Option<String> {
        match self {
            Self::Password { username, password } => {
                Some(format!("Basic {}", STANDARD.encode(format!("{username}:{password}"))))
            }
            Self::Identity(_) | Self::Bearer(_) => None,
        }
    }
}

impl std::fmt::Debug for Credential {
    /// Secrets never show.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Password { username, .. } => write!(f, "Password({username})"),
            Self::Identity(_) => f.write_str("Identity"),
            Self::Bearer(_) => f.write_str("Bearer"),
        }
    }
}
