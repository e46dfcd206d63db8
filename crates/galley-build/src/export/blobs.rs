//! The blobs of an image: every layer as a compressed blob in the store, a configuration, a manifest.

use std::collections::HashMap;
use std::io::Write;

use galley_image::{Descriptor, DiffId, Digest, ImageConfig, Manifest, MediaType, Platform};
use galley_store::{Image, ImageLayer, NewImage, SnapshotState, Store, StoreError};

use super::{ExportError, Named, gzip};

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
/// are packed as they were when their diff IDs were made, and compressed; the image remembers them.
///
/// # Errors
/// [`ExportError::MissingBlob`] for a layer of another builder whose blob is gone, [`ExportError::MissingLayer`] for one of galley's whose files
/// are, and [`ExportError::Store`].
pub fn package(store: &Store, image: &Image) -> Result<Packaged, ExportError> {
    let bad = |error: serde_json::Error| StoreError::BadImage { image: image.id, reason: error.to_string() };
    let config: ImageConfig = serde_json::from_slice(&image.config).map_err(bad)?;
    let known = known(store)?;
    let mut layers: Vec<ImageLayer> = image.layers.clone();
    for layer in &mut layers {
        let named = layer.blob.take();
        let present = named.clone().filter(|blob| store.has_blob(&blob.digest));
        layer.blob = match present.or_else(|| known.get(&layer.diff_id).cloned()) {
            Some(blob) => Some(blob),
            None => match named {
                Some(blob) => return Err(ExportError::MissingBlob(Box::new(blob))),
                None => Some(pack(store, layer)?),
            },
        };
    }
    let blobs: Vec<Descriptor> = layers.iter().filter_map(|layer| layer.blob.clone()).collect();
    store.put_blob(&image.config)?;
    let size = |bytes: &[u8]| bytes.len() as u64;
    let config_blob = Descriptor::new(MediaType::OCI_CONFIG, image.id, size(&image.config));
    // An OCI manifest that the image came with keeps its digest; a layout has no place for one of docker's.
    let came_with = image.manifest.clone().filter(|bytes| is_oci(bytes) && names_present(store, bytes));
    let bytes = match came_with {
        Some(bytes) => bytes,
        None => manifest_bytes(&config_blob, &blobs),
    };
    let manifest = Descriptor::new(MediaType::OCI_MANIFEST, store.put_blob(&bytes)?, size(&bytes));
    let own = image.manifest.is_none().then_some(bytes);
    store.put_image(&NewImage { config: image.config.clone(), layers, manifest: own })?;
    Ok(Packaged { manifest, config: config_blob, layers: blobs, platform: config.platform })
}

/// Blobs of all images of the store, by the layer that they hold.
pub(super) fn known(store: &Store) -> Result<HashMap<DiffId, Descriptor>, StoreError> {
    let layers = store.images()?.into_iter().flat_map(|image| image.layers);
    let named = layers.filter_map(|layer| Some((layer.diff_id, layer.blob?)));
    Ok(named.filter(|(_, blob)| store.has_blob(&blob.digest)).collect())
}

/// Packs and compresses a layer the way that gave it its diff ID.
fn pack(store: &Store, layer: &ImageLayer) -> Result<Descriptor, ExportError> {
    let snapshot = layer.snapshot.ok_or(ExportError::MissingLayer(layer.diff_id.0))?;
    let snapshot = store.snapshot(snapshot)?;
    if snapshot.state == SnapshotState::Pruned {
        return Err(ExportError::MissingLayer(layer.diff_id.0));
    }
    let unknown = || ExportError::UnknownProfile(layer.diff_id.0);
    let profile = store.profile_of(snapshot.layer, layer.diff_id)?.ok_or_else(unknown)?;
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let mut blob = store.blob_writer()?;
    let packed = gzip::compress(&mut blob, threads, |out: &mut dyn Write| {
        store.pack_layer(snapshot.layer, &profile, out).map_err(ExportError::from)
    });
    let packed = packed.map_err(|error| match error {
        ExportError::Write { source, .. } => blob.failed(source).into(),
        error => error,
    })?;
    if packed != layer.diff_id {
        return Err(ExportError::Changed { expected: layer.diff_id.0, found: packed.0 });
    }
    let (digest, size) = blob.finish_any()?;
    Ok(Descriptor::new(MediaType::OCI_LAYER_GZIP, digest, size))
}

fn manifest_bytes(config: &Descriptor, layers: &[Descriptor]) -> Vec<u8> {
    let as_oci = |layer: &Descriptor| {
        let media_type = match layer.media_type.as_str() {
            MediaType::DOCKER_LAYER_GZIP => MediaType::OCI_LAYER_GZIP,
            MediaType::DOCKER_LAYER => MediaType::OCI_LAYER,
            MediaType::DOCKER_LAYER_ZSTD => MediaType::OCI_LAYER_ZSTD,
            other => other,
        };
        Descriptor { media_type: media_type.into(), ..layer.clone() }
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

/// Whether a manifest is OCI's: it says so, or says nothing and its configuration does.
fn is_oci(manifest: &[u8]) -> bool {
    serde_json::from_slice::<Manifest>(manifest).is_ok_and(|manifest| {
        manifest.media_type.as_deref().is_none_or(|media_type| media_type == MediaType::OCI_MANIFEST)
            && manifest.config.media_type == MediaType::OCI_CONFIG
    })
}

/// All blobs of the images, each once: what an archive holds.
pub(super) fn all(images: &[Named]) -> Vec<Digest> {
    let mut digests = Vec::new();
    for Named { packaged, .. } in images {
        digests.extend([packaged.manifest.digest, packaged.config.digest]);
        digests.extend(packaged.layers.iter().map(|layer| layer.digest));
    }
    digests.sort_unstable();
    digests.dedup();
    digests
}
