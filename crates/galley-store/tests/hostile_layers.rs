//! Layers that want out, that lie, or that are just strange, unpacked on this kernel by both snapshotters. What is refused
//! leaves nothing; what is taken is inside the layer's directory; nothing beside the store is ever touched.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use galley_image::{DiffId, Digest, Kind, TreePath};
use galley_store::{Lease, OpenOptions, Snapshot, Snapshotter, Store, StoreError};
use galley_testkit::archive::{Archive, field, put};

const KINDS: [Snapshotter; 2] = [Snapshotter::Overlay { userxattr: false }, Snapshotter::Copy];

/// A store with something beside it that hostile layers would like to reach.
struct Lab {
    directory: tempfile::TempDir,
    store: Store,
    lease: Lease,
}

impl Lab {
    fn new(snapshotter: Snapshotter) -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("outside")).unwrap();
        fs::write(directory.path().join("outside/precious"), "untouched").unwrap();
        let options = OpenOptions {
            create: true,
            snapshotter: Some(snapshotter),
            boot_id: Some("this".into()),
            process: "test".into(),
        };
        let store = Store::open(&directory.path().join("store"), &options).unwrap();
        let lease = store.lease().unwrap();
        Self { directory, store, lease }
    }

    fn outside(&self) -> PathBuf {
        self.directory.path().join("outside")
    }

    /// What every layer here stands on.
    fn base(&self) -> Snapshot {
        let tar = Archive::new()
            .directory("keep/")
            .file("keep/old", "old")
            .directory("keep/sub")
            .file("keep/sub/deep", "deep")
            .file("f", "below")
            .symlink("link", "keep")
            .symlink("out", self.outside().as_os_str().as_encoded_bytes())
            .end();
        self.unpack(None, &tar).unwrap()
    }

    fn unpack(&self, parent: Option<&Snapshot>, tar: &[u8]) -> Result<Snapshot, StoreError> {
        let diff_id = DiffId(Digest::of(tar));
        let unpacked =
            self.store.unpack_layer(parent.map(|parent| parent.id), &mut &*tar, diff_id, &self.lease)?;
        Ok(unpacked.snapshot)
    }

    /// The merged tree, one line an entry.
    fn shown(&self, snapshot: &Snapshot) -> Vec<String> {
        let tree = self.store.tree(Some(snapshot.id)).unwrap();
        let shown = |kind: &Kind| match kind {
            Kind::File(file) => format!("{} bytes", file.size),
            Kind::Directory => "/".into(),
            Kind::Symlink(to) if to.starts_with(self.outside().as_os_str().as_encoded_bytes()) => {
                "-> outside".into()
            }
            Kind::Symlink(to) => format!("-> {}", String::from_utf8_lossy(to)),
            Kind::CharDevice { major, minor } => format!("c {major} {minor}"),
            Kind::BlockDevice { major, minor } => format!("b {major} {minor}"),
            Kind::Fifo => "fifo".into(),
        };
        let line = |(path, entry): (&TreePath, &galley_image::Entry)| {
            let name = path.as_bytes().escape_ascii();
            let mode = match (&entry.kind, entry.mode) {
                (Kind::File(_), 0o644) | (Kind::Directory, 0o755) | (Kind::Symlink(_), _) => String::new(),
                (_, mode) => format!(" {mode:04o}"),
            };
            format!("{name} {}{mode}", shown(&entry.kind))
        };
        tree.iter()
            .filter(|(path, _)| !path.is_root())
            .map(|(path, node)| line((path, &node.entry)))
            .collect()
    }

    /// Nothing but what was committed is in the store, and nothing changed beside it.
    fn assert_sound(&self, case: &str, layers: usize) {
        let outside: Vec<_> = names(&self.outside());
        assert_eq!(outside, ["precious"], "{case}");
        assert_eq!(fs::read(self.outside().join("precious")).unwrap(), b"untouched", "{case}");
        assert_eq!(fs::metadata(self.outside().join("precious")).unwrap().nlink(), 1, "{case}");
        assert_eq!(names(self.directory.path()), ["outside", "store"], "{case}");
        assert_eq!(names(&self.store.root().join("layers")).len(), layers, "{case}: partial layers");
        for own in names(&self.store.root().join("tmp")).iter().filter(|name| !name.ends_with(".lock")) {
            let left = names(&self.store.root().join("tmp").join(own));
            assert!(left.is_empty(), "{case} left {left:?}");
        }
        assert_eq!(self.store.check(true).unwrap(), [], "{case}");
    }
}

fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// Sets a number field to GNU's base-256 form.
fn base_256(header: &mut [u8; 512], field: std::ops::Range<usize>, value: i64) {
    let place = &mut header[field];
    place.fill(if value < 0 { 0xff } else { 0 });
    let length = place.len();
    place[length - 8..].copy_from_slice(&value.to_be_bytes());
    place[0] |= 0x80;
}

/// Each with a part of its message.
fn refused(outside: &[u8]) -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let tar = Archive::new;
    let named = |name: &str| tar().file(name, "x").end();
    let deep = "d/".repeat(2040);
    let long = "n".repeat(256);
    let escape = "leads out of the root file system: the image is hostile";
    let not_directory = "above it is not a directory";
    let hard_link = "which is not another file of the tree";
    let whiteout = "a name that begins with `.wh.` but is no deletion that a layer can make";
    let size = |text: &str| {
        let text = text.as_bytes().to_vec();
        tar().edited(b'0', "big", "", "abc", move |header| put(header, field::SIZE, &text)).end()
    };
    let based = |value: i64| {
        tar().edited(b'0', "big", "", "abc", move |header| base_256(header, field::SIZE, value)).end()
    };
    vec![
        ("climbs", named("../evil"), escape),
        ("climbs later", named("a/../../evil"), escape),
        ("a directory climbs", tar().directory("../evil").end(), escape),
        ("climbs in pax", tar().pax(&[("path", "../../evil")]).file("x", "x").end(), escape),
        ("writes through its link", tar().symlink("s", outside).file("s/evil", "x").end(), not_directory),
        ("makes through its link", tar().symlink("s", outside).directory("s/evil").end(), not_directory),
        ("links through its link", tar().symlink("s", outside).symlink("s/evil", "x").end(), not_directory),
        (
            "writes through links of links",
            tar().directory("d").symlink("d/s", "..").symlink("t", "d/s").file("t/x/y", "x").end(),
            not_directory,
        ),
        (
            "writes through a hard link to its link",
            tar().symlink("s", outside).hard_link("h", "s").file("h/evil", "x").end(),
            not_directory,
        ),
        ("writes below a file", tar().file("f", "").file("f/evil", "x").end(), not_directory),
        ("deletes below a file", tar().file("keep", "").file("keep/.wh.old", "").end(), ""),
        ("hard link climbs", tar().hard_link("h", "../outside/precious").end(), hard_link),
        (
            "hard link through a link",
            tar().symlink("s", outside).hard_link("h", "s/precious").end(),
            "there is no such file",
        ),
        (
            "hard link through a link below",
            tar().hard_link("h", "out/precious").end(),
            "there is no such file",
        ),
        ("hard link to nowhere", tar().hard_link("h", "nowhere").end(), "there is no such file"),
        ("hard link to itself", tar().hard_link("h", "./h").end(), hard_link),
        ("hard link to the root", tar().hard_link("h", "/").end(), hard_link),
        ("hard link to a directory", tar().directory("d").hard_link("h", "d").end(), "that is a directory"),
        ("hard link to a directory below", tar().hard_link("h", "keep").end(), "that is a directory"),
        (
            "hard link to what is deleted",
            tar().file(".wh.f", "").hard_link("h", "f").end(),
            "there is no such file",
        ),
        (
            "hard link over the directory of its target",
            tar().directory("d").file("d/x", "").hard_link("d", "d/x").end(),
            "it replaces that file",
        ),
        ("deletes `..`", named(".wh..."), whiteout),
        ("deletes `.`", named("a/.wh.."), whiteout),
        ("deletes nothing at all", named(".wh."), whiteout),
        ("a whiteout that is a directory", tar().directory(".wh.f").end(), whiteout),
        ("a whiteout that is a link", tar().symlink(".wh.f", "x").end(), whiteout),
        ("a whiteout that is a hard link", tar().file("x", "").hard_link(".wh.f", "x").end(), whiteout),
        ("a hard link to a whiteout", tar().hard_link("x", ".wh.f").end(), whiteout),
        ("something in a whiteout", named(".wh.d/x"), whiteout),
        ("aufs", named(".wh..wh.plnk"), whiteout),
        ("the root is a file", named("./"), ""),
        (
            "the root is a link",
            tar().symlink(".", outside).end(),
            "replaces the root directory by something else",
        ),
        ("no name", named(""), "a member without a name"),
        ("a NUL in a name", tar().pax(&[("path", b"a\0b")]).file("x", "").end(), "NUL"),
        ("an unknown type", tar().member(b'Z', "z", "", "").end(), "has the tar type `Z`"),
        ("a volume label", tar().member(b'V', "z", "", "").end(), "has the tar type `V`"),
        ("a sparse file", tar().member(b'S', "z", "", "").end(), "stored as a sparse file"),
        (
            "a sparse file in pax",
            tar().pax(&[("GNU.sparse.major", "1")]).file("z", "").end(),
            "stored as a sparse file",
        ),
        ("a size that is no number", size("0x1"), "the size field is not a number"),
        ("a negative octal size", size("-0000000001"), "the size field is not a number"),
        ("a negative size", based(-1), "the size field is out of range"),
        ("a size beyond everything", based(i64::MAX), "the archive is cut off"),
        ("eight gigabytes that are not there", size("77777777777"), "the archive is cut off"),
        (
            "a size in pax that is not there",
            tar().pax(&[("size", "1099511627776")]).file("z", "abc").end(),
            "the archive is cut off",
        ),
        (
            "a size in pax that is no number",
            tar().pax(&[("size", "-1")]).file("z", "abc").end(),
            "malformed pax record `size`",
        ),
        (
            "two sets of attributes",
            tar().pax(&[("uid", "1")]).pax(&[("uid", "2")]).file("z", "").end(),
            "refused as ambiguous",
        ),
        ("two names", tar().pax(&[("path", "a"), ("path", "b")]).file("z", "").end(), "refused as ambiguous"),
        (
            "a name for all members",
            tar().member(b'g', "g", "", "10 path=a\n").file("z", "").end(),
            "refused as ambiguous",
        ),
        (
            "a record without an end",
            tar().member(b'x', "p", "", "99 path=a\n").file("z", "").end(),
            "malformed pax record",
        ),
        (
            "an owner that is none",
            tar().pax(&[("uid", "4294967295")]).file("z", "").end(),
            "is not a Linux id",
        ),
        ("attributes of nothing", tar().pax(&[("uid", "1")]).end(), "cut off"),
        (
            "a header of two megabytes",
            tar().member(b'x', "p", "", vec![b' '; 2 << 20]).end(),
            "galley reads up to 1 MiB",
        ),
        ("a link to nothing", tar().symlink("l", "").end(), "no usable target"),
        ("a name of 256 bytes", tar().pax(&[("path", &long)]).file("z", "").end(), "File name too long"),
        (
            "a target of 5000 bytes",
            tar().pax(&[("linkpath", "t".repeat(5000))]).symlink("l", "x").end(),
            "File name too long",
        ),
        (
            "a path of 4081 bytes",
            tar().pax(&[("path", format!("{deep}x"))]).file("z", "").end(),
            "has 4081 bytes: below this store",
        ),
        (
            "an attribute of 60 kilobytes",
            tar().pax(&[("SCHILY.xattr.user.big", vec![b'v'; 70_000])]).file("z", "").end(),
            "the extended attribute `user.big` (70000 bytes) of `/z`",
        ),
        (
            "the same of a directory",
            tar().pax(&[("SCHILY.xattr.user.big", vec![b'v'; 70_000])]).directory("z").end(),
            "the extended attribute `user.big` (70000 bytes) of `/z`",
        ),
        ("a wrong checksum", tar().file("a", "x").raw(&[b'x'; 512]).end(), "checksum is wrong"),
        ("half an end", tar().raw(&[0; 512]).file("a", "x").end(), "half an end marker"),
        ("half a header", tar().file("a", "x").raw(&[b'x'; 100]).cut(), "cut off"),
        (
            "half a file",
            {
                let mut cut = named("a").to_vec();
                cut.truncate(512);
                cut
            },
            "cut off",
        ),
        ("no archive", vec![b'#'; 4096], "not a tar archive, or it is damaged"),
    ]
}

