//! The blobs of an image: every layer as a compressed blob in the store, a configuration, a manifest.

use std::collections::HashMap;
use std::io::Write;

use galley_image::layer_tar::TarProfile;
use galley_image::{Descriptor, DiffId, Digest, ImageConfig, Manifest, MediaType, Platform};
use galley_store::{Image, ImageLayer, NewImage, Store, StoreError};

use super::{ExportError, gzip};

/// An image whose blobs are all in the store.
#[derive(Clone, Debug)]
pub struct Packaged {
    /// Points at the manifest, which is a blob too.
    pub manifest: Descriptor,
    /// Points at the configuration.
    pub config: Descriptor,
    /// Points at the layers, lowest first.
    pub layers: Vec<Descriptor>,
    /// The image's platform.
    pub platform: Platform,
}

/// Makes the blobs that `image` lacks. A layer that any image of the store has as a blob is taken from there; the others
/// are packed with `profile` and compressed, and the image remembers them.
///
/// # Errors
/// [`ExportError::MissingBlob`] for a layer of another builder whose blob is gone, [`ExportError::MissingLayer`] for one of galley's whose files
/// are, and [`ExportError::Store`].
pub fn package(store: &Store, image: &Image, profile: &TarProfile) -> Result<Packaged, ExportError> {
    let bad = |error: serde_json::Error| StoreError::BadImage { image: image.id, reason: error.to_string() };
    let config: ImageConfig = serde_json::from_slice(&image.config).map_err(bad)?;
    let known = known_blobs(store)?;
    let mut layers: Vec<ImageLayer> = image.layers.clone();
    for layer in &mut layers {
        let named = layer.blob.take();
        let present = named.clone().filter(|blob| store.has_blob(&blob.digest));
        layer.blob = match present.or_else(|| known.get(&layer.diff_id).cloned()) {
            Some(blob) => Some(blob),
            None => match named {
                Some(blob) => return Err(ExportError::MissingBlob(Box::new(blob))),
                None => Some(pack(store, layer, &[*profile, built_with(&config)])?),
            },
        };
    }
    let blobs: Vec<Descriptor> = layers.iter().filter_map(|layer| layer.blob.clone()).collect();
    store.put_blob(&image.config)?;
    let size = |bytes: &[u8]| bytes.len() as u64;
    let config_blob = Descriptor::new(MediaType::OCI_CONFIG, image.id, size(&image.config));
    // A manifest that the image came with keeps its digest.
    let came_with = image.manifest.clone().filter(|bytes| names_present(store, bytes));
    let bytes = match came_with {
        Some(bytes) => bytes,
        None => manifest_bytes(&config_blob, &blobs),
    };
    let media_type = media_type_of(&bytes);
    let manifest = Descriptor::new(&media_type, store.put_blob(&bytes)?, size(&bytes));
    store.put_image(&NewImage { config: image.config.clone(), layers, manifest: Some(bytes) })?;
    Ok(Packaged { manifest, config: config_blob, layers: blobs, platform: config.platform })
}

/// Blobs of all images of the store, by the layer that they hold.
fn known_blobs(store: &Store) -> Result<HashMap<DiffId, Descriptor>, ExportError> {
    let layers = store.images()?.into_iter().flat_map(|image| image.layers);
    let named = layers.filter_map(|layer| Some((layer.diff_id, layer.blob?)));
    Ok(named.filter(|(_, blob)| store.has_blob(&blob.digest)).collect())
}

/// The profile that the image's own time speaks for: a build with `SOURCE_DATE_EPOCH` writes that time down, and
/// saving the image later has to pack the same bytes without being told.
fn built_with(config: &ImageConfig) -> TarProfile {
    let created = config.created.as_deref().and_then(|text| humantime::parse_rfc3339(text).ok());
    let since = created.and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
    TarProfile::current(since.and_then(|since| i64::try_from(since.as_secs()).ok()))
}

/// Packs and compresses a layer with the first of `profiles` that gives its diff ID.
fn pack(store: &Store, layer: &ImageLayer, profiles: &[TarProfile]) -> Result<Descriptor, ExportError> {
    let snapshot = layer.snapshot.ok_or(ExportError::MissingLayer(layer.diff_id.0))?;
    let snapshot = store.snapshot(snapshot)?;
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    for profile in profiles {
        // Remembered from the build, so that nothing is packed to find it out.
        if store.diff_id(snapshot.layer, profile)? != layer.diff_id {
            continue;
        }
        let mut blob = store.blob_writer()?;
        gzip::compress(&mut blob, threads, |out: &mut dyn Write| {
            store.pack_layer(snapshot.layer, profile, out).map_err(ExportError::from)
        })?;
        let (digest, size) = blob.finish_any()?;
        return Ok(Descriptor::new(MediaType::OCI_LAYER_GZIP, digest, size));
    }
    Err(ExportError::OtherProfile(layer.diff_id.0))
}

fn manifest_bytes(config: &Descriptor, layers: &[Descriptor]) -> Vec<u8> {
    let as_oci = |layer: &Descriptor| match layer.media_type.as_str() {
        MediaType::DOCKER_LAYER_GZIP => {
            Descriptor { media_type: MediaType::OCI_LAYER_GZIP.into(), ..layer.clone() }
        }
        _ => layer.clone(),
    };
    let manifest = Manifest {
        schema_version: 2,
        media_type: Some(MediaType::OCI_MANIFEST.into()),
        config: config.clone(),
        layers: layers.iter().map(as_oci).collect(),
        annotations: std::collections::BTreeMap::new(),
    };
    // Strings, numbers and maps with string keys: JSON can always write them.
    serde_json::to_vec(&manifest).unwrap_or_default()
}

/// Whether every blob that a manifest names is in the store.
fn names_present(store: &Store, manifest: &[u8]) -> bool {
    serde_json::from_slice::<Manifest>(manifest)
        .is_ok_and(|manifest| manifest.layers.iter().all(|layer| store.has_blob(&layer.digest)))
}

fn media_type_of(manifest: &[u8]) -> String {
    let media_type =
        serde_json::from_slice::<Manifest>(manifest).ok().and_then(|manifest| manifest.media_type);
    media_type.unwrap_or_else(|| MediaType::OCI_MANIFEST.into())
}

/// All blobs of an image, each once: what an archive holds.
pub(super) fn all(packaged: &Packaged) -> Vec<Digest> {
    let mut digests = vec![packaged.manifest.digest, packaged.config.digest];
    digests.extend(packaged.layers.iter().map(|layer| layer.digest));
    digests.sort_unstable();
    digests.dedup();
    digests
}
