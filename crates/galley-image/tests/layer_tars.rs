//! Layer archives: what is packed reads back, GNU tar agrees on it, and what others write is read as they mean it.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_types, clippy::disallowed_methods, reason = "GNU tar is run for comparison")]

mod generate;

use std::collections::HashMap;
use std::io::{Read, Write};
use std::process::{Command, Stdio};

use galley_image::layer_tar::{
    LayerSink, PackError, Packed, ReadError, Summary, TarProfile, Times, Whiteouts, pack, read,
};
use galley_image::{
    Change, ContentDigest, Diff, DiffBuilder, DiffError, Digest, Entry, FileContent, Kind, LinkGroup, Mtime,
    Tree, TreePath,
};
use proptest::prelude::*;

/// Collects a layer and hashes its files.
#[derive(Default)]
struct Collect {
    builder: DiffBuilder,
    contents: HashMap<TreePath, Vec<u8>>,
}

impl LayerSink for Collect {
    type Error = DiffError;

    fn put(&mut self, path: TreePath, mut entry: Entry, content: &mut dyn Read) -> Result<(), DiffError> {
        let mut bytes = Vec::new();
        // An archive that breaks off is reported by the reader itself.
        let _ = content.read_to_end(&mut bytes);
        if let Kind::File(file) = &mut entry.kind {
            file.digest = Some(ContentDigest::of(&bytes));
        }
        self.contents.insert(path.clone(), bytes);
        self.builder.put(path, entry)
    }

    fn hard_link(&mut self, path: TreePath, target: TreePath) -> Result<(), DiffError> {
        self.builder.hard_link(path, &target)
    }

    fn whiteout(&mut self, path: TreePath) -> Result<(), DiffError> {
        self.builder.whiteout(path);
        Ok(())
    }

    fn opaque(&mut self, path: TreePath) -> Result<(), DiffError> {
        self.builder.opaque(path);
        Ok(())
    }
}

fn pack_generated(diff: &Diff) -> (Vec<u8>, Packed) {
    let mut out = Vec::new();
    let mut open = |_: &TreePath, entry: &Entry| -> std::io::Result<Box<dyn Read>> {
        Ok(Box::new(std::io::Cursor::new(generate::content(entry.file().unwrap().size))))
    };
    let packed = pack(diff, &TarProfile::current(Times::Kept), &mut open, &mut out).unwrap();
    (out, packed)
}

fn unpack(bytes: &[u8], whiteouts: Whiteouts) -> Result<(Diff, Summary), ReadError<DiffError>> {
    let mut sink = Collect::default();
    let summary = read(&mut &*bytes, whiteouts, &mut sink)?;
    Ok((sink.builder.finish(&Tree::empty()), summary))
}

/// Entries in path order.
type Entries = Vec<(TreePath, Entry)>;
/// Deletions (`false`) and opaque directories (`true`).
type Marks = Vec<(TreePath, bool)>;

/// The diff with whole seconds and link groups numbered in one way.
fn comparable(diff: &Diff) -> (Entries, Marks) {
    let puts = diff.iter().filter_map(|(path, change)| match change {
        Change::Put { entry, .. } => Some((path, entry, 0)),
        Change::Whiteout => None,
    });
    let mut puts = generate::canonical(puts);
    puts.iter_mut().for_each(|(_, entry)| entry.mtime.nanoseconds = 0);
    let marks = diff.iter().filter_map(|(path, change)| match change {
        Change::Put { opaque, .. } => opaque.then(|| (path.clone(), true)),
        Change::Whiteout => Some((path.clone(), false)),
    });
    (puts, marks.collect())
}