#[test]
fn what_is_refused_says_why_and_leaves_nothing() {
    for kind in KINDS {
        let lab = Lab::new(kind);
        let base = lab.base();
        let outside = lab.outside().into_os_string().into_encoded_bytes();
        for (case, tar, message) in refused(&outside) {
            for parent in [Some(&base), None] {
                // Some are only wrong on what they stand on.
                let error = match lab.unpack(parent, &tar) {
                    Err(error) => error.to_string(),
                    Ok(_) if message.is_empty() => continue,
                    Ok(layer) => panic!("{kind}, {case}: taken as {:?}", lab.shown(&layer)),
                };
                let fits = error.contains(message) || (parent.is_none() && error.contains("no such file"));
                assert!(fits, "{kind}, {case}: {error}");
                assert!(error.starts_with("layer sha256:"), "{kind}, {case}: {error}");
            }
        }
        assert_eq!(lab.shown(&base), BASE);
        let taken = refused(&outside).iter().filter(|(_, _, message)| message.is_empty()).count();
        assert!(taken <= 2, "cases without a message are exceptions");
    }
}

const BASE: [&str; 7] = [
    "f 5 bytes",
    "keep /",
    "keep/old 3 bytes",
    "keep/sub /",
    "keep/sub/deep 4 bytes",
    "link -> keep",
    "out -> outside",
];

