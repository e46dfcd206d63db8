//! The images that an archive's descriptions name.

use std::io::Read;

use galley_image::{Descriptor, Digest, ImageConfig, Index, Manifest, MediaType, Platform, Reference};
use galley_store::{ImageLayer, Store};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::ArchiveError;
use super::contents::Contents;

/// An image as an archive describes it.
pub struct Described {
    pub config: Vec<u8>,
    pub layers: Vec<ImageLayer>,
    pub manifest: Option<Vec<u8>>,
    pub tags: Vec<Reference>,
}

/// How many indexes may lie in one another.
const DEEPEST_INDEX: usize = 4;

/// Every image, in the archive's order. Where an archive is an OCI layout and a docker archive at once, the layout counts, and both give
/// names.
pub fn images(
    contents: &Contents,
    store: &Store,
    platform: &Platform,
) -> Result<Vec<Described>, ArchiveError> {
    let docker: Option<Vec<DockerImage>> = match contents.description("manifest.json") {
        Some(bytes) => Some(parse("manifest.json", bytes)?),
        None => None,
    };
    let Some(index) = contents.description("index.json") else {
        let docker = docker.ok_or(ArchiveError::NoImages)?;
        return docker.iter().map(|image| of_docker(image, contents, store)).collect();
    };
    let index: Index = parse("index.json", index)?;
    let mut images: Vec<Described> = Vec::new();
    for descriptor in &index.manifests {
        let Some(manifest) = find_manifest(descriptor, contents, store, platform, DEEPEST_INDEX)? else {
            continue;
        };
        let mut image = of_oci(&manifest, contents, store)?;
        image.tags.extend(name_of(descriptor));
        let id = Digest::of(&image.config);
        let named = docker
            .iter()
            .flatten()
            .filter(|docker| contents.blob(&docker.config).is_some_and(|blob| blob.0 == id));
        for tag in named.flat_map(DockerImage::tags) {
            if !image.tags.contains(&tag) {
                image.tags.push(tag);
            }
        }
        match images.iter_mut().find(|other| Digest::of(&other.config) == id) {
            Some(same) => same
                .tags
                .extend(image.tags.into_iter().filter(|tag| !same.tags.contains(tag)).collect::<Vec<_>>()),
            None => images.push(image),
        }
    }
    if images.is_empty() { Err(ArchiveError::Platform(platform.clone())) } else { Ok(images) }
}

fn parse<T: DeserializeOwned>(file: &str, bytes: &[u8]) -> Result<T, ArchiveError> {
    serde_json::from_slice(bytes)
        .map_err(|error| ArchiveError::Description { file: file.into(), problem: error.to_string() })
}

fn blob(
    descriptor: &Descriptor,
    by: &str,
    contents: &Contents,
    store: &Store,
) -> Result<Vec<u8>, ArchiveError> {
    if contents.has(&descriptor.digest) {
        return Ok(store.read_blob(&descriptor.digest)?);
    }
    Err(ArchiveError::Missing { what: descriptor.digest.to_string(), by: by.into() })
}

/// The manifest behind a descriptor of `index.json`; `None` where it is for another platform, or not of an image at all.
fn find_manifest(
    descriptor: &Descriptor,
    contents: &Contents,
    store: &Store,
    platform: &Platform,
    depth: usize,
) -> Result<Option<Descriptor>, ArchiveError> {
    if !MediaType::is_index(&descriptor.media_type) {
        let fits = descriptor.platform.as_ref().is_none_or(|offered| platform.accepts(offered));
        return Ok(fits.then(|| descriptor.clone()));
    }
    if depth == 0 {
        let problem = "indexes lie in one another without end".into();
        return Err(ArchiveError::Description { file: "index.json".into(), problem });
    }
    let index: Index =
        parse(&descriptor.digest.to_string(), &blob(descriptor, "index.json", contents, store)?)?;
    match index.select(platform) {
        Some(selected) => find_manifest(selected, contents, store, platform, depth - 1),
        None => Ok(None),
    }
}

