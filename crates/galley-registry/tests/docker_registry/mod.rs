//! A real registry: Debian's `docker-registry` on a free port of loopback, with its data in a temporary directory.
#![allow(dead_code, reason = "each test binary uses a part of it")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use galley_image::Digest;

use crate::content::Content;

pub struct DockerRegistry {
    pub address: String,
    directory: tempfile::TempDir,
    child: Child,
}

impl Drop for DockerRegistry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl DockerRegistry {
    /// Starts one; `more` is added to the `http` section of its configuration.
    pub fn start(more: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let address = format!("127.0.0.1:{port}");
        let config = directory.path().join("config.yml");
        let root = directory.path().join("data");
        let text = format!(
            "version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {}}}}}\nhttp:\n  addr: {address}\n{more}",
            root.display()
        );
        std::fs::write(&config, text).unwrap();
        let child = Command::new("docker-registry")
            .arg("serve")
            .arg(&config)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("these tests need a real registry: install the package docker-registry");
        let registry = Self { address, directory, child };
        for _ in 0..500 {
            if TcpStream::connect(&registry.address).is_ok() {
                return registry;
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        panic!("docker-registry does not listen at {}", registry.address);
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
        let blobs = self.directory.path().join("data/docker/registry/v2/blobs/sha256");
        blobs.join(&hex[..2]).join(&hex).join("data")
    }
}
