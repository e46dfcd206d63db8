//! What every place that images come from has to do: the network (a real docker-registry), a directory, and memory.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod content;
mod docker_registry;

use std::io::Read;

use content::Content;
use docker_registry::DockerRegistry;
use galley_image::{Descriptor, Digest, MediaType, Platform, Reference};
use galley_registry::{Images, MemoryImages, OciLayout, Registry, RegistryConfig, RegistryError, Retries};

/// Replaces a blob's bytes behind the place's back.
type Damage = Box<dyn Fn(Digest, &[u8])>;

/// One place, filled with [`sample`].
struct Place {
    images: Box<dyn Images>,
    /// The repository's name, without a tag.
    name: String,
    damage: Damage,
    /// Kept while the place is used.
    _keeper: Box<dyn std::any::Any>,
}

const BIG: usize = 300_000;

fn big() -> Vec<u8> {
    (0..BIG as u64).map(|at| (at * at % 251) as u8).collect()
}

fn sample() -> Content {
    let mut content = Content::default();
    let amd64 = content.image("linux/amd64", false, &[b"base layer", &big()]);
    let arm64 = content.image("linux/arm64", false, &[b"arm layer"]);
    let index = content.index(false, &[("linux/amd64", &amd64), ("linux/arm64/v8", &arm64)]);
    content.tag("many", &index);
    let docker = content.image("linux/amd64", true, &[b"docker layer"]);
    content.tag("docker", &docker.manifest);
    let list = content.index(true, &[("linux/amd64", &docker)]);
    content.tag("list", &list);
    content
}

fn memory() -> Place {
    let images = std::sync::Arc::new(MemoryImages::new());
    let (content, name) = (sample(), "r.example/team/app".to_owned());
    for bytes in content.blobs.values() {
        images.put_blob("", bytes);
    }
    for (media_type, bytes) in &content.manifests {
        images.put_manifest(&format!("{name}@{}", Digest::of(bytes)).parse().unwrap(), media_type, bytes);
    }
    for (tag, descriptor) in &content.tags {
        let (media_type, bytes) = content.find(tag).unwrap();
        assert_eq!(descriptor.media_type, media_type);
        images.put_manifest(&format!("{name}:{tag}").parse().unwrap(), media_type, bytes);
    }
    struct Shared(std::sync::Arc<MemoryImages>);
    impl Images for Shared {
        fn resolve(
            &self,
            r: &Reference,
            p: &Platform,
        ) -> Result<galley_registry::RemoteImage, RegistryError> {
            self.0.resolve(r, p)
        }
        fn blob(&self, r: &Reference, d: &Descriptor, o: u64) -> Result<Box<dyn Read + Send>, RegistryError> {
            self.0.blob(r, d, o)
        }
    }
    let twin = std::sync::Arc::clone(&images);
    let damage = Box::new(move |digest, bytes: &[u8]| twin.damage_blob(digest, bytes));
    Place { images: Box::new(Shared(images)), name, damage, _keeper: Box::new(()) }
}

