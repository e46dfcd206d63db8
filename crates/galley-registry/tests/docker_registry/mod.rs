//! A real registry: Debian's `docker-registry` on a free port of loopback, with its data in a temporary directory.
#![allow(dead_code, reason = "each test binary uses a part of it")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::PathBuf;

use galley_image::Digest;

use crate::content::Content;

pub struct DockerRegistry {
    pub address: String,
    running: galley_testkit::registry::DockerRegistry,
}

impl DockerRegistry {
    /// Starts one; `more` is added to the `http` section of its configuration.
    pub fn start(more: &str) -> Self {
        let running = galley_testkit::registry::DockerRegistry::start(more).unwrap();
        Self { address: running.address().to_owned(), running }
    }

    /// Pushes everything into a repository.
    pub fn push(&self, repository: &str, content: &Content) {
        let base = format!("http://{}", self.address);
        for (digest, bytes) in &content.blobs {
            let upload = ureq::post(&format!("{base}/v2/{repository}/blobs/uploads/")).send_empty().unwrap();
            let location = upload.headers()["location"].to_str().unwrap().to_owned();
            let location = if location.starts_with('/') { format!("{base}{location}") } else { location };
            let joint = if location.contains('?') { '&' } else { '?' };
            ureq::put(&format!("{location}{joint}digest={digest}"))
                .content_type("application/octet-stream")
                .send(&bytes[..])
                .unwrap();
        }
        for (media_type, bytes) in &content.manifests {
            let digest = Digest::of(bytes);
            let tags = content.tags.iter().filter(|(_, descriptor)| descriptor.digest == digest);
            let names = std::iter::once(digest.to_string()).chain(tags.map(|(tag, _)| tag.clone()));
            for name in names {
                ureq::put(&format!("{base}/v2/{repository}/manifests/{name}"))
                    .content_type(media_type)
                    .send(&bytes[..])
                    .unwrap();
            }
        }
    }

    /// Where the registry keeps a blob's bytes.
    pub fn blob_file(&self, digest: Digest) -> PathBuf {
        let hex = digest.hex();
        self.running.blobs().join(&hex[..2]).join(&hex).join("data")
    }
}
