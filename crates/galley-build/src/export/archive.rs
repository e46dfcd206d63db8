//! Images in one tar: an OCI layout, and, with `manifest.json` beside it, what `docker save` writes since docker 25.

use std::io::{self, Read, Write};
use std::path::Path;

use galley_image::Reference;
use galley_store::Store;
use serde::Serialize;

use super::{ExportError, Named, blobs, layout};

/// One image in docker's `manifest.json`.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
struct DockerManifest {
    /// Path of the configuration in the archive.
    config: String,
    /// Names, as people write them.
    repo_tags: Vec<String>,
    /// Paths of the layers in the archive, lowest first.
    layers: Vec<String>,
}

/// Writes the archive. The same images and names give the same bytes: no times, no owners, a fixed order.
pub(super) fn write(
    store: &Store,
    images: &[Named],
    docker: bool,
    out: &mut dyn Write,
) -> Result<(), ExportError> {
    let failed = ExportError::write(Path::new("the image archive"));
    let mut archive = tar::Builder::new(out);
    for directory in ["blobs/", "blobs/sha256/"] {
        let mut header = header(0, 0o755);
        header.set_entry_type(tar::EntryType::Directory);
        archive.append_data(&mut header, directory, io::empty()).map_err(&failed)?;
    }
    for digest in blobs::all(images) {
        let (mut blob, length) = layout::blob(store, &digest)?;
        append(&mut archive, &blob_name(&digest), length, &mut blob).map_err(&failed)?;
    }
    let index = layout::index(images);
    append(&mut archive, "index.json", index.len() as u64, &mut index.as_slice()).map_err(&failed)?;
    if docker {
        let manifest = docker_manifest(images);
        append(&mut archive, "manifest.json", manifest.len() as u64, &mut manifest.as_slice())
            .map_err(&failed)?;
    }
    let version = layout::OCI_LAYOUT.as_bytes();
    append(&mut archive, "oci-layout", version.len() as u64, &mut &*version).map_err(&failed)?;
    archive.finish().map_err(&failed)
}

fn blob_name(digest: &galley_image::Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}

fn docker_manifest(images: &[Named]) -> Vec<u8> {
    let manifest = |Named { packaged, tags }: &Named| DockerManifest {
        config: blob_name(&packaged.config.digest),
        repo_tags: tags.iter().map(Reference::familiar).collect(),
        layers: packaged.layers.iter().map(|layer| blob_name(&layer.digest)).collect(),
    };
    let manifests: Vec<DockerManifest> = images.iter().map(manifest).collect();
    // Strings alone: JSON can always write them.
    serde_json::to_vec(&manifests).unwrap_or_default()
}

fn header(size: u64, mode: u32) -> tar::Header {
    let mut header = tar::Header::new_ustar();
    header.set_size(size);
    header.set_mode(mode);
    header
}

fn append(
    archive: &mut tar::Builder<&mut dyn Write>,
    name: &str,
    size: u64,
    content: &mut dyn Read,
) -> io::Result<()> {
    archive.append_data(&mut header(size, 0o644), name, content)
}