fn layout() -> Place {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().to_path_buf();
    let blobs = root.join("blobs/sha256");
    std::fs::create_dir_all(&blobs).unwrap();
    let content = sample();
    for bytes in content.blobs.values().chain(content.manifests.iter().map(|(_, bytes)| bytes)) {
        std::fs::write(blobs.join(Digest::of(bytes).hex()), bytes).unwrap();
    }
    let manifests = content.tags.iter().map(|(tag, descriptor)| {
        let mut descriptor = descriptor.clone();
        descriptor.annotations.insert("org.opencontainers.image.ref.name".into(), tag.clone());
        descriptor
    });
    let index = serde_json::json!({"schemaVersion": 2, "manifests": manifests.collect::<Vec<_>>()});
    std::fs::write(root.join("index.json"), index.to_string()).unwrap();
    std::fs::write(root.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    let damage = Box::new(move |digest: Digest, bytes: &[u8]| {
        std::fs::write(blobs.join(digest.hex()), bytes).unwrap();
    });
    let images = Box::new(OciLayout::open(&root).unwrap());
    Place { images, name: "r.example/team/app".into(), damage, _keeper: Box::new(directory) }
}

fn registry() -> Place {
    let server = std::sync::Arc::new(DockerRegistry::start(""));
    server.push("team/app", &sample());
    let files = std::sync::Arc::clone(&server);
    let damage =
        Box::new(move |digest, bytes: &[u8]| std::fs::write(files.blob_file(digest), bytes).unwrap());
    let retries =
        Retries { attempts: 2, first_wait: std::time::Duration::from_millis(1), ..Retries::default() };
    let images = Registry::new(RegistryConfig { retries, ..RegistryConfig::default() });
    Place {
        images: Box::new(images),
        name: format!("{}/team/app", server.address),
        damage,
        _keeper: Box::new(server),
    }
}

impl Place {
    fn reference(&self, rest: &str) -> Reference {
        format!("{}{rest}", self.name).parse().unwrap()
    }

    fn blob(&self, descriptor: &Descriptor, offset: u64) -> std::io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.images.blob(&self.reference(":many"), descriptor, offset)?.read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}

fn platform(text: &str) -> Platform {
    text.parse().unwrap()
}

fn check(place: &Place) {
    let content = sample();
    let resolve = |rest: &str, on: &str| place.images.resolve(&place.reference(rest), &platform(on));

    // An index leads to the platform's manifest, and the tag's digest is kept.
    let image = resolve(":many", "linux/amd64").unwrap();
    assert_eq!(image.reference.digest(), Some(content.tags["many"].digest));
    assert_eq!(image.reference.tag(), Some("many"));
    assert_eq!(image.manifest_descriptor.media_type, MediaType::OCI_MANIFEST);
    assert_eq!(image.manifest_descriptor.digest, Digest::of(&image.manifest_bytes));
    assert_eq!(image.manifest.config.digest, Digest::of(&image.config_bytes));
    assert_eq!(image.config.config.cmd.as_deref(), Some(&["/bin/linux/amd64".to_owned()][..]));
    let arm = resolve(":many", "linux/arm64").unwrap();
    assert_eq!(arm.config.platform.architecture, "arm64");
    // Digests name the same things, whichever tag stands beside them.
    let pinned = resolve(&format!("@{}", content.tags["many"].digest), "linux/amd64").unwrap();
    assert_eq!(pinned.manifest_bytes, image.manifest_bytes);
    let direct = resolve(&format!(":docker@{}", image.manifest_descriptor.digest), "linux/arm64").unwrap();
    assert_eq!(direct.manifest_bytes, image.manifest_bytes, "without an index the platform does not choose");
    assert_eq!(
        resolve(":docker", "linux/amd64").unwrap().manifest_descriptor.media_type,
        MediaType::DOCKER_MANIFEST
    );
    assert_eq!(
        resolve(":list", "linux/amd64").unwrap().manifest,
        resolve(":docker", "linux/amd64").unwrap().manifest
    );

    // What is not there.
    let missing = resolve(":none", "linux/amd64").unwrap_err();
    assert!(missing.to_string().contains("none"), "{missing}");
    let unknown = resolve(&format!("@{}", Digest::of(b"unknown")), "linux/amd64").unwrap_err();
    assert!(matches!(unknown, RegistryError::NotFound { .. }), "{unknown}");
    let wrong = resolve(":many", "linux/s390x").unwrap_err();
    assert!(matches!(wrong, RegistryError::Platform { .. }), "{wrong}");
    assert!(
        wrong.to_string().contains("linux/s390x") && wrong.to_string().contains("linux/amd64, linux/arm64"),
        "{wrong}"
    );

    // Blobs, from the start and from anywhere.
    let layer = &image.manifest.layers[1];
    assert_eq!(place.blob(layer, 0).unwrap(), big());
    for offset in [1, 4096, BIG - 1, BIG] {
        assert_eq!(place.blob(layer, offset as u64).unwrap(), big()[offset..], "from {offset}");
    }
    let (images, reference) = (&*place.images, &place.reference(":many"));
    std::thread::scope(|scope| {
        for layer in image.manifest.layers.iter().cycle().take(8) {
            scope.spawn(move || {
                let mut bytes = Vec::new();
                images.blob(reference, layer, 0).unwrap().read_to_end(&mut bytes).unwrap();
                assert_eq!(bytes.len() as u64, layer.size);
            });
        }
    });
    let absent = Descriptor::new("", Digest::of(b"absent"), 6);
    let error = place.images.blob(&place.reference(":many"), &absent, 0).err().unwrap();
    assert!(matches!(error, RegistryError::BlobNotFound { .. }), "{error}");
    assert!(error.to_string().contains(&absent.digest.to_string()), "{error}");

    // Damage: the same length with other bytes, too short, too long.
    let mut other = big();
    other[BIG / 2] ^= 1;
    (place.damage)(layer.digest, &other);
    let error = place.blob(layer, 0).unwrap_err();
    assert!(matches!(RegistryError::behind(&error), Some(RegistryError::Digest { .. })), "{error}");
    for size in [BIG - 1, BIG + 1] {
        other.resize(size, 0);
        (place.damage)(layer.digest, &other);
        let error = place.blob(layer, 0).unwrap_err();
        assert!(matches!(RegistryError::behind(&error), Some(RegistryError::Size { .. })), "{size}: {error}");
    }
    let config = image.config_bytes.iter().rev().copied().collect::<Vec<u8>>();
    (place.damage)(image.manifest.config.digest, &config);
    let error = resolve(":many", "linux/amd64").unwrap_err();
    assert!(matches!(error, RegistryError::Digest { .. }), "{error}");
}

#[test]
fn memory_keeps_the_contract() {
    check(&memory());
}

#[test]
fn a_layout_keeps_the_contract() {
    check(&layout());
}

#[test]
fn a_registry_keeps_the_contract() {
    check(&registry());
}
