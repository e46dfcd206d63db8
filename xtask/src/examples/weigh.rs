//! What an image weighs: each layer of the saved image is unpacked and counted, whatever galley says of it.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;

use super::Workshop;
use crate::Result;

/// The size of an image.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Weight {
    pub(super) layers: usize,
    /// Bytes of the layers' tar files.
    pub(super) plain: u64,
    /// Bytes of the same, compressed.
    pub(super) packed: u64,
}

/// Weighs images; layers that several of them have are unpacked once.
#[derive(Default)]
pub(super) struct Scales {
    /// Bytes of the tar file, by the digest of the blob.
    known: HashMap<String, u64>,
}

impl Scales {
    /// Saves the image, and weighs every layer of it.
    ///
    /// # Errors
    /// An image that cannot be saved, or an archive that is none.
    pub(super) fn weigh(&mut self, workshop: &Workshop, image: &str) -> Result<Weight> {
        let directory = workshop.path("saved");
        let archive = workshop.path("archive");
        let mut save = workshop.builder.command();
        // Layers of a base may have to be fetched first. The archive comes through standard output: the directory is not the plain user's.
        save.args(["save", "--progress=quiet", image]).args(&workshop.config);
        let status = save.stdout(File::create(&archive)?).status()?;
        if !status.success() {
            return Err(format!("{save:?}: {status}").into());
        }
        tar::Archive::new(File::open(&archive)?).unpack(&directory)?;
        fs::remove_file(&archive)?;
        let json =
            |path: PathBuf| -> Result<serde_json::Value> { Ok(serde_json::from_slice(&fs::read(path)?)?) };
        let index = json(directory.join("index.json"))?;
        let manifest = json(blob(&directory, digest(&index["manifests"][0])?))?;
        let mut weight = Weight::default();
        for layer in manifest["layers"].as_array().ok_or("the saved manifest has no layers")? {
            weight.layers += 1;
            weight.packed += layer["size"].as_u64().ok_or("a layer has no size")?;
            weight.plain += self.unpacked_size(&directory, digest(layer)?)?;
        }
        fs::remove_dir_all(&directory)?;
        Ok(weight)
    }

    /// How many bytes a layer's tar file has.
    fn unpacked_size(&mut self, layout: &Path, digest: &str) -> Result<u64> {
        if let Some(size) = self.known.get(digest) {
            return Ok(*size);
        }
        let size = io::copy(&mut MultiGzDecoder::new(File::open(blob(layout, digest))?), &mut io::sink())
            .map_err(|error| format!("layer {digest}: {error}"))?;
        self.known.insert(digest.to_owned(), size);
        Ok(size)
    }
}

/// The digest in a descriptor.
fn digest(descriptor: &serde_json::Value) -> Result<&str> {
    descriptor["digest"].as_str().ok_or_else(|| "a descriptor has no digest".into())
}

/// Where the blob of that digest lies in an OCI layout.
fn blob(layout: &Path, digest: &str) -> PathBuf {
    layout.join("blobs").join(digest.replace(':', "/"))
}
