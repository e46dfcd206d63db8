//! Locks: with one, no index is read.

use galley_bases::archive::Lock;
use galley_bases::archive::lock::LockProblem;

use crate::lab::{Archive, Lab, assert_whole};

#[test]
fn a_lock_gives_the_same_files_without_an_index() {
    let mut archive = Archive::new();
    let lab = Lab::new(&archive);
    let fetched = lab.fetch().unwrap();
    let lock = Lock::parse(&fetched.lock.to_text()).unwrap();
    assert_eq!(lock, fetched.lock);
    // The suite goes on; the pool still has the old files.
    archive.packages[0] = "app 2.0".into();
    let old = archive.files.clone();
    archive.publish();
    archive.files.extend(old.into_iter().filter(|(path, _)| path.starts_with("pool/")));
    lab.publish(&archive);
    let before = lab.server.asked_for("dists").len();
    let cold = Lab::new(&archive);
    for lab in [&lab, &cold] {
        let locked = lab.fetch_locked(Some(&lock)).unwrap();
        assert_whole(&locked);
        let shown = |files: &[galley_bases::DebFile]| {
            files
                .iter()
                .map(|file| (file.name.clone(), file.version.clone(), file.sha256.clone()))
                .collect::<Vec<_>>()
        };
        assert_eq!(shown(&locked.files), shown(&fetched.files));
        assert!(locked.releases.is_empty());
    }
    assert_eq!(lab.server.asked_for("dists").len(), before);
    assert!(cold.server.asked_for("dists").is_empty());
}

#[test]
fn a_lock_for_something_else_is_refused() {
    let mut lab = Lab::new(&Archive::new());
    let lock = lab.fetch().unwrap().lock;
    lab.request.include.push("lib".into());
    let refusal = lab.fetch_locked(Some(&lock)).unwrap_err().to_string();
    assert_eq!(
        refusal,
        "the lock does not fit: it was made for the packages `app`, and asked for is `app lib`; make it anew if that is meant"
    );
}

#[test]
fn what_does_not_fit_the_lock_names_the_package() {
    let archive = Archive::new();
    let lab = Lab::new(&archive);
    let lock = lab.fetch().unwrap().lock;
    let cold = Lab::new(&archive);
    cold.change(&archive.path("/lib_"), |file| file[0] ^= 1);
    let refusal = cold.fetch_locked(Some(&lock)).unwrap_err().to_string();
    assert!(refusal.contains("is not the file of the package `lib` that the lock lists"), "{refusal}");
    cold.remove(&archive.path("/lib_"));
    let refusal = cold.fetch_locked(Some(&lock)).unwrap_err().to_string();
    assert!(refusal.contains("which the lock has for the package `lib`: use a snapshot mirror"), "{refusal}");
    assert_eq!(Lock::parse("Package: a\n"), Err(LockProblem::Format));
}