fn gnu_tar(arguments: &[&str], input: &[u8]) -> (String, String) {
    let mut tar = Command::new("tar")
        .args(arguments)
        .env("LC_ALL", "C")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("GNU tar is needed: install tar");
    let mut stdin = tar.stdin.take().unwrap();
    let input = input.to_vec();
    let writer = std::thread::spawn(move || stdin.write_all(&input));
    let output = tar.wait_with_output().unwrap();
    let _ = writer.join();
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    let errors = text(output.stderr);
    assert!(output.status.success(), "tar {arguments:?}: {errors}");
    (text(output.stdout), errors)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn what_is_packed_reads_back(layer in generate::layer()) {
        let (bytes, packed) = pack_generated(&layer);
        prop_assert_eq!(packed.bytes, bytes.len() as u64);
        let (again, summary) = unpack(&bytes, Whiteouts::Decode).unwrap();
        prop_assert_eq!(comparable(&again), comparable(&layer));
        let content = layer.size();
        prop_assert_eq!(summary, Summary { entries: packed.entries, content, bytes: packed.bytes, ended: true });
        prop_assert_eq!(pack_generated(&again).0, bytes, "packing is canonical");
    }

    #[test]
    fn an_archive_cut_anywhere_is_noticed(layer in generate::layer(), at in any::<prop::sample::Index>()) {
        let (bytes, _) = pack_generated(&layer);
        let cut = at.index(bytes.len());
        match unpack(&bytes[..cut], Whiteouts::Decode) {
            Err(ReadError::Archive(_)) => {}
            Ok((_, summary)) => prop_assert!(cut % 512 == 0 && (!summary.ended || cut == bytes.len() - 512)),
            // Only a link's first name can have been lost, and then the cut lies before the link.
            Err(ReadError::Sink(error)) => prop_assert!(false, "{}", error),
        }
    }

    #[test]
    fn damaged_archives_never_panic(layer in generate::layer(), damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..20)) {
        let (mut bytes, _) = pack_generated(&layer);
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let _ = unpack(&bytes, Whiteouts::Decode);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn gnu_tar_reads_what_is_packed(layer in generate::layer()) {
        let (bytes, packed) = pack_generated(&layer);
        let (listing, errors) = gnu_tar(&["--list", "--verbose", "--numeric-owner", "--file=-"], &bytes);
        prop_assert_eq!(listing.lines().count() as u64, packed.entries);
        // It complains about times before 1970 or far ahead in no other way than this.
        prop_assert!(errors.lines().all(|line| line.contains("time stamp")), "{}", errors);
    }
}

fn path(text: &str) -> TreePath {
    TreePath::clean(text.as_bytes()).unwrap()
}

fn file(size: u64, link_group: Option<u32>) -> Entry {
    let content = FileContent { size, digest: None, link_group: link_group.map(LinkGroup) };
    Entry {
        kind: Kind::File(content),
        mode: 0o644,
        ..Entry::directory(0, Mtime { seconds: 1_700_000_000, nanoseconds: 5 })
    }
}

fn sample() -> Diff {
    let directory = Entry::directory(0o1777, Mtime { seconds: 1_700_000_001, nanoseconds: 0 });
    let of = |kind| Entry { kind, mode: 0o600, ..directory.clone() };
    let mut attributed = file(3, None);
    attributed.xattrs.insert((*b"security.capability").into(), (*b"\x01\0\0\x02").into());
    Diff::new(vec![
        (path(""), Change::put(directory.clone())),
        (path("dir"), Change::Put { entry: directory.clone(), opaque: true }),
        (path("dir/file"), Change::put(file(513, Some(9)))),
        (path("dir/same"), Change::put(file(513, Some(9)))),
        (path("caf\u{e9}"), Change::put(file(0, None))),
        (path("gone"), Change::Whiteout),
        (path("deep/gone"), Change::Whiteout),
        (path("capable"), Change::put(attributed)),
        (path("link"), Change::put(Entry { mode: 0o777, ..of(Kind::Symlink((*b"dir/file").into())) })),
        (path("null"), Change::put(of(Kind::CharDevice { major: 1, minor: 3 }))),
        (path("disk"), Change::put(of(Kind::BlockDevice { major: 8, minor: 0 }))),
        (path("pipe"), Change::put(of(Kind::Fifo))),
        (path(&format!("{}/{}", "p".repeat(90), "n".repeat(90))), Change::put(file(0, None))),
        (path(&"x".repeat(101)), Change::put(file(0, None))),
    ])
}

#[test]
fn the_bytes_of_profile_1_are_pinned() {
    let (bytes, packed) = pack_generated(&sample());
    assert_eq!((packed.bytes, packed.entries), (13312, 15));
    assert_eq!(Digest::of(&bytes).hex(), "3a7567e41cb87ac8eecf8c6f43017c230eaad8499133c9ce79fd87ae4514342b");
}

#[test]
fn an_empty_layer_is_two_blocks_of_zeroes() {
    let (bytes, packed) = pack_generated(&Diff::default());
    assert_eq!(bytes, [0; 1024]);
    assert_eq!(packed, Packed { bytes: 1024, entries: 0 });
    assert_eq!(Digest::of(&bytes).hex(), "5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef");
}

