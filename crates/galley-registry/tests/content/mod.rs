//! Small images, as the bytes that a registry holds.
#![allow(dead_code, reason = "each test binary uses a part of it")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;

use galley_image::{Descriptor, DiffId, Digest, ImageConfig, Index, Manifest, MediaType, Platform};

/// What a repository holds.
#[derive(Clone, Default)]
pub struct Content {
    pub blobs: BTreeMap<Digest, Vec<u8>>,
    /// Manifests with their media types, those that others point at first.
    pub manifests: Vec<(String, Vec<u8>)>,
    pub tags: BTreeMap<String, Descriptor>,
}

/// An image's two documents.
pub struct Image {
    pub manifest: Descriptor,
    pub config: Descriptor,
    pub layers: Vec<Descriptor>,
}

impl Content {
    pub fn blob(&mut self, media_type: &str, bytes: &[u8]) -> Descriptor {
        let descriptor = Descriptor::new(media_type, Digest::of(bytes), bytes.len() as u64);
        self.blobs.insert(descriptor.digest, bytes.to_vec());
        descriptor
    }

    pub fn manifest(&mut self, media_type: &str, bytes: Vec<u8>) -> Descriptor {
        let descriptor = Descriptor::new(media_type, Digest::of(&bytes), bytes.len() as u64);
        self.manifests.push((media_type.into(), bytes));
        descriptor
    }

    /// An image whose layers are any bytes: nobody unpacks them here.
    pub fn image(&mut self, platform: &str, docker: bool, layers: &[&[u8]]) -> Image {
        let mut config = ImageConfig::scratch(platform.parse().unwrap());
        config.rootfs.diff_ids = layers.iter().map(|layer| DiffId(Digest::of(layer))).collect();
        config.config.cmd = Some(vec![format!("/bin/{platform}")]);
        let types = match docker {
            true => [MediaType::DOCKER_MANIFEST, MediaType::DOCKER_CONFIG, MediaType::DOCKER_LAYER_GZIP],
            false => [MediaType::OCI_MANIFEST, MediaType::OCI_CONFIG, MediaType::OCI_LAYER_GZIP],
        };
        let config = self.blob(types[1], &serde_json::to_vec(&config).unwrap());
        let layers: Vec<_> = layers.iter().map(|layer| self.blob(types[2], layer)).collect();
        let manifest = Manifest {
            schema_version: 2,
            media_type: Some(types[0].into()),
            config: config.clone(),
            layers: layers.clone(),
            annotations: BTreeMap::new(),
        };
        let manifest = self.manifest(types[0], serde_json::to_vec(&manifest).unwrap());
        Image { manifest, config, layers }
    }

    pub fn index(&mut self, docker: bool, images: &[(&str, &Image)]) -> Descriptor {
        let media_type = if docker { MediaType::DOCKER_LIST } else { MediaType::OCI_INDEX };
        let manifests = images.iter().map(|(platform, image)| {
            let platform: Platform = platform.parse().unwrap();
            Descriptor { platform: Some(platform), ..image.manifest.clone() }
        });
        let index = Index {
            schema_version: 2,
            media_type: Some(media_type.into()),
            manifests: manifests.collect(),
            annotations: BTreeMap::new(),
        };
        self.manifest(media_type, serde_json::to_vec(&index).unwrap())
    }

    pub fn tag(&mut self, tag: &str, descriptor: &Descriptor) {
        self.tags.insert(tag.into(), descriptor.clone());
    }

    /// The manifest under a tag or digest, with its media type.
    pub fn find(&self, name: &str) -> Option<(&str, &[u8])> {
        let digest = self.tags.get(name).map(|descriptor| descriptor.digest).or(name.parse().ok())?;
        let found = self.manifests.iter().find(|(_, bytes)| Digest::of(bytes) == digest);
        found.map(|(media_type, bytes)| (media_type.as_str(), bytes.as_slice()))
    }
}
