//! Where the bytes of a copied file come from.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use galley_image::ContentDigest;
use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;

use super::failure::Failure;
use crate::{LayerId, StoreError};

/// Where the bytes come from, for a worker.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) path: PathBuf,
    pub(super) kind: SourceKind,
}

#[derive(Debug)]
pub(super) enum SourceKind {
    /// May change; these must be its bytes.
    Disk(Option<ContentDigest>),
    /// Never changes. The layer is named where the file may be linked.
    Layer { digest: Option<ContentDigest>, link: Option<(LayerId, Arc<super::link::Family>)> },
}

impl Source {
    pub(super) fn disk(path: PathBuf, expect: Option<ContentDigest>) -> Self {
        Self { path, kind: SourceKind::Disk(expect) }
    }

    pub(super) fn layer(
        path: PathBuf,
        digest: Option<ContentDigest>,
        link: Option<(LayerId, Arc<super::link::Family>)>,
    ) -> Self {
        Self { path, kind: SourceKind::Layer { digest, link } }
    }
}

/// Opens a file to copy. Never waits: somebody may have put a fifo in its place.
pub(super) fn open_source(path: &Path, check: bool) -> Result<OwnedFd, Failure> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let not_a_file = || Failure::Source(StoreError::NotAFile { path: path.into() });
    let file = match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(file) => file,
        Err(Errno::LOOP | Errno::NXIO) => return Err(not_a_file()),
        Err(Errno::NOENT | Errno::NOTDIR) => {
            return Err(Failure::Source(StoreError::ChangedWhileCopied { path: path.into() }));
        }
        Err(error) => return Err(Failure::Source(StoreError::io("read", path, error))),
    };
    if check {
        let stat =
            rustix::fs::fstat(&file).map_err(|error| Failure::Source(StoreError::io("read", path, error)))?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(not_a_file());
        }
    }
    Ok(file)
}
