//! Archives that want out, lie or are broken, where a person meets them: loaded images, ADD, a context on standard input.
//! Every kind of wrong layer is in `galley-store`'s `hostile_layers.rs`.

use std::fs;
use std::io::Write;
use std::process::Stdio;

use galley_testkit::archive::{Archive, field, put};

use crate::lab::{Ended, Lab, docker_archive, ended};

/// Wrong in any archive, each with a part of its message.
fn wrong(outside: &[u8]) -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let tar = Archive::new;
    vec![
        ("climbs", tar().file("../evil", "x").end(), "`../evil`"),
        (
            "climbs through a hard link",
            tar().hard_link("h", "../../outside/precious").end(),
            "is a hard link to",
        ),
        ("a hard link to nowhere", tar().hard_link("h", "nowhere").end(), "nowhere"),
        ("a sparse file", tar().member(b'S', "s", "", "").end(), "stored as a sparse file"),
        ("an unknown type", tar().member(b'Z', "z", "", "").end(), "has the tar type `Z`"),
        (
            "a negative size",
            tar()
                .edited(b'0', "n", "", "", |header| {
                    put(header, field::SIZE, b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff");
                })
                .end(),
            "the size field is out of range",
        ),
        (
            "ends early",
            tar().edited(b'0', "n", "", "", |header| put(header, field::SIZE, b"77777777777")).end(),
            "is cut off",
        ),
        ("a damaged header", tar().file("a", "x").raw(&[7; 512]).end(), "damaged"),
        ("two names", tar().pax(&[("path", "a"), ("path", "b")]).file("z", "").end(), "ambiguous"),
        ("a link as the root", tar().symlink("./", outside).end(), "replaces the root directory"),
    ]
}

struct Outside(Lab);

impl Outside {
    fn new() -> Self {
        let lab = Lab::new();
        fs::create_dir(lab.path().join("outside")).unwrap();
        fs::write(lab.path().join("outside/precious"), "untouched").unwrap();
        Self(lab)
    }

    fn target(&self) -> Vec<u8> {
        self.0.path().join("outside").into_os_string().into_encoded_bytes()
    }

    fn assert_untouched(&self, case: &str) {
        let outside = self.0.path().join("outside");
        let names: Vec<_> = fs::read_dir(&outside).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["precious"], "{case}");
        assert_eq!(fs::read(outside.join("precious")).unwrap(), b"untouched", "{case}");
        assert!(!self.0.path().join("evil").exists() && !self.0.store.join("evil").exists(), "{case}");
    }
}

#[test]
fn a_loaded_image_is_taken_apart_only_where_it_is_sound() {
    let place = Outside::new();
    let lab = &place.0;
    for (case, layer, message) in wrong(&place.target()) {
        lab.load("app:1", &[layer]).succeeded();
        let failed = lab.run(&["run", "app:1", "/x"]);
        assert_eq!(failed.code, Some(125), "{case}: {failed:?}");
        let message = if case == "a hard link to nowhere" { "there is no such file" } else { message };
        assert!(failed.stderr.contains(message), "{case}: {failed:?}");
        place.assert_untouched(case);
        lab.assert_sound(case, 0);
    }
}

#[test]
fn add_takes_archives_apart_only_where_they_are_sound() {
    let place = Outside::new();
    let lab = &place.0;
    for (case, archive, message) in wrong(&place.target()) {
        fs::write(lab.context().join("a.tar"), archive).unwrap();
        let failed = lab.build("FROM scratch\nADD a.tar /d/\n", &[]);
        failed.failed_with(message);
        failed.failed_with("cannot unpack /a.tar");
        failed.failed_with("Dockerfile:2:1");
        place.assert_untouched(case);
        lab.assert_sound(case, 0);
    }
}

#[test]
fn add_follows_links_inside_the_image_alone() {
    let place = Outside::new();
    let lab = &place.0;
    let out = [b"/../../../".as_slice(), &place.target()].concat();
    let archive = Archive::new().symlink("s", out).file("s/inside", "x").symlink("loop", "loop").end();
    fs::write(lab.context().join("a.tar"), archive).unwrap();
    lab.build("FROM scratch\nADD a.tar /\n", &["-t", "a"]).succeeded();
    place.assert_untouched("links");
    let inside = lab.path().join("outside").display().to_string();
    let listed = lab.run(&["ls", "a", &inside]);
    listed.succeeded();
    assert!(listed.stdout.contains("inside"), "{listed:?}");

    let archive = Archive::new().symlink("loop", "loop").file("loop/x", "x").end();
    fs::write(lab.context().join("a.tar"), archive).unwrap();
    lab.build("FROM scratch\nADD a.tar /\n", &[]).failed_with("too many symbolic links");
}

#[test]
fn compressed_archives_that_end_early_are_no_archives() {
    let lab = Lab::new();
    let whole = gzip(&Archive::new().file("f", vec![b'x'; 100_000]).end());
    fs::write(lab.context().join("a.tar.gz"), &whole[..whole.len() - 10]).unwrap();
    let failed = lab.build("FROM scratch\nADD a.tar.gz /\n", &[]);
    failed.failed_with("cannot unpack /a.tar.gz");
    lab.assert_sound("cut", 0);
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = std::process::Command::new("gzip")
        .arg("-c")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    gzip.stdin.take().unwrap().write_all(bytes).unwrap();
    gzip.wait_with_output().unwrap().stdout
}

