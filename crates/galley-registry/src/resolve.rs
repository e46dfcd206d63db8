//! From a reference to the manifest and configuration for one platform: the same for every place that images come from.

use galley_image::{Descriptor, Digest, ImageConfig, Index, Manifest, MediaType, Platform, Reference};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::error::{Blob, RegistryError};
use crate::images::RemoteImage;

/// Distribution's own limit for manifests (distribution-spec, "Pushing Manifests").
pub(crate) const MANIFEST_LIMIT: u64 = 4 << 20;

/// Configurations hold a few kilobytes; BuildKit's may carry the build's provenance.
pub(crate) const CONFIG_LIMIT: u64 = 8 << 20;

/// Indexes of indexes are allowed; endless ones are not.
const DEEPEST_INDEX: usize = 4;

/// A manifest or index as its place gave it.
pub(crate) struct Found {
    pub bytes: Vec<u8>,
    /// As the place says; the bytes say it too, mostly.
    pub media_type: Option<String>,
}

/// What [`resolve`] asks a place for. Answers are checked against the digests that were asked for.
pub(crate) trait Source {
    /// The manifest or index with `digest`, or the one that `reference` names by digest or tag.
    fn manifest(&self, reference: &Reference, digest: Option<Digest>) -> Result<Found, RegistryError>;

    /// The configuration, at most [`CONFIG_LIMIT`] bytes long.
    fn config(&self, reference: &Reference, descriptor: &Descriptor) -> Result<Vec<u8>, RegistryError>;
}

/// Finds the image for `platform`.
pub(crate) fn resolve(
    source: &impl Source,
    reference: &Reference,
    platform: &Platform,
) -> Result<RemoteImage, RegistryError> {
    let mut found = source.manifest(reference, None)?;
    let pinned = reference.with_digest(Digest::of(&found.bytes));
    for _ in 0..DEEPEST_INDEX {
        let media_type = media_type(reference, &found)?;
        if !MediaType::is_index(&media_type) {
            return image(source, pinned, found.bytes, &media_type);
        }
        let index: Index = json(&found.bytes, || Blob::manifest(reference))?;
        let Some(descriptor) = index.select(platform) else {
            let offered = index.manifests.iter().filter_map(|manifest| manifest.platform.clone());
            return Err(RegistryError::Platform {
                image: reference.familiar(),
                asked: Box::new(platform.clone()),
                offered: offered.filter(|offered| offered.os != "unknown").collect(),
            });
        };
        found = source.manifest(reference, Some(descriptor.digest))?;
        check_size(&found.bytes, descriptor.size, || Blob::manifest(reference))?;
    }
    Err(malformed(Blob::manifest(reference), "its indexes are nested too deeply".into()))
}

fn image(
    source: &impl Source,
    reference: Reference,
    manifest_bytes: Vec<u8>,
    media_type: &str,
) -> Result<RemoteImage, RegistryError> {
    let manifest: Manifest = json(&manifest_bytes, || Blob::manifest(&reference))?;
    if !matches!(manifest.config.media_type.as_str(), MediaType::OCI_CONFIG | MediaType::DOCKER_CONFIG) {
        // Charts, signatures and other artifacts are stored as manifests, too.
        let media_type = manifest.config.media_type;
        return Err(RegistryError::MediaType { image: reference.familiar(), media_type });
    }
    if manifest.config.size > CONFIG_LIMIT {
        return Err(RegistryError::TooLarge { what: Blob::config(&reference), limit: CONFIG_LIMIT });
    }
    let config_bytes = source.config(&reference, &manifest.config)?;
    let config: ImageConfig = json(&config_bytes, || Blob::config(&reference))?;
    let (layers, diff_ids) = (manifest.layers.len(), config.rootfs.diff_ids.len());
    if layers != diff_ids {
        let detail = format!("it has {diff_ids} diff IDs for {layers} layers");
        return Err(malformed(Blob::config(&reference), detail));
    }
    let manifest_descriptor =
        Descriptor::new(media_type, Digest::of(&manifest_bytes), manifest_bytes.len() as u64);
    Ok(RemoteImage { reference, manifest, manifest_bytes, manifest_descriptor, config, config_bytes })
}

/// What a manifest is. A document that could be read as an image and as an index is refused: two programs would see
/// different images (CVE-2021-41190).
fn media_type(reference: &Reference, found: &Found) -> Result<String, RegistryError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Head {
        schema_version: Option<u32>,
        media_type: Option<String>,
        manifests: Option<serde::de::IgnoredAny>,
        config: Option<serde::de::IgnoredAny>,
        layers: Option<serde::de::IgnoredAny>,
    }
    let head: Head = json(&found.bytes, || Blob::manifest(reference))?;
    let (index, manifest) = (head.manifests.is_some(), head.config.is_some() || head.layers.is_some());
    if index && manifest {
        return Err(malformed(Blob::manifest(reference), "it is an index and an image at once".into()));
    }
    let said = head.media_type.as_deref().or(found.media_type.as_deref()).unwrap_or_default();
    let fitting = match said {
        MediaType::OCI_INDEX | MediaType::DOCKER_LIST => index,
        MediaType::OCI_MANIFEST | MediaType::DOCKER_MANIFEST => manifest,
        // Static file servers and old registries do not say what it is; the content does.
        _ if head.schema_version == Some(2) && index => return Ok(MediaType::OCI_INDEX.into()),
        _ if head.schema_version == Some(2) && manifest => return Ok(MediaType::OCI_MANIFEST.into()),
        other => {
            let media_type = if head.schema_version == Some(1) { "docker schema 1" } else { other };
            return Err(RegistryError::MediaType {
                image: reference.familiar(),
                media_type: media_type.into(),
            });
        }
    };
    if !fitting {
        return Err(malformed(
            Blob::manifest(reference),
            format!("its content does not fit its type `{said}`"),
        ));
    }
    Ok(said.to_owned())
}

fn json<T: DeserializeOwned>(bytes: &[u8], what: impl Fn() -> Blob) -> Result<T, RegistryError> {
    serde_json::from_slice(bytes).map_err(|error| malformed(what(), error.to_string()))
}

fn malformed(what: Blob, detail: String) -> RegistryError {
    RegistryError::Malformed { what, detail }
}

pub(crate) fn check_digest(
    bytes: &[u8],
    expected: Digest,
    what: impl Fn() -> Blob,
) -> Result<(), RegistryError> {
    let found = Digest::of(bytes);
    if found == expected { Ok(()) } else { Err(RegistryError::Digest { what: what(), expected, found }) }
}

pub(crate) fn check_size(bytes: &[u8], expected: u64, what: impl Fn() -> Blob) -> Result<(), RegistryError> {
    let found = bytes.len() as u64;
    if found == expected { Ok(()) } else { Err(RegistryError::Size { what: what(), expected, found }) }
}
