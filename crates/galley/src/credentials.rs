//! Credentials across a user namespace: the galley outside looks them up, and the one inside asks it when a registry wants to know.
//!
//! Credential helpers talk to the user's keyring, session bus or agent, which know the user by id: inside of the namespace they would meet
//! a stranger called root. One message is one question, a registry's name; the answer is a message too. Nothing is written anywhere.

use std::io::{Error, ErrorKind};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Mutex;

use galley_registry::{Credential, CredentialLookup, Credentials, RegistryError};
use rustix::net::{RecvFlags, SendFlags, recv, send};
use serde::{Deserialize, Serialize};

/// Longer than any token; a message that is cut off is no JSON.
const LONGEST: usize = 128 * 1024;

/// What is said about one registry.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Answer {
    Nothing,
    Password { username: String, password: String },
    Identity(String),
    Bearer(String),
    Failed(String),
}

/// Answers questions until nobody is left to ask any. The file is read when the first one comes.
pub fn serve(socket: &OwnedFd, docker_config: Option<&Path>) {
    let mut credentials = None;
    while let Ok(question) = receive(socket) {
        let read = || docker_config.map_or_else(|| Ok(Credentials::none()), Credentials::from_docker_config);
        let known = match &credentials {
            Some(known) => Ok(known),
            None => read().map(|read| &*credentials.insert(read)),
        };
        let answer = known.and_then(|known| known.of(&String::from_utf8_lossy(&question)));
        let Ok(message) = serde_json::to_vec(&Answer::from(answer)) else { return };
        // Too long a secret, or a galley that is gone.
        if send(socket, &message, SendFlags::NOSIGNAL).is_err() {
            return;
        }
    }
}

/// Asks the galley at the other end of the socket.
pub fn from_outside(socket: OwnedFd) -> CredentialLookup {
    let socket = Mutex::new(socket);
    CredentialLookup::new(move |registry| {
        let failed = |detail: String| RegistryError::CredentialsOutside { registry: registry.into(), detail };
        let socket = socket.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let asked = send(&*socket, registry.as_bytes(), SendFlags::NOSIGNAL).map_err(Error::from);
        let answer = asked.and_then(|_| receive(&socket)).map_err(|error| failed(error.to_string()))?;
        let answer: Answer = serde_json::from_slice(&answer).map_err(|error| failed(error.to_string()))?;
        Ok(match answer {
            Answer::Nothing => None,
            Answer::Password { username, password } => Some(Credential::Password { username, password }),
            Answer::Identity(token) => Some(Credential::Identity(token)),
            Answer::Bearer(token) => Some(Credential::Bearer(token)),
            Answer::Failed(detail) => return Err(failed(detail)),
        })
    })
}

fn receive(socket: &OwnedFd) -> Result<Vec<u8>, Error> {
    let mut message = vec![0; LONGEST];
    let (length, _) = rustix::io::retry_on_intr(|| recv(socket, &mut message, RecvFlags::empty()))?;
    if length == 0 {
        return Err(Error::new(ErrorKind::UnexpectedEof, "the galley outside has ended"));
    }
    message.truncate(length);
    Ok(message)
}

impl From<Result<Option<Credential>, RegistryError>> for Answer {
    fn from(result: Result<Option<Credential>, RegistryError>) -> Self {
        match result {
            Ok(None) => Self::Nothing,
            Ok(Some(Credential::Password { username, password })) => Self::Password { username, password },
            Ok(Some(Credential::Identity(token))) => Self::Identity(token),
            Ok(Some(Credential::Bearer(token))) => Self::Bearer(token),
            Err(error) => Self::Failed(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Asks through a socket, as if from inside.
    fn ask(config: &str, registry: &str) -> Answer {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("config.json");
        std::fs::write(&file, config).unwrap();
        let (ours, theirs) = sockets();
        let thread = std::thread::spawn(move || serve(&ours, Some(&file)));
        send(&theirs, registry.as_bytes(), SendFlags::NOSIGNAL).unwrap();
        let answer = serde_json::from_slice(&receive(&theirs).unwrap()).unwrap();
        drop(theirs);
        thread.join().unwrap();
        answer
    }

    fn sockets() -> (OwnedFd, OwnedFd) {
        use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
        socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap()
    }

    #[test]
    fn every_kind_of_answer_arrives() {
        let config = r#"{"auths": {"a": {"username": "u", "password": "p"}, "b": {"identitytoken": "i"}, "c": {"registrytoken": "r"}}}"#;
        assert!(
            matches!(ask(config, "a"), Answer::Password { username, password } if username == "u" && password == "p")
        );
        assert!(matches!(ask(config, "b"), Answer::Identity(token) if token == "i"));
        assert!(matches!(ask(config, "c"), Answer::Bearer(token) if token == "r"));
        assert!(matches!(ask(config, "d"), Answer::Nothing));
        assert!(matches!(ask("{", "a"), Answer::Failed(text) if text.contains("config.json")));
        let helper = r#"{"credHelpers": {"a": "galley-has-no-such-helper"}}"#;
        assert!(
            matches!(ask(helper, "a"), Answer::Failed(text) if text.contains("there is no such program"))
        );
    }

    #[test]
    fn a_galley_that_is_gone_is_an_error() {
        let (ours, theirs) = sockets();
        drop(ours);
        let error = from_outside(theirs).ask("r.example").unwrap_err();
        assert!(matches!(error, RegistryError::CredentialsOutside { .. }), "{error}");
    }
}
