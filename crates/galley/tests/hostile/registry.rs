//! Registries that die, stall and lie, as a whole build sees them. What they say over the protocol is tested in
//! `galley-registry`; here it is what stays in the store, and what a person reads.

use std::io::Read;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};

use galley_image::{Descriptor, DiffId, Digest, ImageConfig, Manifest, MediaType, Platform};
use galley_testkit::archive::Archive;
use galley_testkit::server::{Answer, Asked, Server};

use crate::lab::{Lab, ended};

/// An image of one layer, as a registry holds it.
pub struct Image {
    pub layer: Vec<u8>,
    config: Vec<u8>,
    manifest: Vec<u8>,
}

impl Image {
    /// The layer has `size` bytes that do not compress.
    pub fn of_noise(size: usize) -> Self {
        let mut state = 1_u64;
        let noise = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 56) as u8
        };
        Self::new(
            Archive::new().file("noise", std::iter::repeat_with(noise).take(size).collect::<Vec<_>>()).end(),
        )
    }

    pub fn new(layer: Vec<u8>) -> Self {
        let mut config = ImageConfig::scratch(Platform::host());
        config.rootfs.diff_ids = vec![DiffId(Digest::of(&layer))];
        Self::with_config(layer, serde_json::to_vec(&config).unwrap())
    }

    fn with_config(layer: Vec<u8>, config: Vec<u8>) -> Self {
        let descriptor =
            |kind: &str, bytes: &[u8]| Descriptor::new(kind, Digest::of(bytes), bytes.len() as u64);
        let manifest = Manifest {
            schema_version: 2,
            media_type: Some(MediaType::OCI_MANIFEST.into()),
            config: descriptor(MediaType::OCI_CONFIG, &config),
            layers: vec![descriptor(MediaType::OCI_LAYER, &layer)],
            annotations: Default::default(),
        };
        Self { layer, config, manifest: serde_json::to_vec(&manifest).unwrap() }
    }

    fn is_layer(&self, asked: &Asked) -> bool {
        asked.path.ends_with(&Digest::of(&self.layer).to_string())
    }

    fn is_config(&self, asked: &Asked) -> bool {
        asked.path.ends_with(&Digest::of(&self.config).to_string())
    }

    /// What a registry answers that does everything right.
    pub fn honest(&self, asked: &Asked) -> Answer {
        if asked.path.contains("/manifests/") {
            return Answer::new(200, self.manifest.clone()).with("Content-Type", MediaType::OCI_MANIFEST);
        }
        let bytes = match (self.is_layer(asked), self.is_config(asked)) {
            (true, _) => &self.layer,
            (_, true) => &self.config,
            _ => return Answer::new(404, ""),
        };
        let range =
            asked.headers.get("range").and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-'));
        match range.and_then(|start| start.parse::<usize>().ok()) {
            Some(start) => Answer::new(206, &bytes[start..])
                .with("Content-Range", format!("bytes {start}-{}/{}", bytes.len() - 1, bytes.len())),
            None => Answer::new(200, bytes.clone()),
        }
    }
}

/// A registry that twists what an honest one says, for as long as it lies.
fn liar(
    image: Image,
    twist: impl Fn(&Image, &Asked, Answer) -> Answer + Send + Sync + 'static,
) -> (Server, Arc<AtomicBool>) {
    let lies = Arc::new(AtomicBool::new(true));
    let still = Arc::clone(&lies);
    let server = Server::start(move |asked| {
        let answer = image.honest(asked);
        if still.load(Ordering::SeqCst) { twist(&image, asked, answer) } else { answer }
    });
    (server, lies)
}

fn copy_all(server: &Server, name: &str) -> String {
    format!("FROM {}/{name} AS base\nFROM scratch\nCOPY --from=base /noise /\n", server.address)
}

/// Fails with `message` while the registry lies, leaves no layer, and builds once it does not.
fn fails_then_builds(
    case: &str,
    name: &str,
    message: &str,
    image: Image,
    twist: impl Fn(&Image, &Asked, Answer) -> Answer + Send + Sync + 'static,
) {
    let lab = Lab::new();
    let (server, lies) = liar(image, twist);
    let failed = lab.build(copy_all(&server, name), &[]);
    assert!(failed.stderr.contains(&server.address), "{case}: no image named: {failed:?}");
    assert!(failed.stderr.contains(message), "{case}: {failed:?}");
    assert_eq!(failed.code, Some(1), "{case}: {failed:?}");
    lab.assert_sound(case, 0);
    lies.store(false, Ordering::SeqCst);
    lab.build(copy_all(&server, name), &[]).succeeded();
    lab.assert_sound(case, 2);
}