#[test]
fn gnu_tar_shows_every_kind() {
    let (bytes, _) = pack_generated(&sample());
    let (listing, errors) = gnu_tar(&["--list", "--verbose", "--numeric-owner", "--utc", "--file=-"], &bytes);
    assert_eq!(errors, "");
    let listing = listing
        .replace(&"n".repeat(90), "N90")
        .replace(&"p".repeat(90), "P90")
        .replace(&"x".repeat(101), "X101");
    let squeezed: Vec<String> =
        listing.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(
        squeezed,
        [
            "drwxrwxrwt 0/0 0 2023-11-14 22:13 ./",
            "-rw-r--r-- 0/0 0 2023-11-14 22:13 caf\\303\\251",
            "-rw-r--r-- 0/0 3 2023-11-14 22:13 capable",
            "---------- 0/0 0 1970-01-01 00:00 deep/.wh.gone",
            "drwxrwxrwt 0/0 0 2023-11-14 22:13 dir/",
            "---------- 0/0 0 1970-01-01 00:00 dir/.wh..wh..opq",
            "-rw-r--r-- 0/0 513 2023-11-14 22:13 dir/file",
            "hrw-r--r-- 0/0 0 2023-11-14 22:13 dir/same link to dir/file",
            "brw------- 0/0 8,0 2023-11-14 22:13 disk",
            "---------- 0/0 0 1970-01-01 00:00 .wh.gone",
            "lrwxrwxrwx 0/0 0 2023-11-14 22:13 link -> dir/file",
            "crw------- 0/0 1,3 2023-11-14 22:13 null",
            "prw------- 0/0 0 2023-11-14 22:13 pipe",
            "-rw-r--r-- 0/0 0 2023-11-14 22:13 P90/N90",
            "-rw-r--r-- 0/0 0 2023-11-14 22:13 X101",
        ]
    );
}

#[test]
fn a_clamp_bounds_times_from_above() {
    let mut out = Vec::new();
    let diff = Diff::new(vec![(path("late"), Change::put(file(0, None)))]);
    let profile = TarProfile::current(Times::AtMost(1_000_000_000));
    pack(&diff, &profile, &mut |_, _| unreachable!("the file is empty"), &mut out).unwrap();
    let (again, _) = unpack(&out, Whiteouts::Decode).unwrap();
    let Some(Change::Put { entry, .. }) = again.get(&path("late")) else { panic!() };
    assert_eq!(entry.mtime.seconds, 1_000_000_000);
}

#[test]
fn what_cannot_be_packed_is_named() {
    let attempt = |name: &str, entry: Entry, bytes: &'static [u8]| {
        let diff = Diff::new(vec![(path(name), Change::put(entry))]);
        pack(&diff, &TarProfile::current(Times::Kept), &mut |_, _| Ok(Box::new(bytes)), &mut Vec::new())
            .unwrap_err()
    };
    assert!(matches!(attempt("f", file(4, None), b"abc"), PackError::Size { expected: 4, found: 3, .. }));
    assert!(matches!(attempt("f", file(2, None), b"abc"), PackError::Size { expected: 2, found: 3, .. }));
    assert!(attempt("some/f", file(2, None), b"abc").to_string().contains("/some/f"));
    assert!(matches!(attempt("a/.wh.f", file(0, None), b""), PackError::WhiteoutName(_)));
    assert!(matches!(attempt(".wh.d/f", file(0, None), b""), PackError::WhiteoutName(_)));
    let device = Entry { kind: Kind::CharDevice { major: 1, minor: 1 << 21 }, ..file(0, None) };
    assert!(matches!(attempt("dev", device, b""), PackError::Device { .. }));
    let newer = TarProfile { version: 2, times: Times::Kept };
    let error =
        pack(&Diff::default(), &newer, &mut |_, _| Ok(Box::new(&b""[..])), &mut Vec::new()).unwrap_err();
    assert!(matches!(error, PackError::Profile(2)));
    let unreadable = |_: &TreePath, _: &Entry| Err(std::io::ErrorKind::PermissionDenied.into());
    let diff = Diff::new(vec![(path("secret"), Change::put(file(1, None)))]);
    let error =
        pack(&diff, &TarProfile::current(Times::Kept), &mut { unreadable }, &mut Vec::new()).unwrap_err();
    assert!(matches!(&error, PackError::Read { path: at, .. } if *at == path("secret")));
    let full = pack(&diff, &TarProfile::current(Times::Kept), &mut |_, _| Ok(Box::new(&b"x"[..])), &mut Full)
        .unwrap_err();
    assert!(matches!(full, PackError::Write(_)));
}

