//! The small files of an OCI image layout (OCI image-spec, image-layout.md), and the layout as a directory.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::Path;

use galley_image::{Descriptor, Index, MediaType, Reference};
use galley_store::Store;

use super::{ExportError, Named, blobs, target};
use crate::request::Destination;

/// The content of `oci-layout`.
pub(super) const OCI_LAYOUT: &str = r#"{"imageLayoutVersion":"1.0.0"}"#;

/// The tag alone, as OCI tools look it up.
pub(super) const REF_NAME: &str = "org.opencontainers.image.ref.name";
/// The whole name, as containerd and docker look it up.
pub(super) const IMAGE_NAME: &str = "io.containerd.image.name";

/// The content of `index.json`: each manifest once for each name.
pub(super) fn index(images: &[Named]) -> Vec<u8> {
    encode(images.iter().flat_map(entries).collect())
}

/// What the index at `root` lists when `images` are added: an image takes its names from those that had them.
fn merged(root: &Path, images: &[Named]) -> Result<Vec<Descriptor>, ExportError> {
    let path = root.join("index.json");
    let failed = ExportError::write(&path);
    let added: Vec<Descriptor> = images.iter().flat_map(entries).collect();
    let existing: Index = match fs::read(&path) {
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| failed(error.into()))?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(added),
        Err(error) => return Err(failed(error)),
    };
    let name = |entry: &Descriptor| {
        let named = entry.annotations.get(IMAGE_NAME).or_else(|| entry.annotations.get(REF_NAME));
        named.cloned().unwrap_or_else(|| entry.digest.to_string())
    };
    let taken: Vec<String> = added.iter().map(name).collect();
    let others = existing.manifests.into_iter().filter(|entry| !taken.contains(&name(entry)));
    Ok(others.chain(added).collect())
}

fn encode(manifests: Vec<Descriptor>) -> Vec<u8> {
    let media_type = Some(MediaType::OCI_INDEX.into());
    let index = Index { schema_version: 2, media_type, manifests, annotations: BTreeMap::new() };
    // Strings, numbers and maps with string keys: JSON can always write them.
    serde_json::to_vec(&index).unwrap_or_default()
}

fn entries(Named { packaged, tags }: &Named) -> Vec<Descriptor> {
    let plain = Descriptor { platform: Some(packaged.platform.clone()), ..packaged.manifest.clone() };
    let named = |tag: &Reference| {
        let mut annotations = BTreeMap::from([(IMAGE_NAME.to_owned(), tag.to_string())]);
        annotations.extend(tag.tag().map(|tag| (REF_NAME.to_owned(), tag.to_owned())));
        Descriptor { annotations, ..plain.clone() }
    };
    if tags.is_empty() { vec![plain.clone()] } else { tags.iter().map(named).collect() }
}

/// Writes the layout into the directory `root`. A layout that is there stays: images of other names are kept in its index.
/// Returns the bytes of the files written. `index.json` comes last, so that a layout without it is no layout yet.
pub(super) fn directory(store: &Store, images: &[Named], root: &Path) -> Result<u64, ExportError> {
    let manifests = merged(root, images)?;
    let directory = root.join("blobs/sha256");
    fs::create_dir_all(&directory).map_err(ExportError::write(&directory))?;
    let mut size = 0;
    for digest in blobs::all(images) {
        let mut blob = store.open_blob(&digest)?;
        size += file(&directory.join(digest.hex()), &mut blob)?;
    }
    size += file(&root.join("oci-layout"), &mut OCI_LAYOUT.as_bytes())?;
    size += file(&root.join("index.json"), &mut encode(manifests).as_slice())?;
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
