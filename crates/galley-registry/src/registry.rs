//! A registry over the network: the pull half of the OCI distribution protocol (distribution-spec v1.1, "Pull").

mod download;
mod endpoint;
mod exchange;

use std::collections::{HashMap, HashSet};
use std::io::Read;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use galley_image::{Descriptor, Digest, Platform, Reference};

use crate::auth::Keychain;
use crate::config::RegistryConfig;
use crate::error::{Blob, RegistryError};
use crate::http::{Client, header};
use crate::images::{Images, RemoteImage};
use crate::resolve::{self, CONFIG_LIMIT, Found, MANIFEST_LIMIT, Source};
use crate::verify::VerifyingReader;
use download::Download;
use endpoint::Endpoint;
use exchange::Ask;

/// Every kind of manifest that galley understands.
const MANIFEST_TYPES: &str = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, \
    application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.docker.distribution.manifest.v2+json";

/// All registries, and their mirrors. Cheap to clone: clones share connections and tokens.
#[derive(Clone)]
pub struct Registry {
    shared: Arc<Shared>,
}

struct Shared {
    config: RegistryConfig,
    client: Client,
    credentials: Keychain,
    /// `Authorization` headers that worked, by endpoint and repository.
    authorizations: Mutex<HashMap<(String, String), String>>,
    /// Whether an insecure endpoint speaks TLS, once that is known.
    tls: Mutex<HashMap<String, bool>>,
    /// Mirrors that could not be reached. They are not tried again.
    unreachable: Mutex<HashSet<String>>,
}

impl Registry {
    /// A client with this configuration. Nothing is read or connected to before it is needed.
    #[must_use]
    pub fn new(config: RegistryConfig) -> Self {
        let client = Client::new(&config);
        let shared = Shared {
            credentials: Keychain::new(config.credentials.clone()),
            config,
            client,
            authorizations: Mutex::default(),
            tls: Mutex::default(),
            unreachable: Mutex::default(),
        };
        Self { shared: Arc::new(shared) }
    }
}

impl Images for Registry {
    fn resolve(&self, reference: &Reference, platform: &Platform) -> Result<RemoteImage, RegistryError> {
        resolve::resolve(&*self.shared, reference, platform)
    }

    fn blob(
        &self,
        reference: &Reference,
        descriptor: &Descriptor,
        offset: u64,
    ) -> Result<Box<dyn Read + Send>, RegistryError> {
        let download = Download::open(Arc::clone(&self.shared), reference, descriptor, offset)?;
        if offset > 0 {
            return Ok(Box::new(download));
        }
        let what = Blob::layer(reference, descriptor.digest);
        Ok(Box::new(VerifyingReader::new(download, descriptor, what)))
    }
}

impl Source for Shared {
    fn manifest(&self, reference: &Reference, digest: Option<Digest>) -> Result<Found, RegistryError> {
        let digest = digest.or(reference.digest());
        let name = digest.map(|digest| digest.to_string());
        let name = name.as_deref().or(reference.tag()).unwrap_or("latest");
        let tail = format!("manifests/{name}");
        let what = || Blob::manifest(reference);
        self.anywhere(reference, |endpoint| {
            let ask = Ask {
                endpoint,
                reference,
                tail: &tail,
                headers: vec![("Accept", MANIFEST_TYPES.into())],
                blob: None,
            };
            let (response, bytes) = self.get_whole(&ask, MANIFEST_LIMIT, what)?;
            let promised = header(&response, "docker-content-digest").and_then(|digest| digest.parse().ok());
            if let Some(expected) = digest.or(promised) {
                resolve::check_digest(&bytes, expected, what)?;
            }
            let media_type = header(&response, "content-type").and_then(|value| value.split(';').next());
            Ok(Found { bytes, media_type: media_type.map(|value| value.trim().to_owned()) })
        })
    }

    fn config(&self, reference: &Reference, descriptor: &Descriptor) -> Result<Vec<u8>, RegistryError> {
        let tail = format!("blobs/{}", descriptor.digest);
        let what = || Blob::config(reference);
        self.anywhere(reference, |endpoint| {
            let blob = Some(Blob::config(reference));
            let ask = Ask { endpoint, reference, tail: &tail, headers: Vec::new(), blob };
            let (_, bytes) = self.get_whole(&ask, CONFIG_LIMIT, what)?;
            resolve::check_size(&bytes, descriptor.size, what)?;
            resolve::check_digest(&bytes, descriptor.digest, what)?;
            Ok(bytes)
        })
    }
}

impl Shared {
    /// Asks the mirrors and then the registry itself until one of them can help.
    fn anywhere<T>(
        &self,
        reference: &Reference,
        ask: impl Fn(&Endpoint) -> Result<T, RegistryError>,
    ) -> Result<T, RegistryError> {
        let mut attempts = Vec::new();
        for endpoint in endpoint::endpoints(reference.registry(), &self.config) {
            if lock(&self.unreachable).contains(&endpoint.name) {
                continue;
            }
            match ask(&endpoint) {
                Ok(answer) => return Ok(answer),
                Err(error) if !error.is_about_this_place() => return Err(error),
                Err(error) => {
                    if endpoint.mirror && matches!(error, RegistryError::Connection { .. }) {
                        lock(&self.unreachable).insert(endpoint.name);
                    }
                    attempts.push(error);
                }
            }
        }
        match (attempts.pop(), attempts.is_empty()) {
            (Some(only), true) => Err(only),
            (last, _) => {
                attempts.extend(last);
                Err(RegistryError::Everywhere { image: reference.familiar(), attempts })
            }
        }
    }
}

/// A panic elsewhere leaves these maps whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