/// A full disk.
struct Full;

impl Write for Full {
    fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
        Err(std::io::ErrorKind::StorageFull.into())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn every_format_of_gnu_tar_is_read() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    let long = "l".repeat(120);
    std::fs::create_dir(root.join("d")).unwrap();
    std::fs::write(root.join("d/file"), "some bytes").unwrap();
    std::fs::hard_link(root.join("d/file"), root.join("d/hard")).unwrap();
    std::os::unix::fs::symlink("d/file", root.join("soft")).unwrap();
    std::fs::write(root.join("empty"), "").unwrap();
    for (format, long_names) in
        [("v7", false), ("oldgnu", true), ("gnu", true), ("ustar", false), ("posix", true)]
    {
        if long_names {
            std::fs::write(root.join(&long), "long").unwrap();
            std::os::unix::fs::symlink(&long, root.join("d/to-long")).unwrap_or(());
        } else {
            let _ = std::fs::remove_file(root.join(&long));
            let _ = std::fs::remove_file(root.join("d/to-long"));
        }
        let base = root.display().to_string();
        let mut bytes = Vec::new();
        let arguments =
            ["--create", "--sort=name", "--numeric-owner", "--file=-", "--format", format, "-C", &base, "."];
        let output = Command::new("tar").args(arguments).output().unwrap();
        bytes.extend(output.stdout);
        let mut sink = Collect::default();
        let summary = read(&mut &*bytes, Whiteouts::Decode, &mut sink).unwrap();
        assert!(summary.ended && summary.bytes == bytes.len() as u64, "{format}");
        assert_eq!(sink.contents[&path("d/file")], b"some bytes", "{format}");
        let diff = sink.builder.finish(&Tree::empty());
        let group = |name: &str| match diff.get(&path(name)) {
            Some(Change::Put { entry, .. }) => entry.file().and_then(|file| file.link_group),
            _ => panic!("{format}: {name} is missing"),
        };
        assert!(group("d/file").is_some() && group("d/file") == group("d/hard"), "{format}");
        assert!(group("empty").is_none());
        let link = |name: &str| match diff.get(&path(name)) {
            Some(Change::Put { entry, .. }) => entry.symlink_target().map(<[u8]>::to_vec),
            _ => None,
        };
        assert_eq!(link("soft").as_deref(), Some(&b"d/file"[..]), "{format}");
        if long_names {
            assert_eq!(link("d/to-long"), Some(long.clone().into_bytes()), "{format}");
            assert!(group(&long).is_none());
        }
        let Some(Change::Put { entry, .. }) = diff.get(&path("d")) else { panic!("{format}") };
        assert!(entry.is_directory(), "{format}");
    }
}

/// One member of a hand-made archive.
struct Member {
    header: tar::Header,
    content: Vec<u8>,
}

fn member(kind: u8, name: &[u8], link: &[u8], content: &[u8]) -> Member {
    let mut header = tar::Header::new_ustar();
    header.as_old_mut().name[..name.len()].copy_from_slice(name);
    header.as_old_mut().linkname[..link.len()].copy_from_slice(link);
    header.as_old_mut().linkflag = [kind];
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(1);
    header.set_size(content.len() as u64);
    Member { header, content: content.to_vec() }
}

fn archive(members: Vec<Member>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for mut member in members {
        member.header.set_cksum();
        bytes.extend_from_slice(member.header.as_bytes());
        bytes.extend_from_slice(&member.content);
        bytes.resize(bytes.len().next_multiple_of(512), 0);
    }
    bytes.resize(bytes.len() + 1024, 0);
    bytes
}

fn records(records: &[(&str, &str)]) -> Vec<u8> {
    let mut out = String::new();
    for (key, value) in records {
        let length = (1..).find(|n: &usize| n.to_string().len() + key.len() + value.len() + 3 == *n).unwrap();
        out += &format!("{length} {key}={value}\n");
    }
    out.into_bytes()
}

