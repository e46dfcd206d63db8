//! Indexes: in all packings, only as listed, and not twice.

use crate::lab::{Archive, Lab, pack, sha256};

#[test]
fn every_packing_is_read() {
    for by_hash in [true, false] {
        for packing in [".xz", ".zst", ".gz", ""] {
            let mut archive = Archive::new();
            (archive.packings, archive.by_hash) = (vec![packing], by_hash);
            archive.publish();
            let lab = Lab::new(&archive);
            assert_eq!(lab.fetched(), "app lib", "{packing} {by_hash}");
        }
    }
}

#[test]
fn a_mirror_without_hashes_in_its_paths() {
    let archive = Archive::new();
    let lab = Lab::new(&archive);
    let mut without = Archive::new();
    let path = without.path("by-hash");
    let index = without.files.remove(&path).unwrap();
    without.files.insert("dists/test/main/binary-amd64/Packages.xz".into(), index);
    lab.publish(&without);
    assert_eq!(lab.fetched(), "app lib");
}

#[test]
fn what_has_not_changed_is_not_fetched_again() {
    let mut archive = Archive::new();
    let lab = Lab::new(&archive);
    assert_eq!(lab.fetched(), "app lib");
    let before = lab.server.asked().len();
    assert_eq!(lab.fetched(), "app lib");
    let asked = lab.server.asked().split_off(before);
    assert_eq!(asked.len(), 1, "{asked:?}");
    assert!(asked[0].path.ends_with("InRelease") && asked[0].headers.contains_key("if-none-match"));
    // A new version is seen.
    archive.packages[0] = "app 2.0".into();
    archive.publish();
    lab.publish(&archive);
    assert_eq!(lab.fetched(), "app");
    assert_eq!(lab.fetch().unwrap().files[0].version, "2.0");
}

#[test]
fn a_damaged_cache_is_mended() {
    let lab = Lab::new(&Archive::new());
    assert_eq!(lab.fetched(), "app lib");
    for directory in ["indexes", "by-sha256", "releases"] {
        for file in lab.cached(directory) {
            std::fs::write(&file, "damaged").unwrap();
        }
        assert_eq!(lab.fetched(), "app lib", "{directory}");
    }
}

#[test]
fn an_index_that_is_not_the_one_listed() {
    let archive = Archive::new();
    let lab = Lab::new(&archive);
    let path = archive.path("by-hash");
    lab.change(&path, |file| *file.last_mut().unwrap() ^= 1);
    let refusal = lab.refusal();
    assert!(refusal.contains("is not the index that its release lists: its SHA-256 is"), "{refusal}");
    lab.change(&path, |file| file.truncate(20));
    assert!(lab.refusal().contains("it has 20 bytes, and listed are"));
    lab.change(&path, |file| file.resize(1 << 20, 0));
    assert!(lab.refusal().contains("it has more than"));
    assert!(lab.cached("indexes").is_empty());
}

/// Its release lists it, so it was signed; but it grows to more than the release says.
#[test]
fn an_index_that_grows_without_end() {
    let mut archive = Archive::new();
    let path = archive.path("by-hash");
    let good = archive.files.remove(&path).unwrap();
    let bomb = pack(&vec![b'\n'; 64 << 20], ".xz");
    let entry = |bytes: &[u8]| format!("{} {} main/binary-amd64/Packages.xz", sha256(bytes), bytes.len());
    let release = String::from_utf8(archive.files["dists/test/Release"].clone())
        .unwrap()
        .replace(&entry(&good), &entry(&bomb));
    archive.files.insert("dists/test/InRelease".into(), archive.signer.clearsign(&release).into_bytes());
    archive.files.insert(format!("dists/test/main/binary-amd64/by-hash/SHA256/{}", sha256(&bomb)), bomb);
    let refusal = Lab::new(&archive).refusal();
    assert!(refusal.contains("it cannot be unpacked: it grows to more than"), "{refusal}");
}

#[test]
fn entries_that_cannot_be_used() {
    let mut archive = Archive::new();
    archive.packages = vec!["app 1.0 | Filename: pool/../../etc/passwd".into()];
    archive.publish();
    let refusal = Lab::new(&archive).refusal();
    assert!(refusal.contains("the index entry of the package `app` is malformed"), "{refusal}");
}

#[test]
fn packages_that_cannot_be_had() {
    let mut archive = Archive::new();
    archive.packages.push("broken 1.0 | Depends: app, gone (>= 2)".into());
    archive.publish();
    let mut lab = Lab::new(&archive);
    lab.request.include = vec!["ap".into()];
    assert_eq!(lab.refusal(), "no suite has a package `ap`; did you mean `app`?");
    lab.request.include = vec!["broken".into()];
    assert_eq!(
        lab.refusal(),
        "`broken 1.0` cannot be installed: broken 1.0 needs gone (>= 2), and no suite has a package `gone`"
    );
    assert!(lab.cached("by-sha256").is_empty());
}
