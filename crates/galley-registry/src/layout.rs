//! A directory in the OCI image layout as a place that images come from (OCI image-spec, image-layout.md).

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use galley_image::{Descriptor, Digest, Index, Platform, Reference};

use crate::error::{Blob, RegistryError};
use crate::images::{Images, RemoteImage};
use crate::resolve::{self, CONFIG_LIMIT, Found, MANIFEST_LIMIT, Source};
use crate::verify::VerifyingReader;

/// An OCI image layout. References choose among its images by digest, or by tag as it stands in the annotation
/// `org.opencontainers.image.ref.name`; registry and repository are not looked at, unless the annotation holds a whole
/// name. A layout with one image gives that one for `latest`.
#[derive(Clone, Debug)]
pub struct OciLayout {
    directory: PathBuf,
}

const REF_NAME: &str = "org.opencontainers.image.ref.name";
/// Containerd's and docker's archives keep the whole name here.
const IMAGE_NAME: &str = "io.containerd.image.name";

impl OciLayout {
    /// Opens a directory.
    ///
    /// # Errors
    /// [`RegistryError::Layout`] where `oci-layout` or `index.json` is missing, or the version is not 1.
    pub fn open(directory: &Path) -> Result<Self, RegistryError> {
        #[derive(serde::Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Marker {
            image_layout_version: String,
        }
        let layout = Self { directory: directory.into() };
        let marker = layout.read(&directory.join("oci-layout"), MANIFEST_LIMIT, None);
        let marker = marker.map_err(|error| layout.refused(format!("{error}")))?;
        let marker: Marker = serde_json::from_slice(&marker)
            .map_err(|error| layout.refused(format!("its file oci-layout is malformed: {error}")))?;
        if !marker.image_layout_version.starts_with("1.") {
            return Err(layout.refused(format!("its version is {}, not 1", marker.image_layout_version)));
        }
        layout.index()?;
        Ok(layout)
    }

    /// What `index.json` lists: names (tags, or whole names) and what they point at.
    ///
    /// # Errors
    /// [`RegistryError::Layout`].
    pub fn index(&self) -> Result<Index, RegistryError> {
        let bytes = self.read(&self.directory.join("index.json"), MANIFEST_LIMIT, None);
        let bytes = bytes.map_err(|error| self.refused(format!("{error}")))?;
        serde_json::from_slice(&bytes)
            .map_err(|error| self.refused(format!("its index.json is malformed: {error}")))
    }

    fn refused(&self, detail: String) -> RegistryError {
        RegistryError::Layout { directory: self.directory.clone(), detail }
    }

    fn blob_path(&self, digest: Digest) -> PathBuf {
        self.directory.join("blobs/sha256").join(digest.hex())
    }

    /// What the reference names.
    fn find(&self, reference: &Reference) -> Result<Digest, RegistryError> {
        if let Some(digest) = reference.digest() {
            return Ok(digest);
        }
        let index = self.index()?;
        let tag = reference.tag().unwrap_or("latest");
        let whole = format!("{}/{}:{tag}", reference.registry(), reference.repository());
        let familiar = reference.familiar();
        let named = |descriptor: &&Descriptor| {
            [REF_NAME, IMAGE_NAME]
                .iter()
                .filter_map(|key| descriptor.annotations.get(*key))
                .any(|name| *name == whole || *name == familiar || name == tag)
        };
        let lone = || match index.manifests.as_slice() {
            [only] if tag == "latest" => Some(only),
            _ => None,
        };
        let found = index.manifests.iter().find(named).or_else(lone);
        found.map(|descriptor| descriptor.digest).ok_or_else(|| {
            let names: Vec<_> = index.manifests.iter().filter_map(|d| d.annotations.get(REF_NAME)).collect();
            let listed = match names.as_slice() {
                [] => "its images have no names; name one by digest".to_owned(),
                names => format!(
                    "it has {}",
                    names.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(", ")
                ),
            };
            self.refused(format!("it has no image `{tag}`: {listed}"))
        })
    }

    /// Reads a small file; a missing one is reported as `missing`.
    fn read(
        &self,
        file: &Path,
        limit: u64,
        missing: Option<RegistryError>,
    ) -> Result<Vec<u8>, RegistryError> {
        let failed = |error: std::io::Error| RegistryError::File { file: file.into(), error };
        let opened = match (File::open(file), missing) {
            (Err(error), Some(missing)) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(missing);
            }
            (opened, _) => opened.map_err(failed)?,
        };
        let mut bytes = Vec::new();
        opened.take(limit + 1).read_to_end(&mut bytes).map_err(failed)?;
        if bytes.len() as u64 > limit {
            return Err(self.refused(format!("its file {} is larger than {limit} bytes", file.display())));
        }
        Ok(bytes)
    }
}

impl Images for OciLayout {
    fn resolve(&self, reference: &Reference, platform: &Platform) -> Result<RemoteImage, RegistryError> {
        resolve::resolve(self, reference, platform)
    }

    fn blob(
        &self,
        reference: &Reference,
        descriptor: &Descriptor,
        offset: u64,
    ) -> Result<Box<dyn Read + Send>, RegistryError> {
        let path = self.blob_path(descriptor.digest);
        let blob = || Blob::layer(reference, descriptor.digest);
        let failed = |error: std::io::Error| RegistryError::File { file: path.clone(), error };
        let mut file = File::open(&path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => self.missing(blob()),
            _ => failed(error),
        })?;
        if offset == 0 {
            return Ok(Box::new(VerifyingReader::new(file, descriptor, blob())));
        }
        let found = file.metadata().map_err(failed)?.len();
        if found != descriptor.size {
            return Err(RegistryError::Size { what: blob(), expected: descriptor.size, found });
        }
        file.seek(SeekFrom::Start(offset)).map_err(failed)?;
        Ok(Box::new(file))
    }
}

impl OciLayout {
    fn missing(&self, blob: Blob) -> RegistryError {
        RegistryError::BlobNotFound { blob, registry: self.directory.display().to_string() }
    }
}

impl Source for OciLayout {
    fn manifest(&self, reference: &Reference, digest: Option<Digest>) -> Result<Found, RegistryError> {
        let digest = digest.map_or_else(|| self.find(reference), Ok)?;
        let missing = RegistryError::NotFound {
            image: reference.familiar(),
            registry: self.directory.display().to_string(),
        };
        let bytes = self.read(&self.blob_path(digest), MANIFEST_LIMIT, Some(missing))?;
        resolve::check_digest(&bytes, digest, || Blob::manifest(reference))?;
        Ok(Found { bytes, media_type: None })
    }

    fn config(&self, reference: &Reference, descriptor: &Descriptor) -> Result<Vec<u8>, RegistryError> {
        let missing = self.missing(Blob::config(reference));
        let bytes = self.read(&self.blob_path(descriptor.digest), CONFIG_LIMIT, Some(missing))?;
        resolve::check_size(&bytes, descriptor.size, || Blob::config(reference))?;
        resolve::check_digest(&bytes, descriptor.digest, || Blob::config(reference))?;
        Ok(bytes)
    }
}
