//! Docker's `config.json`: `auths`, `credHelpers` and `credsStore` (docker-login(1), "Credential stores").

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use serde::Deserialize;

use super::{Credential, helper};
use crate::error::RegistryError;

/// Credentials by registry, read from docker's configuration. Helpers are asked only when a registry wants to know.
#[derive(Clone, Debug, Default)]
pub struct Credentials {
    auths: BTreeMap<String, Credential>,
    helpers: BTreeMap<String, String>,
    store: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct File {
    #[serde(default)]
    auths: Option<BTreeMap<String, Auth>>,
    #[serde(default)]
    cred_helpers: Option<BTreeMap<String, String>>,
    #[serde(default)]
    creds_store: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Auth {
    auth: String,
    username: String,
    password: String,
    identitytoken: String,
    registrytoken: String,
}

impl Credentials {
    /// Nobody in particular.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Reads `config.json`. A file that does not exist holds no credentials.
    ///
    /// # Errors
    /// [`RegistryError::CredentialFile`].
    pub fn from_docker_config(file: &Path) -> Result<Self, RegistryError> {
        match std::fs::read(file) {
            Ok(bytes) => Self::parse(&bytes)
                .map_err(|detail| RegistryError::CredentialFile { file: PathBuf::from(file), detail }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::none()),
            Err(error) => Err(RegistryError::CredentialFile { file: file.into(), detail: error.to_string() }),
        }
    }

    /// Reads the text of a `config.json`.
    fn parse(bytes: &[u8]) -> Result<Self, String> {
        let file: File = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        let mut credentials =
            Self { store: file.creds_store.filter(|store| !store.is_empty()), ..Self::default() };
        for (host, auth) in file.auths.unwrap_or_default() {
            if let Some(credential) =
                auth.credential().map_err(|what| format!("`auths` of {host}: {what}"))?
            {
                credentials.auths.insert(canonical_host(&host), credential);
            }
        }
        let helpers = file.cred_helpers.unwrap_or_default();
        credentials.helpers = helpers.into_iter().map(|(host, name)| (canonical_host(&host), name)).collect();
        Ok(credentials)
    }

    /// What is known for a registry: its own helper is asked first, then the common store, then the file.
    ///
    /// # Errors
    /// [`RegistryError::CredentialHelper`].
    pub fn of(&self, registry: &str) -> Result<Option<Credential>, RegistryError> {
        let host = canonical_host(registry);
        let address = if host == "docker.io" { "https://index.docker.io/v1/" } else { &host };
        if let Some(name) = self.helpers.get(&host).or(self.store.as_ref())
            && let Some(credential) = helper::get(name, address)?
        {
            return Ok(Some(credential));
        }
        Ok(self.auths.get(&host).cloned())
    }
}

impl Auth {
    fn credential(&self) -> Result<Option<Credential>, &'static str> {
        if !self.identitytoken.is_empty() {
            return Ok(Some(Credential::Identity(self.identitytoken.clone())));
        }
        if !self.registrytoken.is_empty() {
            return Ok(Some(Credential::Bearer(self.registrytoken.clone())));
        }
        if !self.auth.is_empty() {
            let decoded = STANDARD.decode(&self.auth).or_else(|_| STANDARD_NO_PAD.decode(&self.auth));
            let text = decoded.ok().and_then(|bytes| String::from_utf8(bytes).ok());
            let text = text.ok_or("`auth` is not base64")?;
            let (username, password) = text.split_once(':').ok_or("`auth` is not name:password")?;
            // Docker pads with NULs.
            let password = password.trim_end_matches('\0').to_owned();
            return Ok(Some(Credential::Password { username: username.into(), password }));
        }
        let named = !self.username.is_empty();
        Ok(named.then(|| Credential::Password {
            username: self.username.clone(),
            password: self.password.clone(),
        }))
    }
}

/// The file's keys are hosts or old URLs such as `https://index.docker.io/v1/`.
fn canonical_host(key: &str) -> String {
    let key = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://")).unwrap_or(key);
    match key.split('/').next().unwrap_or(key) {
        "index.docker.io" | "registry-1.docker.io" | "docker.io" => "docker.io".into(),
        host => host.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn password(username: &str, password: &str) -> Option<Credential> {
        Some(Credential::Password { username: username.into(), password: password.into() })
    }

    #[test]
    fn entries_in_all_their_forms() {
        let text = format!(
            r#"{{"auths": {{"https://index.docker.io/v1/": {{"auth": "{}"}}, "r.example:5000": {{"username": "u", "password": "p"}},
                "https://id.example": {{"auth": "{}", "identitytoken": "id"}}, "raw.example/v2/": {{"registrytoken": "raw"}}, "empty.example": {{}}}},
                "HttpHeaders": {{}}, "credsStore": ""}}"#,
            STANDARD.encode("me:pass:word"),
            STANDARD.encode("<token>:"),
        );
        let credentials = Credentials::parse(text.as_bytes()).unwrap();
        let of = |host| credentials.of(host).unwrap();
        assert_eq!(of("docker.io"), password("me", "pass:word"));
        assert_eq!(of("registry-1.docker.io"), password("me", "pass:word"));
        assert_eq!(of("r.example:5000"), password("u", "p"));
        assert_eq!(of("id.example"), Some(Credential::Identity("id".into())));
        assert_eq!(of("raw.example"), Some(Credential::Bearer("raw".into())));
        assert_eq!((of("empty.example"), of("other.example")), (None, None));
    }

    #[test]
    fn a_broken_file_is_an_error_that_names_the_place() {
        for (text, part) in [
            ("{", "EOF"),
            (r#"{"auths":{"h":{"auth":"%"}}}"#, "`auths` of h: `auth` is not base64"),
            (r#"{"auths":{"h":{"auth":"eHg="}}}"#, "name:password"),
        ] {
            let error = Credentials::parse(text.as_bytes()).unwrap_err();
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn secrets_do_not_show() {
        let shown = format!("{:?}", password("me", "hidden"));
        assert!(shown.contains("me") && !shown.contains("hidden"));
    }
}
