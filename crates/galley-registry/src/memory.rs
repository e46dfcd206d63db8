//! Images in memory: the twin for tests.

use std::collections::HashMap;
use std::io::{Cursor, Read, Seek, SeekFrom};
use std::sync::{Mutex, MutexGuard, PoisonError};

use galley_image::{Descriptor, Digest, ImageConfig, Index, Manifest, MediaType, Platform, Reference};

use crate::error::{Blob, RegistryError};
use crate::images::{Images, RemoteImage};
use crate::resolve::{self, Found, Source};
use crate::verify::VerifyingReader;

/// A registry in memory, which holds what is put into it and remembers what was asked.
#[derive(Default)]
pub struct MemoryImages {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// By registry and repository, then tag.
    tags: HashMap<(String, String), Digest>,
    manifests: HashMap<Digest, (Vec<u8>, String)>,
    blobs: HashMap<Digest, Vec<u8>>,
    asked: Vec<String>,
}

impl MemoryImages {
    /// A place without images.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Keeps a blob.
    pub fn put_blob(&self, media_type: &str, bytes: &[u8]) -> Descriptor {
        let descriptor = Descriptor::new(media_type, Digest::of(bytes), bytes.len() as u64);
        self.state().blobs.insert(descriptor.digest, bytes.to_vec());
        descriptor
    }

    /// Keeps a manifest or index as it is and lets the reference's tag point at it.
    pub fn put_manifest(&self, reference: &Reference, media_type: &str, bytes: &[u8]) -> Descriptor {
        let descriptor = Descriptor::new(media_type, Digest::of(bytes), bytes.len() as u64);
        let mut state = self.state();
        state.manifests.insert(descriptor.digest, (bytes.to_vec(), media_type.into()));
        if let Some(tag) = reference.tag() {
            state.tags.insert((repository(reference), tag.into()), descriptor.digest);
        }
        descriptor
    }

    /// Keeps an image of these layers (media type and bytes, lowest first), with a manifest of its own making.
    ///
    /// # Errors
    /// [`RegistryError::Malformed`] where `config` cannot be written as JSON.
    pub fn put_image(
        &self,
        reference: &Reference,
        config: &ImageConfig,
        layers: &[(&str, &[u8])],
    ) -> Result<Descriptor, RegistryError> {
        let config = json(config, || Blob::config(reference))?;
        let manifest = Manifest {
            schema_version: 2,
            media_type: Some(MediaType::OCI_MANIFEST.into()),
            config: self.put_blob(MediaType::OCI_CONFIG, &config),
            layers: layers.iter().map(|(media_type, bytes)| self.put_blob(media_type, bytes)).collect(),
            annotations: std::collections::BTreeMap::new(),
        };
        let bytes = json(&manifest, || Blob::manifest(reference))?;
        Ok(self.put_manifest(reference, MediaType::OCI_MANIFEST, &bytes))
    }

    /// Keeps an index of manifests, each for its platform.
    ///
    /// # Errors
    /// [`RegistryError::Malformed`] where the index cannot be written as JSON.
    pub fn put_index(
        &self,
        reference: &Reference,
        manifests: &[(Platform, Descriptor)],
    ) -> Result<Descriptor, RegistryError> {
        let manifests = manifests.iter().map(|(platform, descriptor)| Descriptor {
            platform: Some(platform.clone()),
            ..descriptor.clone()
        });
        let index = Index {
            schema_version: 2,
            media_type: Some(MediaType::OCI_INDEX.into()),
            manifests: manifests.collect(),
            annotations: std::collections::BTreeMap::new(),
        };
        let bytes = json(&index, || Blob::manifest(reference))?;
        Ok(self.put_manifest(reference, MediaType::OCI_INDEX, &bytes))
    }

    /// Replaces a blob's bytes, as a damaged registry would.
    pub fn damage_blob(&self, digest: Digest, bytes: &[u8]) {
        self.state().blobs.insert(digest, bytes.to_vec());
    }

    /// Forgets a blob.
    pub fn remove_blob(&self, digest: Digest) {
        self.state().blobs.remove(&digest);
    }

    /// Everything that was asked for so far: `manifest NAME` and `blob DIGEST`, in order.
    #[must_use]
    pub fn asked(&self) -> Vec<String> {
        self.state().asked.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Images for MemoryImages {
    fn resolve(&self, reference: &Reference, platform: &Platform) -> Result<RemoteImage, RegistryError> {
        resolve::resolve(self, reference, platform)
    }

    fn blob(
        &self,
        reference: &Reference,
        descriptor: &Descriptor,
        offset: u64,
    ) -> Result<Box<dyn Read + Send>, RegistryError> {
        let mut state = self.state();
        state.asked.push(format!("blob {}", descriptor.digest));
        let blob = || Blob::layer(reference, descriptor.digest);
        let bytes = state.blobs.get(&descriptor.digest).cloned().ok_or_else(|| {
            RegistryError::BlobNotFound { blob: blob(), registry: reference.registry().into() }
        })?;
        let mut reader = Cursor::new(bytes);
        if offset == 0 {
            return Ok(Box::new(VerifyingReader::new(reader, descriptor, blob())));
        }
        resolve::check_size(reader.get_ref(), descriptor.size, blob)?;
        // A cursor takes any position.
        let _ = reader.seek(SeekFrom::Start(offset));
        Ok(Box::new(reader))
    }
}

impl Source for MemoryImages {
    fn manifest(&self, reference: &Reference, digest: Option<Digest>) -> Result<Found, RegistryError> {
        let mut state = self.state();
        state.asked.push(format!("manifest {reference}"));
        let digest = digest
            .or(reference.digest())
            .or_else(|| state.tags.get(&(repository(reference), reference.tag()?.to_owned())).copied());
        let found = digest.and_then(|digest| state.manifests.get(&digest));
        let (bytes, media_type) = found.ok_or_else(|| RegistryError::NotFound {
            image: reference.familiar(),
            registry: reference.registry().into(),
        })?;
        Ok(Found { bytes: bytes.clone(), media_type: Some(media_type.clone()) })
    }

    fn config(&self, reference: &Reference, descriptor: &Descriptor) -> Result<Vec<u8>, RegistryError> {
        let bytes = self.state().blobs.get(&descriptor.digest).cloned();
        let bytes = bytes.ok_or_else(|| RegistryError::BlobNotFound {
            blob: Blob::config(reference),
            registry: reference.registry().into(),
        })?;
        resolve::check_size(&bytes, descriptor.size, || Blob::config(reference))?;
        resolve::check_digest(&bytes, descriptor.digest, || Blob::config(reference))?;
        Ok(bytes)
    }
}

fn repository(reference: &Reference) -> String {
    format!("{}/{}", reference.registry(), reference.repository())
}

fn json(value: &impl serde::Serialize, what: impl Fn() -> Blob) -> Result<Vec<u8>, RegistryError> {
    serde_json::to_vec(value)
        .map_err(|error| RegistryError::Malformed { what: what(), detail: error.to_string() })
}