fn shown(diff: &Diff) -> Vec<String> {
    let word = |change: &Change| match change {
        Change::Whiteout => "gone".to_owned(),
        Change::Put { opaque: true, .. } => "opaque".to_owned(),
        Change::Put { entry, .. } => match &entry.kind {
            Kind::File(file) => format!("file of {}", file.size),
            Kind::Directory => "directory".to_owned(),
            Kind::Symlink(to) => format!("to {}", String::from_utf8_lossy(to)),
            other => format!("{other:?}"),
        },
    };
    diff.iter().map(|(path, change)| format!("{} {}", path.display(), word(change))).collect()
}

#[test]
fn names_and_whiteouts_are_decoded() {
    let bytes = archive(vec![
        member(b'5', b"./", b"", b""),
        member(b'0', b"/abs", b"", b"1"),
        member(b'0', b"a/../b", b"", b"22"),
        member(0, b"v7dir/", b"", b""),
        member(b'0', b"twice", b"", b"1"),
        member(b'0', b"twice", b"", b"333"),
        member(b'7', b"contiguous", b"", b"1"),
        member(b'0', b"d/.wh.x", b"", b""),
        member(b'0', b"o/.wh..wh..opq", b"", b""),
        member(b'0', b".wh..hidden", b"", b""),
    ]);
    let (diff, summary) = unpack(&bytes, Whiteouts::Decode).unwrap();
    let expected = [
        "/ directory",
        "/.hidden gone",
        "/abs file of 1",
        "/b file of 2",
        "/contiguous file of 1",
        "/d/x gone",
        "/o opaque",
        "/twice file of 3",
        "/v7dir directory",
    ];
    assert_eq!(shown(&diff), expected);
    assert_eq!((summary.entries, summary.content), (10, 8));
    let (literal, _) = unpack(&bytes, Whiteouts::Literal).unwrap();
    assert!(shown(&literal).contains(&"/d/.wh.x file of 0".to_owned()));
}

#[test]
fn extended_headers_override_and_global_ones_are_defaults() {
    let all = records(&[("mtime", "77.5"), ("uid", "9"), ("comment", "0123456789abcdef")]);
    let one = records(&[
        ("path", "caf\u{e9}"),
        ("uid", "3000000"),
        ("SCHILY.xattr.user.k", "v=1"),
        ("SCHILY.xattr.security.selinux", "x"),
        ("gid", ""),
    ]);
    let bytes = archive(vec![
        member(b'g', b"pax_global_header", b"", &all),
        member(b'x', b"PaxHeader/x", b"", &one),
        member(b'0', b"short", b"", b"1"),
        member(b'0', b"plain", b"", b"1"),
        member(b'L', b"././@LongLink", b"", b"gnu-name\0"),
        member(b'0', b"gnu-na", b"", b"1"),
    ]);
    let (diff, _) = unpack(&bytes, Whiteouts::Decode).unwrap();
    let entry = |name: &str| match diff.get(&path(name)) {
        Some(Change::Put { entry, .. }) => entry.clone(),
        other => panic!("{name}: {other:?}"),
    };
    assert_eq!((entry("caf\u{e9}").uid, entry("caf\u{e9}").gid), (3_000_000, 0));
    assert_eq!(
        entry("caf\u{e9}").xattrs.into_iter().collect::<Vec<_>>(),
        [((*b"user.k").into(), (*b"v=1").into())]
    );
    assert_eq!(
        (entry("plain").uid, entry("plain").mtime),
        (9, Mtime { seconds: 77, nanoseconds: 500_000_000 })
    );
    assert!(entry("gnu-name").file().is_some());
}

