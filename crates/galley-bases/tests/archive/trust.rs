//! Which releases are believed.

use galley_bases::archive::ArchiveError;

use crate::lab::{Archive, Lab, date, now};
use crate::signer::Signer;

#[test]
fn a_signed_archive_is_read() {
    let lab = Lab::new(&Archive::new());
    assert_eq!(lab.fetched(), "app lib");
    let releases = lab.fetch().unwrap().releases;
    let signer = releases[0].signed_by.as_ref().unwrap();
    assert!(signer.starts_with("Test Archive <archive@test.invalid> ("), "{signer}");
    assert!(lab.warnings.borrow().is_empty());
}

#[test]
fn what_nobody_known_signed_is_refused() {
    let mut archive = Archive::new();
    let lab = Lab::new(&archive);
    archive.signer = Signer::new(2);
    archive.publish();
    lab.publish(&archive);
    let refusal = lab.refusal();
    assert!(refusal.contains("InRelease is not to be trusted: it is signed with"), "{refusal}");
    assert!(refusal.contains("keyring.gpg; name another keyring with `--keyring`"), "{refusal}");
    // A text without a signature under the signed one's name.
    lab.change("dists/test/InRelease", |file| *file = archive.files["dists/test/Release"].clone());
    assert!(lab.refusal().contains("it is not signed"));
    // And none at all: without the flag nobody looks for `Release`.
    lab.remove("dists/test/InRelease");
    assert!(matches!(lab.fetch(), Err(ArchiveError::NoSuite { .. })));
    assert!(lab.server.asked_for("test/Release").is_empty());
    assert!(lab.cached("by-sha256").is_empty() && lab.cached("releases").is_empty());
}

#[test]
fn changed_and_added_text_is_refused() {
    let lab = Lab::new(&Archive::new());
    let change = |from: &str, to: &str| {
        lab.publish(&Archive::new());
        lab.change("dists/test/InRelease", |file| {
            *file = String::from_utf8_lossy(file).replacen(from, to, 1).into_bytes();
        });
        lab.refusal()
    };
    let refusal = change("Suite: testing", "Suite: tasting");
    assert!(refusal.contains("the text was changed after it was signed"), "{refusal}");
    let refusal = change("-----END PGP SIGNATURE-----\n", "-----END PGP SIGNATURE-----\nSHA256:\n");
    assert!(refusal.contains("outside of the signed text"), "{refusal}");
    let refusal = change("-----BEGIN PGP SIGNED", "Origin: Evil\n-----BEGIN PGP SIGNED");
    assert!(refusal.contains("it is not signed"), "{refusal}");
}

#[test]
fn unsigned_is_taken_with_the_flag_alone_and_said() {
    let mut lab = Lab::new(&Archive::new());
    lab.remove("dists/test/InRelease");
    lab.settings.trust.allow_unsigned = true;
    assert_eq!(lab.fetched(), "app lib");
    assert!(lab.warnings.borrow()[0].contains("is not checked"), "{:?}", lab.warnings);
    assert_eq!(lab.fetch().unwrap().releases[0].signed_by, None);
}

#[test]
fn releases_past_their_time() {
    let mut archive = Archive::new();
    archive.fields.insert("Valid-Until", date(now() - 60));
    archive.publish();
    let mut lab = Lab::new(&archive);
    let refusal = lab.refusal();
    assert!(refusal.contains("InRelease is out of date: it was valid until"), "{refusal}");
    assert!(refusal.contains("`--allow-expired`"), "{refusal}");
    lab.settings.trust.allow_expired = true;
    assert_eq!(lab.fetched(), "app lib");
    assert!(lab.warnings.borrow()[0].contains("is out of date, and used because that is allowed"));
    // A snapshot is judged as of its own day.
    lab.settings.trust.allow_expired = false;
    lab.settings.trust.at = Some(now() - 120);
    assert_eq!(lab.fetched(), "app lib");
    assert!(lab.warnings.borrow().is_empty());
}

#[test]
fn releases_that_are_still_to_come() {
    let mut archive = Archive::new();
    archive.fields.insert("Date", date(now() + 86_400));
    archive.publish();
    let mut lab = Lab::new(&archive);
    assert!(lab.refusal().contains("which is still to come; is this machine's clock right?"));
    lab.settings.trust.allow_expired = true;
    assert_eq!(lab.fetched(), "app lib");
}

#[test]
fn another_suite_under_this_name() {
    let mut archive = Archive::new();
    archive.fields.insert("Codename", "other".into());
    archive.publish();
    let lab = Lab::new(&archive);
    assert!(lab.refusal().contains("is not the release wanted: it is the release `other`"));
}

#[test]
fn suites_components_and_architectures_that_are_not_there() {
    let archive = Archive::new();
    let mut lab = Lab::new(&archive);
    lab.request.components = vec!["contrib".into()];
    assert!(lab.refusal().contains("lists no packages of component `contrib` for amd64"));
    lab.request.components = vec!["main".into()];
    lab.request.architecture = "arm64".into();
    assert!(lab.refusal().contains("lists no packages of component `main` for arm64"));
    lab.request.suites[0].name = "nowhere".into();
    assert!(lab.refusal().contains("dists/nowhere/InRelease: check the name of the suite `nowhere`"));
}

#[test]
fn a_second_mirror_steps_in() {
    let archive = Archive::new();
    let mut lab = Lab::new(&archive);
    let bad = Lab::new(&archive);
    bad.change("dists/test/InRelease", |file| file.truncate(100));
    lab.request.suites[0].mirrors.insert(0, bad.request.suites[0].mirrors[0].clone());
    assert_eq!(lab.fetched(), "app lib");
    assert_eq!(bad.server.asked_for("pool").len(), 0, "its files are asked for at the one that was believed");
}