fn build_from_stdin(lab: &Lab, archive: &[u8]) -> Ended {
    let mut galley = lab.galley();
    let mut galley = galley
        .args(["build", "-q", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Galley may have had enough before the end.
    let _ = galley.stdin.take().unwrap().write_all(archive);
    ended(&galley.wait_with_output().unwrap())
}

#[test]
fn a_context_on_standard_input_stays_in_its_directory() {
    let place = Outside::new();
    let lab = &place.0;
    for (case, archive, message) in wrong(&place.target()) {
        let failed = build_from_stdin(lab, &archive);
        assert_eq!(failed.code, Some(1), "{case}: {failed:?}");
        let message = if case == "a hard link to nowhere" { "No such file" } else { message };
        assert!(failed.stderr.contains(message), "{case}: {failed:?}");
        place.assert_untouched(case);
        lab.assert_sound(case, 0);
    }
    // Links lead nowhere but into the context; `outside` is made there.
    let through = Archive::new()
        .symlink("s", "/")
        .file("s/Dockerfile", "FROM scratch\nCOPY in /\n")
        .symlink("t", "../../..")
        .file("t/in", "x")
        .end();
    build_from_stdin(lab, &through).succeeded();
    place.assert_untouched("through links");

    let climbing = Archive::new().symlink("Dockerfile", "/etc/passwd").end();
    let failed = build_from_stdin(lab, &climbing);
    failed.failed_with("there is no Dockerfile at Dockerfile in the archive on standard input");
}

#[test]
fn an_archive_of_images_that_lies_is_not_taken_in() {
    let lab = Lab::new();
    let whole = docker_archive("app:1", &[Archive::new().file("f", "x").end()]);
    let load = |archive: &[u8]| {
        let file = lab.path().join("a.tar");
        fs::write(&file, archive).unwrap();
        lab.run(&["load".as_ref(), "-i".as_ref(), file.as_os_str()])
    };
    load(&whole[..whole.len() - 2000]).failed_with("the archive");
    load(b"not a tar at all").failed_with("the archive is damaged");
    load(&[0; 2048]).failed_with("this is no archive of images");
    load(&Archive::new().file("manifest.json", "[{").end())
        .failed_with("manifest.json in the archive cannot be understood");
    let climbing = r#"[{"Config":"../../etc/passwd","RepoTags":[],"Layers":[]}]"#;
    load(&Archive::new().file("manifest.json", climbing).end())
        .failed_with("the archive has no ../../etc/passwd");
    let named = format!("blobs/sha256/{}", "0".repeat(64));
    load(&Archive::new().file(named, "other bytes").end()).failed_with("arrived with other content");
    let linked = Archive::new()
        .file("manifest.json", r#"[{"Config":"c","RepoTags":[],"Layers":[]}]"#)
        .symlink("c", "/etc/passwd")
        .end();
    load(&linked).failed_with("the archive has no c");
    let looped = Archive::new()
        .file("manifest.json", r#"[{"Config":"c","RepoTags":[],"Layers":[]}]"#)
        .symlink("c", "d")
        .symlink("d", "c")
        .end();
    load(&looped).failed_with("the archive has no c");
    load(&Archive::new().file("manifest.json", vec![b' '; 9 << 20]).end())
        .failed_with("it has 9437184 bytes");
    lab.assert_sound("load", 0);
    load(&whole).succeeded();
}

#[test]
fn names_from_an_archive_do_not_reach_the_terminal_as_commands() {
    let lab = Lab::new();
    fs::write(lab.context().join("a.tar"), Archive::new().file("../\x1b]0;owned\x07", "").end()).unwrap();
    let failed = lab.build("FROM scratch\nADD a.tar /\n", &[]);
    failed.failed_with("cannot unpack /a.tar");
    assert!(!failed.stderr.contains('\x1b') && !failed.stderr.contains('\x07'), "{failed:?}");
}

#[test]
fn a_step_that_writes_a_deletion_is_refused() {
    let Some(lab) = Lab::with_base() else { return };
    let failed = lab.build("FROM base\nRUN /bin/busybox touch /.wh.x\n", &[]);
    failed.failed_with(
        "`/.wh.x` cannot be stored in an image: names that begin with `.wh.` mark deletions in layers",
    );
    failed.failed_with("2 | RUN /bin/busybox touch /.wh.x");
    lab.assert_sound(".wh.", 1);
}

#[test]
fn a_step_that_nests_directories_without_end_is_refused() {
    let Some(lab) = Lab::with_base() else { return };
    let script = "i=0; while [ $i -lt 3000 ]; do mkdir d && cd d || exit 0; i=$((i+1)); done";
    let failed = lab.build(format!("FROM base\nRUN {script}\n"), &[]);
    failed.failed_with("below this store a path may have");
    lab.assert_sound("deep", 1);
    lab.build("FROM base\nRUN /bin/busybox touch /x\n", &[]).succeeded();
    lab.assert_sound("after deep", 2);
}