#[test]
fn what_is_refused_says_why() {
    let huge = |mut member: Member| {
        member.header.set_size(1 << 30);
        member
    };
    let owner = |mut member: Member| {
        member.header.as_old_mut().uid = *b"\x80\0\0\x01\0\0\0\0";
        member
    };
    let x = |content: &[(&str, &str)]| member(b'x', b"PaxHeader/x", b"", &records(content));
    let f = || member(b'0', b"f", b"", b"1");
    for (members, reason) in [
        (vec![member(b'0', b"../../etc/passwd", b"", b"1")], "leaves its tree"),
        (vec![member(b'0', b"a/../../b", b"", b"1")], "leaves its tree"),
        (vec![x(&[("path", "../f")]), f()], "leaves its tree"),
        (vec![x(&[("path", "a\0b")]), f()], "NUL"),
        (vec![member(b'0', b"", b"", b"1")], "without a name"),
        (vec![member(b'0', b"./.", b"", b"1")], "replaces the root"),
        (vec![member(b'2', b".", b"x", b"")], "replaces the root"),
        (vec![member(b'1', b"f", b"../../etc/shadow", b"")], "not another file of the tree"),
        (vec![member(b'1', b"f", b"./f", b"")], "not another file of the tree"),
        (vec![member(b'1', b"f", b"/", b"")], "not another file of the tree"),
        (vec![member(b'1', b"f", b"missing", b"")], "does not have before it"),
        (vec![member(b'2', b"f", b"", b"")], "no usable target"),
        (vec![member(b'0', b"a/.wh.", b"", b"")], "no deletion"),
        (vec![member(b'0', b".wh..", b"", b"")], "no deletion"),
        (vec![member(b'0', b".wh...", b"", b"")], "no deletion"),
        (vec![member(b'0', b".wh..wh.plnk", b"", b"")], "no deletion"),
        (vec![member(b'0', b".wh.a/b", b"", b"")], "no deletion"),
        (vec![member(b'5', b".wh.a/", b"", b"")], "no deletion"),
        (vec![f(), member(b'1', b".wh.a", b"f", b"")], "no deletion"),
        (vec![member(b'S', b"f", b"", b"")], "sparse"),
        (vec![x(&[("GNU.sparse.major", "1")]), f()], "sparse"),
        (vec![member(b'V', b"label", b"", b"")], "type `V`"),
        (vec![x(&[("uid", "4294967295")]), f()], "not a Linux id"),
        (vec![owner(f())], "not a Linux id"),
        (vec![x(&[("size", "x")]), f()], "pax record `size`"),
        (vec![x(&[("size", "18446744073709551615")]), f()], "pax record `size`"),
        (vec![member(b'x', b"x", b"", b"99 path=f\n"), f()], "malformed pax record"),
        (vec![x(&[("path", "a")]), x(&[("path", "b")]), f()], "ambiguous"),
        (vec![x(&[("path", "a")]), member(b'L', b"@", b"", b"b\0"), f()], "ambiguous"),
        (vec![member(b'g', b"g", b"", &records(&[("path", "all")])), f()], "ambiguous"),
        (vec![x(&[("path", "a")])], "cut off"),
        (vec![huge(member(b'x', b"x", b"", b""))], "extended header of 1073741824 bytes"),
        (vec![huge(f())], "cut off"),
        (vec![f(), member(b'0', b"f/below", b"", b"1")], "is not a directory"),
    ] {
        let error = unpack(&archive(members), Whiteouts::Decode).unwrap_err().to_string();
        assert!(error.contains(reason), "{reason}: {error}");
    }
}

#[test]
fn streams_that_are_no_archives_are_refused() {
    assert_eq!(unpack(b"", Whiteouts::Decode).unwrap().1, Summary::default());
    let error = |bytes: &[u8]| unpack(bytes, Whiteouts::Decode).unwrap_err().to_string();
    assert!(error(&[b'x'; 2048]).contains("not a tar archive"));
    assert!(error(&[b'x'; 100]).contains("cut off"));
    let mut bytes = archive(vec![member(b'0', b"f", b"", b"1")]);
    bytes[0] ^= 1;
    assert!(error(&bytes).contains("checksum"));
    let mut gap = vec![0; 512];
    gap.extend(archive(vec![member(b'0', b"f", b"", b"1")]));
    assert!(error(&gap).contains("half an end marker"));
}

#[test]
fn an_error_below_the_archive_is_reported_as_such() {
    struct Broken(usize);
    impl Read for Broken {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            let bytes = archive(vec![member(b'0', b"f", b"", &[7; 4000])]);
            if self.0 >= 1024 {
                return Err(std::io::Error::other("the line is dead"));
            }
            let count = buffer.len().min(1024 - self.0);
            buffer[..count].copy_from_slice(&bytes[self.0..self.0 + count]);
            self.0 += count;
            Ok(count)
        }
    }
    let error = read(&mut Broken(0), Whiteouts::Decode, &mut Collect::default()).unwrap_err();
    assert!(error.to_string().contains("the line is dead"), "{error}");
}
