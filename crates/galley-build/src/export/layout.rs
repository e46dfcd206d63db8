//! The small files of an OCI image layout (OCI image-spec, image-layout.md), and the layout as a directory.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::Path;

use galley_image::{Descriptor, Index, MediaType, Reference};
use galley_store::Store;

use super::blobs::{self, Packaged};
use super::{ExportError, target};
use crate::request::Destination;

/// The content of `oci-layout`.
pub(super) const OCI_LAYOUT: &str = r#"{"imageLayoutVersion":"1.0.0"}"#;

/// The tag alone, as OCI tools look it up.
pub(super) const REF_NAME: &str = "org.opencontainers.image.ref.name";
/// The whole name, as containerd and docker look it up.
pub(super) const IMAGE_NAME: &str = "io.containerd.image.name";

/// The content of `index.json`: the manifest once for each name.
pub(super) fn index(packaged: &Packaged, tags: &[Reference]) -> Vec<u8> {
    let plain = Descriptor { platform: Some(packaged.platform.clone()), ..packaged.manifest.clone() };
    let named = |tag: &Reference| {
        let mut annotations = BTreeMap::from([(IMAGE_NAME.to_owned(), tag.to_string())]);
        annotations.extend(tag.tag().map(|tag| (REF_NAME.to_owned(), tag.to_owned())));
        Descriptor { annotations, ..plain.clone() }
    };
    let index = Index {
        schema_version: 2,
        media_type: Some(MediaType::OCI_INDEX.into()),
        manifests: if tags.is_empty() { vec![plain.clone()] } else { tags.iter().map(named).collect() },
        annotations: BTreeMap::new(),
    };
    // Strings, numbers and maps with string keys: JSON can always write them.
    serde_json::to_vec(&index).unwrap_or_default()
}

/// Writes the layout into the directory `root`, which may exist; other blobs in it stay. Returns the bytes of its files.
/// `index.json` comes last, so that a layout without it is no layout yet.
pub(super) fn directory(
    store: &Store,
    packaged: &Packaged,
    tags: &[Reference],
    root: &Path,
) -> Result<u64, ExportError> {
    let directory = root.join("blobs/sha256");
    fs::create_dir_all(&directory).map_err(ExportError::write(&directory))?;
    let mut size = 0;
    for digest in blobs::all(packaged) {
        let mut blob = store.open_blob(&digest)?;
        size += file(&directory.join(digest.hex()), &mut blob)?;
    }
    size += file(&root.join("oci-layout"), &mut OCI_LAYOUT.as_bytes())?;
    size += file(&root.join("index.json"), &mut index(packaged, tags).as_slice())?;
    Ok(size)
}

fn file(path: &Path, content: &mut dyn io::Read) -> Result<u64, ExportError> {
    let written = target::write(&Destination::Path(path.into()), |out| {
        io::copy(content, out).map_err(ExportError::write(path))?;
        Ok(None)
    })?;
    Ok(written.size)
}

/// The bytes of a blob and its length.
pub(super) fn blob(store: &Store, digest: &galley_image::Digest) -> Result<(File, u64), ExportError> {
    let file = store.open_blob(digest)?;
    let length = file.metadata().map_err(ExportError::write(&store.blob_path(digest)))?.len();
    Ok((file, length))
}
