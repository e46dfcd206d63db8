//! A real registry: Debian's `docker-registry` on a free port of loopback, with its data in a temporary directory.

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A running registry; it ends with this value.
#[derive(Debug)]
pub struct DockerRegistry {
    address: String,
    directory: tempfile::TempDir,
    child: Child,
}

impl Drop for DockerRegistry {
    fn drop(&mut self) {
        // Already gone is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl DockerRegistry {
    /// Starts one; `more` is appended to its configuration, whose last section is `http`.
    ///
    /// # Errors
    /// What keeps it from starting, in words.
    pub fn start(more: &str) -> Result<Self, String> {
        let said = |what: &'static str| move |error: std::io::Error| format!("{what}: {error}");
        let directory = tempfile::tempdir().map_err(said("no temporary directory"))?;
        let listener = TcpListener::bind("127.0.0.1:0").map_err(said("no free port"))?;
        let address = listener.local_addr().map_err(said("no free port"))?.to_string();
        drop(listener);
        let config = directory.path().join("config.yml");
        let root = directory.path().join("data");
        let text = format!(
            "version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {}}}}}\nhttp:\n  addr: {address}\n{more}",
            root.display()
        );
        std::fs::write(&config, text).map_err(said("cannot write its configuration"))?;
        let child = Command::new("docker-registry")
            .arg("serve")
            .arg(&config)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(said("these tests need a real registry, the package docker-registry"))?;
        let registry = Self { address, directory, child };
        for _ in 0..500 {
            if TcpStream::connect(&registry.address).is_ok() {
                return Ok(registry);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Err(format!("docker-registry does not listen at {}", registry.address))
    }

    /// Host and port.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Where it keeps its blobs: `<first two digits>/<hex>/data`.
    #[must_use]
    pub fn blobs(&self) -> PathBuf {
        self.directory().join("data/docker/registry/v2/blobs/sha256")
    }

    /// Its directory, for what a test adds.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }
}
