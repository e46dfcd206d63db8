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
    // The name comes from a configuration file and is looked up in PATH, nowhere else.
    if name.contains('/') {
        let (program, registry) = (name.to_owned(), address.to_owned());
        let detail = "a helper's name cannot contain a slash".to_owned();
        return Err(RegistryError::CredentialHelper { program, registry, detail });
    }
    ask(&format!("docker-credential-{name}"), address)
}

fn ask(program: &str, address: &str) -> Result<Option<Credential>, RegistryError> {
    let failed = |detail: String| RegistryError::CredentialHelper {
        program: program.into(),
        registry: address.into(),
        detail,
    };
    let output = run(program, address).map_err(|error| match error.kind() {
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    /// One at a time: a child that another thread forks meanwhile would hold the script open for writing, and the kernel runs
    /// no such file (execve(2), ETXTBSY).
    static ALONE: std::sync::Mutex<()> = std::sync::Mutex::new(());

    fn answer(script: &str) -> Result<Option<Credential>, RegistryError> {
        let _alone = ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let directory = tempfile::tempdir().unwrap();
        let program = directory.path().join("docker-credential-test");
        std::fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        ask(&program.to_string_lossy(), "r.example")
    }

    #[test]
    fn helpers_are_asked_as_the_protocol_says() {
        let password = Credential::Password { username: "me@r.example".into(), password: "pw".into() };
        let whole =
            r#"test "$1" = get || exit 2; host=$(cat); echo "{\"Username\":\"me@$host\",\"Secret\":\"pw\"}""#;
        assert_eq!(answer(whole).unwrap(), Some(password));
        let token = r#"echo '{"Username":"<token>","Secret":"id"}'"#;
        assert_eq!(answer(token).unwrap(), Some(Credential::Identity("id".into())));
        let unknown = "echo 'credentials not found in native keychain'; exit 1";
        assert_eq!(answer(unknown).unwrap(), None);
    }

    #[test]
    fn a_helper_that_fails_is_named_with_its_words() {
        for (script, words) in [
            ("echo locked; exit 1", "locked"),
            ("echo broken >&2; exit 1", "broken"),
            ("echo nonsense", "malformed"),
            ("exit 3", "3"),
        ] {
            let error = answer(script).unwrap_err().to_string();
            assert!(error.contains(words) && error.contains("docker-credential-test"), "{error}");
        }
        let missing = get("galley-has-no-such-helper", "r.example").unwrap_err().to_string();
        assert!(missing.contains("there is no such program"), "{missing}");
        assert!(get("../x", "r.example").is_err());
    }
}