#[test]
fn one_that_dies_half_way() {
    fails_then_builds("dies", "app:1", "did not come", Image::of_noise(300_000), |image, asked, answer| {
        // It sends something once, and then no byte more.
        let cut = image.is_layer(asked).then_some(if asked.before == 0 { 1000 } else { 0 });
        Answer { cut, ..answer }
    });
}

#[test]
fn one_that_dies_in_a_manifest() {
    fails_then_builds("dies", "app:1", "cannot get", Image::of_noise(1000), |_, asked, answer| {
        let cut = asked.path.contains("/manifests/").then_some(20);
        Answer { cut, ..answer }
    });
}

#[test]
fn one_with_other_bytes_in_a_layer() {
    fails_then_builds(
        "layer",
        "app:1",
        "was asked for",
        Image::of_noise(300_000),
        |image, asked, mut answer| {
            if image.is_layer(asked) {
                answer.body[200_000] ^= 1;
            }
            answer
        },
    );
}

#[test]
fn one_with_a_shorter_layer() {
    fails_then_builds(
        "short",
        "app:1",
        "were announced",
        Image::of_noise(300_000),
        |image, asked, mut answer| {
            if image.is_layer(asked) {
                answer.body.truncate(1000);
            }
            answer
        },
    );
}

#[test]
fn one_with_another_configuration() {
    fails_then_builds(
        "config",
        "app:1",
        "the configuration of",
        Image::of_noise(1000),
        |image, asked, mut answer| {
            if image.is_config(asked) {
                answer.body[5] ^= 1;
            }
            answer
        },
    );
}

#[test]
fn one_with_another_manifest_than_the_digest_says() {
    let image = Image::of_noise(1000);
    let name = format!("app@{}", Digest::of(&image.manifest));
    fails_then_builds("manifest", &name, "the manifest of", image, |_, asked, mut answer| {
        if asked.path.contains("/manifests/") {
            answer.body.push(b' ');
        }
        answer
    });
}

#[test]
fn one_whose_layer_is_cut_off_inside() {
    // The blob is what the manifest says, and the archive in it is not whole.
    let mut cut = Image::of_noise(300_000).layer;
    cut.truncate(100_000);
    refuses("cut", Image::new(cut), "the archive is cut off");
}

#[test]
fn one_whose_layer_is_another_than_the_configuration_says() {
    let mut config = ImageConfig::scratch(Platform::host());
    config.rootfs.diff_ids = vec![DiffId(Digest::of(b"another"))];
    let image = Image::with_config(Image::of_noise(10).layer, serde_json::to_vec(&config).unwrap());
    refuses("diff ID", image, "the image is damaged or was tampered with");
}

#[test]
fn one_whose_layer_wants_out() {
    let layer = Archive::new().file("noise", "").file("../../evil", "x").end();
    refuses(
        "hostile",
        Image::new(layer),
        "leads out of the root file system: the image is hostile or damaged",
    );
}

#[test]
fn one_for_another_machine() {
    let foreign: Platform = "linux/s390x".parse().unwrap();
    let layer = Image::of_noise(10).layer;
    let mut config = ImageConfig::scratch(foreign);
    config.rootfs.diff_ids = vec![DiffId(Digest::of(&layer))];
    let image = Image::with_config(layer, serde_json::to_vec(&config).unwrap());
    refuses("platform", image, "it is for linux/s390x");
}

fn refuses(case: &str, image: Image, message: &str) {
    let lab = Lab::new();
    let server = Server::start(move |asked| image.honest(asked));
    for _ in 0..2 {
        let failed = lab.build(copy_all(&server, "app:1"), &[]);
        failed.failed_with(message);
        assert!(failed.stderr.contains("Dockerfile:"), "{case}: no line shown: {failed:?}");
        lab.assert_sound(case, 0);
    }
}

#[test]
fn one_that_stalls_is_left_at_a_signal() {
    let everywhere = [("manifest", "/manifests/"), ("layer", "/blobs/")];
    for (case, part) in everywhere {
        let lab = Lab::new();
        let (reached, arrived) = channel();
        let reached = Mutex::new(reached);
        let (server, _) = liar(Image::of_noise(300_000), move |image, asked, answer| {
            if !asked.path.contains(part) || image.is_config(asked) {
                return answer;
            }
            reached.lock().unwrap().send(()).unwrap();
            Answer { stall: Some(10), ..answer }
        });
        let mut galley = lab.building(copy_all(&server, "app:1"), &[]);
        let mut galley = galley.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        arrived.recv().unwrap();
        let id = rustix::process::Pid::from_child(&galley);
        rustix::process::kill_process(id, rustix::process::Signal::INT).unwrap();
        let mut said = String::new();
        galley.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        let stopped = ended(&galley.wait_with_output().unwrap());
        assert_eq!(stopped.code, Some(130), "{case}: {said}");
        lab.assert_sound(case, 0);
    }
}