/// The name that a descriptor of `index.json` carries: containerd's annotation, or the OCI one where it is a whole name and not just a tag.
fn name_of(descriptor: &Descriptor) -> Option<Reference> {
    let annotation = |name: &str| descriptor.annotations.get(name);
    let whole = |name: &&String| name.contains(['/', ':']);
    annotation("io.containerd.image.name")
        .or_else(|| annotation("org.opencontainers.image.ref.name").filter(whole))
        .and_then(|name| name.parse().ok())
}

fn of_oci(descriptor: &Descriptor, contents: &Contents, store: &Store) -> Result<Described, ArchiveError> {
    let bytes = blob(descriptor, "index.json", contents, store)?;
    let by = descriptor.digest.to_string();
    let manifest: Manifest = parse(&by, &bytes)?;
    let config_bytes = blob(&manifest.config, &by, contents, store)?;
    let config: ImageConfig = parse(&manifest.config.digest.to_string(), &config_bytes)?;
    for layer in &manifest.layers {
        // A layer that is kept elsewhere need not come along.
        if layer.urls.is_empty() && !contents.has(&layer.digest) {
            return Err(ArchiveError::Missing { what: layer.digest.to_string(), by });
        }
    }
    let layers = pair(&config, manifest.layers, &by)?;
    Ok(Described { config: config_bytes, layers, manifest: Some(bytes), tags: Vec::new() })
}

fn pair(config: &ImageConfig, blobs: Vec<Descriptor>, file: &str) -> Result<Vec<ImageLayer>, ArchiveError> {
    let diff_ids = &config.rootfs.diff_ids;
    if diff_ids.len() != blobs.len() {
        let problem = format!("it has {} layers, and the configuration {}", blobs.len(), diff_ids.len());
        return Err(ArchiveError::Description { file: file.into(), problem });
    }
    let layer = |(diff_id, blob): (&_, _)| ImageLayer { diff_id: *diff_id, blob: Some(blob), snapshot: None };
    Ok(diff_ids.iter().zip(blobs).map(layer).collect())
}

/// One image in docker's `manifest.json`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DockerImage {
    config: String,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    layers: Vec<String>,
}

impl DockerImage {
    fn tags(&self) -> Vec<Reference> {
        self.repo_tags.iter().flatten().filter_map(|tag| tag.parse().ok()).collect()
    }
}

fn of_docker(image: &DockerImage, contents: &Contents, store: &Store) -> Result<Described, ArchiveError> {
    let by = "manifest.json";
    let missing = |what: &String| ArchiveError::Missing { what: what.clone(), by: by.into() };
    let (digest, _) = contents.blob(&image.config).ok_or_else(|| missing(&image.config))?;
    let config_bytes = store.read_blob(&digest)?;
    let config: ImageConfig = parse(&image.config, &config_bytes)?;
    let mut blobs = Vec::new();
    for path in &image.layers {
        let (digest, size) = contents.blob(path).ok_or_else(|| missing(path))?;
        blobs.push(Descriptor::new(layer_type(&digest, store)?, digest, size));
    }
    let layers = pair(&config, blobs, by)?;
    Ok(Described { config: config_bytes, layers, manifest: None, tags: image.tags() })
}

/// Docker's layers say nothing of their compression: they are tars, unless somebody compressed them.
fn layer_type(digest: &Digest, store: &Store) -> Result<&'static str, ArchiveError> {
    let mut start = Vec::new();
    let read = store.open_blob(digest)?.take(4).read_to_end(&mut start);
    read.map_err(|source| ArchiveError::Read { path: store.blob_path(digest), source })?;
    Ok(match start.as_slice() {
        [0x1f, 0x8b, ..] => MediaType::OCI_LAYER_GZIP,
        [0x28, 0xb5, 0x2f, 0xfd] => MediaType::OCI_LAYER_ZSTD,
        _ => MediaType::OCI_LAYER,
    })
}