#[test]
fn what_is_refused_is_gone() {
    for kind in KINDS {
        let lab = Lab::new(kind);
        let outside = lab.outside().into_os_string().into_encoded_bytes();
        for (case, tar, _) in refused(&outside).into_iter().filter(|(_, _, message)| !message.is_empty()) {
            assert!(lab.unpack(None, &tar).is_err(), "{case}");
            lab.assert_sound(case, 0);
        }
    }
}

/// Each on the base, with what the tree has then in place of, or besides, the base's lines.
fn strange(outside: &[u8]) -> Vec<(&'static str, Vec<u8>, Vec<&'static str>)> {
    let tar = Archive::new;
    let device = |kind| {
        tar().edited(kind, "dev", "", "", |header| {
            put(header, field::MAJOR, b"0000001");
            put(header, field::MINOR, b"0000003");
        })
    };
    let mode = |text: &'static [u8]| {
        tar().edited(b'0', "tool", "", "x", move |header| put(header, field::MODE, text))
    };
    let all_but = |gone: &[&str]| BASE.into_iter().filter(|line| !gone.contains(line)).collect::<Vec<_>>();
    let and = |more: &[&'static str]| {
        let mut lines = BASE.to_vec();
        lines.extend(more);
        lines
    };
    let replaced = |gone: &[&str], more: &[&'static str]| {
        let mut lines = all_but(gone);
        lines.extend(more);
        lines
    };
    let keep = ["keep /", "keep/old 3 bytes", "keep/sub /", "keep/sub/deep 4 bytes"];
    let absolute = [b"/".as_slice(), b"abs/x"].concat();
    vec![
        ("an absolute name", tar().file(absolute, "x").end(), and(&["abs /", "abs/x 1 bytes"])),
        ("dots that stay inside", tar().file("./a/../b/./c", "x").end(), and(&["b /", "b/c 1 bytes"])),
        (
            "through a link below, as docker's overlay does",
            tar().file("link/x", "x").end(),
            replaced(&["link -> keep"], &["link /", "link/x 1 bytes"]),
        ),
        (
            "through a link that leads out",
            tar().file("out/evil", "x").end(),
            replaced(&["out -> outside"], &["out /", "out/evil 1 bytes"]),
        ),
        ("onto a link that leads out", tar().symlink("s", outside).file("s", "x").end(), and(&["s 1 bytes"])),
        (
            "a hard link to a link is that link",
            tar().symlink("s", outside).hard_link("h", "s").end(),
            and(&["s -> outside", "h -> outside"]),
        ),
        (
            "onto a hard link to a link",
            tar().symlink("s", outside).hard_link("h", "s").file("h", "x").end(),
            and(&["s -> outside", "h 1 bytes"]),
        ),
        ("a hard link to a link below", tar().hard_link("h", "out").end(), and(&["h -> outside"])),
        ("a hard link to a file below", tar().hard_link("h", "keep/old").end(), and(&["h 3 bytes"])),
        (
            "the last of several counts",
            tar().file("a", "1").file("a", "22").symlink("a", "x").file("a", "333").end(),
            and(&["a 3 bytes"]),
        ),
        (
            "a directory becomes a file",
            tar().directory("d").file("d/x", "x").file("d", "yy").end(),
            and(&["d 2 bytes"]),
        ),
        (
            "a file becomes a directory",
            tar().file("d", "yy").directory("d").file("d/x", "x").end(),
            and(&["d /", "d/x 1 bytes"]),
        ),
        (
            "a directory below becomes a file",
            tar().file("keep", "x").end(),
            replaced(&keep, &["keep 1 bytes"]),
        ),
        (
            "a file below becomes a directory",
            tar().directory("f").file("f/x", "x").end(),
            replaced(&["f 5 bytes"], &["f /", "f/x 1 bytes"]),
        ),
        (
            "a whiteout of nothing",
            tar().file(".wh.nothing", "").file("no/such/.wh.x", "").end(),
            BASE.to_vec(),
        ),
        ("a whiteout", tar().file(".wh.f", "").file(".wh.f", "").end(), all_but(&["f 5 bytes"])),
        ("a whiteout of a directory", tar().file(".wh.keep", "").end(), all_but(&keep)),
        (
            "a whiteout before its file",
            tar().file(".wh.f", "").file("f", "x").end(),
            replaced(&["f 5 bytes"], &["f 1 bytes"]),
        ),
        (
            "a whiteout behind its file",
            tar().file("f", "x").file(".wh.f", "").end(),
            replaced(&["f 5 bytes"], &["f 1 bytes"]),
        ),
        (
            "a whiteout in a deleted directory",
            tar().file(".wh.keep", "").file("keep/.wh.old", "").end(),
            all_but(&keep),
        ),
        (
            "opaque, then files",
            tar().directory("keep").file("keep/.wh..wh..opq", "").file("keep/new", "x").end(),
            replaced(&keep, &["keep /", "keep/new 1 bytes"]),
        ),
        (
            "files, then opaque",
            tar().directory("keep").file("keep/new", "x").file("keep/.wh..wh..opq", "").end(),
            replaced(&keep, &["keep /", "keep/new 1 bytes"]),
        ),
        (
            "opaque without its directory",
            tar().file("keep/.wh..wh..opq", "").end(),
            replaced(&keep, &["keep /"]),
        ),
        ("opaque of nothing", tar().file("no/.wh..wh..opq", "").end(), BASE.to_vec()),
        ("opaque of a file", tar().file("f/.wh..wh..opq", "").end(), BASE.to_vec()),
        ("the root is opaque", tar().file(".wh..wh..opq", "").file("new", "x").end(), vec!["new 1 bytes"]),
        ("set-user-id and friends", mode(b"0004755").end(), and(&["tool 1 bytes 4755"])),
        ("a file type in the mode", mode(b"0100640").end(), and(&["tool 1 bytes 0640"])),
        ("a character device", device(b'3').end(), and(&["dev c 1 3 0644"])),
        ("a block device", device(b'4').end(), and(&["dev b 1 3 0644"])),
        ("a fifo", tar().member(b'6', "p", "", "").end(), and(&["p fifo 0644"])),
        ("a name that is not UTF-8", tar().file(b"n\xff\xfe", "x").end(), and(&["n\\xff\\xfe 1 bytes"])),
        (
            "a name for the terminal",
            tar().file(b"n\x1b]0;x\x07", "x").end(),
            and(&["n\\x1b]0;x\\x07 1 bytes"]),
        ),
        (
            "GNU's long names",
            tar()
                .member(b'L', "././@LongLink", "", "long/name\0")
                .member(b'K', "././@LongLink", "", "long/target\0")
                .symlink("short", "short")
                .end(),
            and(&["long /", "long/name -> long/target"]),
        ),
        (
            "a V7 directory",
            tar().edited(0, "v7/", "", "", |header| put(header, field::MAGIC, b"")).end(),
            and(&["v7 / 0644"]),
        ),
        (
            "pax counts",
            tar()
                .pax(&[("path", "real"), ("size", "2")])
                .edited(b'0', "x", "", "ab", |header| put(header, field::SIZE, b"0"))
                .end(),
            and(&["real 2 bytes"]),
        ),
        (
            "base-256 counts",
            tar().edited(b'0', "b", "", "abc", |header| base_256(header, field::SIZE, 3)).end(),
            and(&["b 3 bytes"]),
        ),
        (
            "a time before 1970",
            tar().edited(b'0', "b", "", "abc", |header| base_256(header, field::MTIME, -5)).end(),
            and(&["b 3 bytes"]),
        ),
        ("no end marker", tar().file("b", "abc").cut(), and(&["b 3 bytes"])),
        (
            "something behind the end",
            tar().raw(&tar().file("b", "abc").end()).file("never", "x").raw(b"rubbish").cut(),
            and(&["b 3 bytes"]),
        ),
        ("nothing", Vec::new(), BASE.to_vec()),
    ]
}

