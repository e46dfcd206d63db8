//! Room set aside for the day on which the disk is full: then not even a prune could write down what it deletes.

use std::fs::{self, File};
use std::path::Path;

use rustix::fs::FallocateFlags;

/// The file's name in the store's root.
pub(crate) const NAME: &str = "ballast";

/// Bytes set aside: a prune's transaction writes less.
const SIZE: u64 = 4 << 20;

/// Sets the room aside, where that has not been done and is possible. A store works without it for as long as there is space.
pub(crate) fn lay(root: &Path) {
    let path = root.join(NAME);
    if path.exists() {
        return;
    }
    let new = root.join("ballast.new");
    let laid = File::create(&new)
        .and_then(|file| Ok(rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, SIZE)?))
        .and_then(|()| fs::rename(&new, &path));
    if laid.is_err() {
        // A file system that cannot set space aside, or a disk that is full already.
        let _ = fs::remove_file(&new);
    }
}

/// Gives the room back.
pub(crate) fn drop_it(root: &Path) {
    // Nothing there is what a store on a full disk has after the first try.
    let _ = fs::remove_file(root.join(NAME));
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn the_room_is_really_taken_and_given_back() {
        let directory = tempfile::tempdir().unwrap();
        lay(directory.path());
        let taken = fs::metadata(directory.path().join(NAME)).unwrap().blocks() * 512;
        assert!(taken >= SIZE, "{taken}");
        lay(directory.path());
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
        drop_it(directory.path());
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    }
}
