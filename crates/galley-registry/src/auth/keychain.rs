//! Where credentials come from, and what is known already: nobody is asked twice about one registry.

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::{Credential, Credentials};
use crate::error::RegistryError;

/// Where credentials come from.
#[derive(Clone, Debug, Default)]
pub enum CredentialSource {
    /// Nowhere: every registry is asked as nobody in particular.
    #[default]
    Nobody,
    /// Docker's `config.json` and the helpers that it names; a missing file is no error.
    DockerConfig(PathBuf),
    /// Whoever can reach what this process cannot.
    Ask(CredentialLookup),
}

/// A function from a registry's name to what is known for it.
#[derive(Clone)]
pub struct CredentialLookup {
    ask: Arc<Ask>,
}

type Ask = dyn Fn(&str) -> Result<Option<Credential>, RegistryError> + Send + Sync;

impl CredentialLookup {
    /// Wraps the function. It may be called from several threads, though never from two at once.
    pub fn new(
        ask: impl Fn(&str) -> Result<Option<Credential>, RegistryError> + Send + Sync + 'static,
    ) -> Self {
        Self { ask: Arc::new(ask) }
    }

    /// Asks.
    ///
    /// # Errors
    /// The function's own.
    pub fn ask(&self, registry: &str) -> Result<Option<Credential>, RegistryError> {
        (self.ask)(registry)
    }
}

impl fmt::Debug for CredentialLookup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CredentialLookup")
    }
}

/// A source with the answers it has given.
#[derive(Debug)]
pub(crate) struct Keychain {
    source: CredentialSource,
    file: OnceLock<Credentials>,
    answers: Mutex<HashMap<String, Option<Credential>>>,
}

impl Keychain {
    pub(crate) fn new(source: CredentialSource) -> Self {
        Self { source, file: OnceLock::new(), answers: Mutex::default() }
    }

    /// What is known for a registry.
    ///
    /// # Errors
    /// [`RegistryError::CredentialFile`], [`RegistryError::CredentialHelper`] and [`RegistryError::CredentialsOutside`]; the next call asks
    /// again.
    pub(crate) fn of(&self, registry: &str) -> Result<Option<Credential>, RegistryError> {
        // Held while asking: a helper may want a person to type something, and once is enough.
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = answers.get(registry) {
            return Ok(known.clone());
        }
        let answer = match &self.source {
            CredentialSource::Nobody => None,
            CredentialSource::DockerConfig(file) => match self.file.get() {
                Some(credentials) => credentials.of(registry)?,
                None => {
                    let credentials = Credentials::from_docker_config(file)?;
                    self.file.get_or_init(|| credentials).of(registry)?
                }
            },
            CredentialSource::Ask(lookup) => lookup.ask(registry)?,
        };
        answers.insert(registry.to_owned(), answer.clone());
        Ok(answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[test]
    fn nobody_is_asked_twice_about_one_registry_unless_it_failed() {
        let asked = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&asked);
        let lookup = CredentialLookup::new(move |registry| match count.fetch_add(1, Ordering::SeqCst) {
            0 => {
                Err(RegistryError::CredentialsOutside { registry: registry.into(), detail: "locked".into() })
            }
            _ => Ok(Some(Credential::Bearer(registry.into()))),
        });
        let keychain = Keychain::new(CredentialSource::Ask(lookup));
        assert!(keychain.of("r.example").unwrap_err().to_string().contains("locked"));
        for _ in 0..3 {
            assert_eq!(keychain.of("r.example").unwrap(), Some(Credential::Bearer("r.example".into())));
        }
        assert_eq!(asked.load(Ordering::SeqCst), 2);
        assert_eq!(Keychain::new(CredentialSource::Nobody).of("r.example").unwrap(), None);
    }
}