#[test]
fn what_is_strange_lands_inside() {
    for kind in KINDS {
        let lab = Lab::new(kind);
        let base = lab.base();
        let outside = lab.outside().into_os_string().into_encoded_bytes();
        let cases = strange(&outside);
        let mut layers = 1;
        for (case, tar, expected) in &cases {
            let layer =
                lab.unpack(Some(&base), tar).unwrap_or_else(|error| panic!("{kind}, {case}: {error}"));
            layers += 1;
            let (mut found, mut expected) = (lab.shown(&layer), expected.clone());
            found.sort();
            expected.sort_unstable();
            assert_eq!(found, expected, "{kind}, {case}");
            lab.assert_sound(case, layers);
        }
    }
}

#[test]
fn a_very_deep_tree_is_made_and_deleted() {
    for kind in KINDS {
        let lab = Lab::new(kind);
        let deep = "d/".repeat(1000);
        let tar = Archive::new().pax(&[("path", format!("{deep}x"))]).file("z", "hello").end();
        let layer = lab.unpack(None, &tar).unwrap();
        assert_eq!(lab.shown(&layer).len(), 1001);
        lab.assert_sound("deep", 1);
        // And when it fails at the very end.
        let tar =
            Archive::new().pax(&[("path", format!("{deep}x"))]).file("z", "hello").file("../x", "").end();
        assert!(lab.unpack(None, &tar).is_err());
        lab.assert_sound("deep and refused", 1);
    }
}
