//! An image archive as a test sees it: read with the `tar` crate and nothing of galley's, so that it judges galley's own
//! writer, and its peers' by the same measure.

mod describe;
mod files;

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use serde_json::Value;

pub use describe::BUILT;
pub use files::{Content, Files, Node};

/// Why an archive is no image.
pub type ImageError = String;

/// An image: its configuration, and its layers merged.
#[derive(Debug, Clone)]
pub struct Image {
    /// The configuration (OCI image-spec, config.md).
    pub config: Value,
    /// How many layers there are.
    pub layers: usize,
    /// The files of all layers, whiteouts applied.
    pub files: Files,
}

impl Image {
    /// Reads a docker archive or an OCI layout, both in a plain tar.
    ///
    /// # Errors
    /// What is missing or damaged.
    pub fn read(archive: &Path) -> Result<Self, ImageError> {
        let failed = |error: &dyn std::fmt::Display| format!("{}: {error}", archive.display());
        let blobs = entries(archive).map_err(|error| failed(&error))?;
        let (config, layers) = if blobs.contains_key("manifest.json") { docker(&blobs) } else { oci(&blobs) }
            .map_err(|error| failed(&error))?;
        let mut files = Files::default();
        for layer in &layers {
            files.apply(layer).map_err(|error| failed(&error))?;
        }
        let ids = config["rootfs"]["diff_ids"].as_array().map_or(0, Vec::len);
        if ids != layers.len() {
            return Err(failed(&format!("{} layers, but {ids} diff IDs", layers.len())));
        }
        Ok(Self { config, layers: layers.len(), files })
    }

    /// Whether `base` is what this image begins with.
    #[must_use]
    pub fn stands_on(&self, base: &Image) -> bool {
        let ids = |image: &Image| image.config["rootfs"]["diff_ids"].as_array().cloned().unwrap_or_default();
        base.layers > 0 && ids(self).starts_with(&ids(base))
    }
}

type Blobs = HashMap<String, Vec<u8>>;

/// Every regular file of a tar, by its name.
fn entries(archive: &Path) -> std::io::Result<Blobs> {
    let mut found = Blobs::new();
    for entry in tar::Archive::new(BufReader::new(File::open(archive)?)).entries()? {
        let mut entry = entry?;
        if entry.header().entry_type().is_file() {
            let name = entry.path()?.to_string_lossy().trim_start_matches("./").to_owned();
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes)?;
            found.insert(name, bytes);
        }
    }
    Ok(found)
}

fn json(blobs: &Blobs, name: &str) -> Result<Value, ImageError> {
    let bytes = blobs.get(name).ok_or_else(|| format!("{name} is missing"))?;
    serde_json::from_slice(bytes).map_err(|error| format!("{name}: {error}"))
}

fn text(value: &Value, what: &str) -> Result<String, ImageError> {
    value.as_str().map(str::to_owned).ok_or_else(|| format!("no {what}"))
}

fn docker(blobs: &Blobs) -> Result<(Value, Vec<Vec<u8>>), ImageError> {
    let manifest = json(blobs, "manifest.json")?;
    let image = &manifest[0];
    let config = json(blobs, &text(&image["Config"], "Config")?)?;
    let names = image["Layers"].as_array().ok_or("no Layers")?;
    let layers = names.iter().map(|name| layer(blobs, &text(name, "name of a layer")?));
    Ok((config, layers.collect::<Result<_, _>>()?))
}

fn oci(blobs: &Blobs) -> Result<(Value, Vec<Vec<u8>>), ImageError> {
    let blob = |descriptor: &Value| -> Result<String, ImageError> {
        Ok(format!("blobs/{}", text(&descriptor["digest"], "digest")?.replacen(':', "/", 1)))
    };
    let mut manifest = json(blobs, &blob(&json(blobs, "index.json")?["manifests"][0])?)?;
    if manifest["manifests"].is_array() {
        manifest = json(blobs, &blob(&manifest["manifests"][0])?)?;
    }
    let config = json(blobs, &blob(&manifest["config"])?)?;
    let descriptors = manifest["layers"].as_array().ok_or("no layers")?;
    let layers = descriptors.iter().map(|descriptor| layer(blobs, &blob(descriptor)?));
    Ok((config, layers.collect::<Result<_, _>>()?))
}

/// A layer's tar, uncompressed.
fn layer(blobs: &Blobs, name: &str) -> Result<Vec<u8>, ImageError> {
    let bytes = blobs.get(name).ok_or_else(|| format!("layer {name} is missing"))?;
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return Ok(bytes.clone());
    }
    let mut plain = Vec::new();
    let read = flate2::read::MultiGzDecoder::new(bytes.as_slice()).read_to_end(&mut plain);
    read.map_err(|error| format!("layer {name}: {error}"))?;
    Ok(plain)
}
