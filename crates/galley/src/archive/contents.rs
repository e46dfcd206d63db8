//! What is in an archive: its descriptions as bytes, everything else as blobs of the store.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use galley_image::layer_tar::{self, LayerSink, Whiteouts};
use galley_image::{Digest, Entry, Kind, TreePath};
use galley_store::{Decompressed, Store, StoreError};

use super::{ArchiveError, archive_error};

/// Descriptions larger than this are refused: real ones have a few kilobytes.
const LARGEST_DESCRIPTION: u64 = 8 << 20;

/// The files that describe an archive.
const DESCRIPTIONS: [&[u8]; 3] = [b"index.json", b"manifest.json", b"oci-layout"];

/// An archive's files.
#[derive(Debug, Default)]
pub struct Contents {
    descriptions: BTreeMap<TreePath, Vec<u8>>,
    blobs: BTreeMap<TreePath, (Digest, u64)>,
    /// Symbolic and hard links, resolved against the root of the archive.
    links: BTreeMap<TreePath, TreePath>,
}

impl Contents {
    /// Reads a tar of any compression.
    pub fn from_tar(reader: Box<dyn Read>, name: &Path, store: &Store) -> Result<Self, ArchiveError> {
        let failed = |source| ArchiveError::Read { path: name.into(), source };
        let mut reader = Decompressed::open(reader).map_err(failed)?;
        let mut sink = Sink { contents: Self::default(), store };
        layer_tar::read(&mut reader, Whiteouts::Literal, &mut sink).map_err(archive_error)?;
        Ok(sink.contents)
    }

    /// Reads an OCI image layout from a directory.
    pub fn from_directory(directory: &Path, store: &Store) -> Result<Self, ArchiveError> {
        let mut contents = Self::default();
        let blobs = directory.join("blobs/sha256");
        let listed = match fs::read_dir(&blobs) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(ArchiveError::NoImages),
            Err(source) => return Err(ArchiveError::Read { path: blobs, source }),
            Ok(listed) => listed.filter_map(Result::ok).map(|entry| entry.path()),
        };
        let descriptions =
            DESCRIPTIONS.iter().map(|name| directory.join(String::from_utf8_lossy(name).as_ref()));
        for path in descriptions.filter(|path| path.is_file()).chain(listed) {
            let failed = |source| ArchiveError::Read { path: path.clone(), source };
            let inside = path.strip_prefix(directory).unwrap_or(&path);
            let Ok(name) = TreePath::clean(std::os::unix::ffi::OsStrExt::as_bytes(inside.as_os_str())) else {
                continue;
            };
            let mut file = File::open(&path).map_err(failed)?;
            let size = file.metadata().map_err(failed)?.len();
            contents.take(name, size, &mut file, store)?;
        }
        Ok(contents)
    }

    fn take(
        &mut self,
        path: TreePath,
        size: u64,
        content: &mut dyn Read,
        store: &Store,
    ) -> Result<(), ArchiveError> {
        let failed = |source| ArchiveError::Read { path: path.display().into(), source };
        if DESCRIPTIONS.contains(&path.as_bytes()) {
            if size > LARGEST_DESCRIPTION {
                let problem = format!("it has {size} bytes");
                return Err(ArchiveError::Description { file: path.display(), problem });
            }
            let mut bytes = Vec::new();
            content.read_to_end(&mut bytes).map_err(failed)?;
            self.descriptions.insert(path, bytes);
            return Ok(());
        }
        // What docker wrote beside each layer before it knew manifests.
        if path.name().is_some_and(|name| name == b"VERSION" || name == b"json" || name == b"repositories") {
            return Ok(());
        }
        let named = named_digest(&path);
        if let Some(digest) = named.filter(|digest| store.has_blob(digest)) {
            self.blobs.insert(path, (digest, size));
            return Ok(());
        }
        let mut writer = store.blob_writer()?;
        io::copy(content, &mut writer).map_err(|error| match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                ArchiveError::Store(StoreError::NoSpace { path: path.display().into(), source: error })
            }
            _ => failed(error),
        })?;
        let blob = match named {
            Some(digest) => (writer.finish(digest, Some(size))?, size),
            None => writer.finish_any()?,
        };
        self.blobs.insert(path, blob);
        Ok(())
    }

    /// A description's bytes.
    pub fn description(&self, name: &str) -> Option<&[u8]> {
        self.descriptions.get(&TreePath::clean(name.as_bytes()).ok()?).map(Vec::as_slice)
    }

    /// The blob at a path, links followed: its digest and size in bytes.
    pub fn blob(&self, path: &str) -> Option<(Digest, u64)> {
        let mut path = TreePath::clean(path.as_bytes()).ok()?;
        // A chain of links longer than there are links is a loop.
        for _ in 0..=self.links.len() {
            if let Some(blob) = self.blobs.get(&path) {
                return Some(*blob);
            }
            path = self.links.get(&path)?.clone();
        }
        None
    }

    /// Whether a blob with this digest came with the archive.
    pub fn has(&self, digest: &Digest) -> bool {
        self.blob(&format!("blobs/sha256/{}", digest.hex())).is_some()
    }
}

/// The digest that a file of an image layout is named by: `blobs/sha256/<hex>`.
fn named_digest(path: &TreePath) -> Option<Digest> {
    let hex = path.as_bytes().strip_prefix(b"blobs/sha256/")?;
    format!("sha256:{}", std::str::from_utf8(hex).ok()?).parse().ok()
}

struct Sink<'s> {
    contents: Contents,
    store: &'s Store,
}

impl LayerSink for Sink<'_> {
    type Error = ArchiveError;

    fn put(&mut self, path: TreePath, entry: Entry, content: &mut dyn Read) -> Result<(), ArchiveError> {
        match &entry.kind {
            Kind::File(file) => self.contents.take(path, file.size, content, self.store),
            Kind::Symlink(target) => {
                let absolute = target.starts_with(b"/");
                let from = if absolute { TreePath::root() } else { path.parent().unwrap_or_default() };
                let target = [from.as_bytes(), b"/", target].concat();
                // One that leads out of the archive leads nowhere.
                if let Some(target) = without_dots(&target) {
                    self.contents.links.insert(path, target);
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn hard_link(&mut self, path: TreePath, target: TreePath) -> Result<(), ArchiveError> {
        self.contents.links.insert(path, target);
        Ok(())
    }

    // Whiteouts::Literal gives neither of these.
    fn whiteout(&mut self, _: TreePath) -> Result<(), ArchiveError> {
        Ok(())
    }

    fn opaque(&mut self, _: TreePath) -> Result<(), ArchiveError> {
        Ok(())
    }
}

/// `path` with its `..` taken in; `None` where they lead out.
fn without_dots(path: &[u8]) -> Option<TreePath> {
    let mut components: Vec<&[u8]> = Vec::new();
    for component in path.split(|byte| *byte == b'/') {
        match component {
            b"" | b"." => {}
            b".." => {
                components.pop()?;
            }
            name => components.push(name),
        }
    }
    TreePath::clean(&components.join(&b'/')).ok()
}
