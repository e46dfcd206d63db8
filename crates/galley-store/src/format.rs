//! The `format` file: which version of which kind of store a directory is.

use std::fs;
use std::io::{ErrorKind, Write};
use std::path::Path;

use crate::failpoint::{FailPoint, reached};
use crate::lock::FileLock;
use crate::{Snapshotter, StoreError, database};

const FORMAT: &str = "format";
const HEADER: &str = "galley store 1";

/// The directories of a store. `tmp/` comes last: nothing can be in it before the others are there.
const DIRECTORIES: [&str; 8] =
    ["blobs/sha256", "partial", "layers", "mounts", "contexts", "leases", "locks", "tmp"];

/// What else belongs into a store's directory, seen while it is being made.
const FILES: [&str; 6] =
    [FORMAT, "oci-layout", "index.json", "records.db", "records.db-wal", "records.db-shm"];

/// An `index.json` of no images.
pub(crate) const EMPTY_INDEX: &[u8] =
    br#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"#;

/// What the format file says; `None` if there is none, and so no store.
pub(crate) fn read(root: &Path) -> Result<Option<Snapshotter>, StoreError> {
    let path = root.join(FORMAT);
    let text = match fs::read(&path) {
        Ok(text) => String::from_utf8_lossy(&text).into_owned(),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(error) => return Err(StoreError::io("read", &path, error)),
    };
    let refuse = |reason: String| StoreError::Format { root: root.into(), reason };
    let mut lines = text.lines();
    match lines.next() {
        Some(HEADER) => {}
        first => return Err(refuse(format!("its format is `{}`", first.unwrap_or_default()))),
    }
    match (lines.next(), lines.next()) {
        (Some("snapshotter overlay"), Some("xattr trusted.overlay")) => {
            Ok(Some(Snapshotter::Overlay { userxattr: false }))
        }
        (Some("snapshotter overlay"), Some("xattr user.overlay")) => {
            Ok(Some(Snapshotter::Overlay { userxattr: true }))
        }
        (Some("snapshotter copy"), None) => Ok(Some(Snapshotter::Copy)),
        _ => Err(refuse("its format file names no known snapshotter".into())),
    }
}

/// Whether `root` is a store of any version, also of one that this galley cannot open.
pub(crate) fn is_store(root: &Path) -> Result<bool, StoreError> {
    let path = root.join(FORMAT);
    match fs::read(&path) {
        Ok(text) => Ok(text.starts_with(b"galley store ")),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(false),
        Err(error) => Err(StoreError::io("read", &path, error)),
    }
}

/// Makes a store, unless another process just did; returns what is there then.
pub(crate) fn create(
    root: &Path,
    snapshotter: Snapshotter,
    process: &str,
) -> Result<Snapshotter, StoreError> {
    let locks = root.join("locks");
    refuse_foreign(root)?;
    make_directory(&locks)?;
    let _lock = FileLock::block(&locks.join("setup"), process)?;
    if let Some(existing) = read(root)? {
        return Ok(existing);
    }
    for directory in DIRECTORIES {
        make_directory(&root.join(directory))?;
    }
    reached(FailPoint::CreateDirectories);
    database::create(root)?;
    replace(root, "oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#)?;
    replace(root, "index.json", EMPTY_INDEX)?;
    let kind = match snapshotter {
        Snapshotter::Overlay { userxattr: false } => "snapshotter overlay\nxattr trusted.overlay\n",
        Snapshotter::Overlay { userxattr: true } => "snapshotter overlay\nxattr user.overlay\n",
        Snapshotter::Copy => "snapshotter copy\n",
    };
    reached(FailPoint::CreateFormat);
    replace(root, FORMAT, format!("{HEADER}\n{kind}").as_bytes())?;
    Ok(snapshotter)
}

/// A directory with other things in it is somebody's, not a store to be.
fn refuse_foreign(root: &Path) -> Result<(), StoreError> {
    let entries = match fs::read_dir(root) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(StoreError::io("read", root, error)),
    };
    for entry in entries {
        let name = entry.map_err(StoreError::on("read", root))?.file_name();
        let name = name.to_string_lossy();
        let ours = FILES.iter().any(|file| name.trim_end_matches(".new") == *file)
            || DIRECTORIES.iter().any(|directory| directory.split('/').next() == Some(&name))
            || name == "records.db-journal"
            || name == "lost+found";
        if !ours {
            let reason = format!("it is not empty (`{name}`)");
            return Err(StoreError::Format { root: root.into(), reason });
        }
    }
    Ok(())
}

fn make_directory(path: &Path) -> Result<(), StoreError> {
    use std::os::unix::fs::DirBuilderExt;
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(StoreError::on("create", path))
}

/// Writes a file of the store's root whole or not at all. The caller holds a lock that keeps others from doing the same.
pub(crate) fn replace(root: &Path, name: &str, content: &[u8]) -> Result<(), StoreError> {
    let (path, new) = (root.join(name), root.join(format!("{name}.new")));
    let write = || -> std::io::Result<()> {
        let mut file = fs::File::create(&new)?;
        file.write_all(content)?;
        file.sync_all()
    };
    write().map_err(StoreError::on("write", &new))?;
    if name == "index.json" {
        reached(FailPoint::IndexRename);
    }
    fs::rename(&new, &path).map_err(StoreError::on("write", &path))
}
