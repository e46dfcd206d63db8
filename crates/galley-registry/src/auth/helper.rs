//! Credential helpers: programs named `docker-credential-NAME` (docker-credential-helpers, "Protocol").

use std::io::Write;
use std::process::{Command, Stdio};

use serde::Deserialize;

use super::Credential;
use crate::error::RegistryError;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    username: String,
    secret: String,
}

/// Asks the helper `name` about `address`; `None` when it knows nothing.
///
/// # Errors
/// [`RegistryError::CredentialHelper`].
pub(super) fn get(name: &str, address: &str) -> Result<Option<Credential>, RegistryError> {
    let program = format!("docker-credential-{name}");
    let failed = |detail: String| RegistryError::CredentialHelper {
        program: program.clone(),
        registry: address.into(),
        detail,
    };
    // The name comes from a configuration file and is looked up in PATH, nowhere else.
    if name.contains('/') {
        return Err(failed("a helper's name cannot contain a slash".into()));
    }
    let output = run(&program, address).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => failed("there is no such program".into()),
        _ => failed(error.to_string()),
    })?;
    let text = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        // Helpers say on standard output why they fail; this sentence is part of the protocol.
        if text.trim() == "credentials not found in native keychain" {
            return Ok(None);
        }
        let errors = String::from_utf8_lossy(&output.stderr);
        let words = [text.trim(), errors.trim()].into_iter().find(|words| !words.is_empty());
        return Err(failed(words.map_or_else(|| output.status.to_string(), str::to_owned)));
    }
    let answer: Answer = serde_json::from_slice(&output.stdout)
        .map_err(|error| failed(format!("its answer is malformed: {error}")))?;
    Ok(match (answer.username.as_str(), answer.secret) {
        (_, secret) if secret.is_empty() => None,
        ("<token>", secret) => Some(Credential::Identity(secret)),
        (username, password) => Some(Credential::Password { username: username.into(), password }),
    })
}

fn run(program: &str, address: &str) -> std::io::Result<std::process::Output> {
    let mut command = Command::new(program);
    command.arg("get").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn()?;
    if let Some(mut input) = child.stdin.take() {
        // A helper that exits without reading says why on its output.
        let _ = input.write_all(address.as_bytes());
    }
    child.wait_with_output()
}
