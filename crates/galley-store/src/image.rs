//! Images: a configuration, its layers, and its names.

pub(crate) mod load;

use std::collections::BTreeMap;

use galley_image::{Descriptor, DiffId, Digest, Index, Manifest, MediaType, Reference};
use rusqlite::{OptionalExtension, params};

use crate::database::now;
use crate::failpoint::{FailPoint, reached};
use crate::format::replace;
use crate::lock::FileLock;
use crate::snapshot::digest_of;
use crate::{Lease, SnapshotId, Store, StoreError};
use load::{by_digest, by_name, load, name_of, names};

/// A layer of an image, and what of it the store has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageLayer {
    /// The digest of its tar.
    pub diff_id: DiffId,
    /// Its compressed blob, as a registry names it. The blob itself need not be in the store.
    pub blob: Option<Descriptor>,
    /// The snapshot that ends with this layer.
    pub snapshot: Option<SnapshotId>,
}

/// An image to put into the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewImage {
    /// The configuration's exact bytes: their digest is the image's id.
    pub config: Vec<u8>,
    /// The layers, lowest first.
    pub layers: Vec<ImageLayer>,
    /// The manifest's exact bytes, where the image came with one.
    pub manifest: Option<Vec<u8>>,
}

/// An image of the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// The digest of the configuration.
    pub id: Digest,
    /// The configuration's exact bytes.
    pub config: Vec<u8>,
    /// The layers, lowest first.
    pub layers: Vec<ImageLayer>,
    /// The manifest's exact bytes, if there is one.
    pub manifest: Option<Vec<u8>>,
    /// The names that people give it, sorted.
    pub tags: Vec<Reference>,
    /// Where it can be had again: repositories, each with the digest that they know it by, sorted. They are names too.
    pub digests: Vec<Reference>,
    /// When it came into the store: seconds since 1970-01-01 UTC.
    pub created: i64,
    /// Bytes of the files of its layers, uncompressed, as far as the store has had them.
    pub size: u64,
}

impl Store {
    /// Adds an image, or adds to it what it lacked; returns its id.
    ///
    /// # Errors
    /// [`StoreError::UnknownSnapshot`], [`StoreError::NoSpace`], [`StoreError::Io`] and [`StoreError::Database`].
    pub fn put_image(&self, image: &NewImage) -> Result<Digest, StoreError> {
        let id = Digest::of(&image.config);
        if let Some(manifest) = &image.manifest {
            self.put_blob(&image.config)?;
            self.put_blob(manifest)?;
        }
        reached(FailPoint::ImageBefore);
        self.inner.database.write(|transaction| {
            let sql = "INSERT INTO images_1 (id, config, manifest, manifest_digest, created) \
                       VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (id) DO UPDATE SET \
                       manifest = COALESCE(excluded.manifest, manifest), \
                       manifest_digest = COALESCE(excluded.manifest_digest, manifest_digest)";
            let manifest_digest = image.manifest.as_ref().map(|bytes| *Digest::of(bytes).as_bytes());
            transaction.prepare_cached(sql)?.execute(params![
                id.as_bytes(),
                image.config,
                image.manifest,
                manifest_digest,
                now()
            ])?;
            let sql = "INSERT INTO image_layers_1 (image, position, diff_id, blob, snapshot) \
                       VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (image, position) DO UPDATE SET \
                       blob = COALESCE(excluded.blob, blob), snapshot = COALESCE(excluded.snapshot, snapshot)";
            let mut insert = transaction.prepare_cached(sql)?;
            for (position, layer) in (0_i64..).zip(&image.layers) {
                if let Some(snapshot) = layer.snapshot {
                    let sql = "SELECT EXISTS (SELECT 1 FROM snapshots_1 WHERE id = ?1)";
                    if !transaction.prepare_cached(sql)?.query_row([snapshot], |row| row.get::<_, bool>(0))? {
                        return Err(StoreError::UnknownSnapshot(snapshot).into());
                    }
                }
                let blob = layer.blob.as_ref().and_then(|blob| serde_json::to_string(blob).ok());
                let diff_id = layer.diff_id.0;
                insert.execute(params![id.as_bytes(), position, diff_id.as_bytes(), blob, layer.snapshot])?;
            }
            Ok(())
        })?;
        reached(FailPoint::ImageAfter);
        if image.manifest.is_some() {
            self.write_index()?;
        }
        Ok(id)
    }

    /// Names an image; the name leaves the image that had it. A reference with a digest is kept among the image's
    /// digests, without its tag.
    ///
    /// # Errors
    /// [`StoreError::UnknownImage`], [`StoreError::NoSpace`], [`StoreError::Io`] and [`StoreError::Database`].
    pub fn tag(&self, reference: &Reference, image: Digest) -> Result<(), StoreError> {
        reached(FailPoint::Tag);
        self.inner.database.write(|transaction| {
            let sql = "SELECT EXISTS (SELECT 1 FROM images_1 WHERE id = ?1)";
            if !transaction.prepare_cached(sql)?.query_row([image.as_bytes()], |row| row.get::<_, bool>(0))? {
                return Err(StoreError::UnknownImage(image.to_string()).into());
            }
            let sql = "INSERT OR REPLACE INTO tags_1 (reference, image) VALUES (?1, ?2)";
            transaction.prepare_cached(sql)?.execute(params![name_of(reference), image.as_bytes()])?;
            Ok(())
        })?;
        self.write_index()
    }

    /// Takes a name away; returns the image that had it. The image stays.
    ///
    /// # Errors
    /// [`StoreError::Io`], [`StoreError::NoSpace`] and [`StoreError::Database`].
    pub fn untag(&self, reference: &Reference) -> Result<Option<Digest>, StoreError> {
        let image = self.inner.database.write(|transaction| {
            let sql = "DELETE FROM tags_1 WHERE reference = ?1 RETURNING image";
            let mut delete = transaction.prepare_cached(sql)?;
            Ok(delete.query_row([name_of(reference)], |row| digest_of(row, 0)).optional()?)
        })?;
        if image.is_some() {
            self.write_index()?;
        }
        Ok(image)
    }

    /// The image that was tagged with exactly this reference; or, where the reference has a digest, the image whose manifest
    /// or id has that digest. `lease` then holds its snapshots that have their files.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn image(&self, reference: &Reference, lease: &Lease) -> Result<Option<Image>, StoreError> {
        self.inner.database.write(|transaction| {
            let id = match (by_name(transaction, reference)?, reference.digest()) {
                (None, Some(digest)) => by_digest(transaction, digest)?,
                (named, _) => named,
            };
            let Some(image) = id.map(|id| load(transaction, id)).transpose()?.flatten() else {
                return Ok(None);
            };
            for snapshot in image.layers.iter().filter_map(|layer| layer.snapshot) {
                let sql = "SELECT present FROM snapshots_1 WHERE id = ?1";
                let present =
                    transaction.prepare_cached(sql)?.query_row([snapshot], |row| row.get(0)).optional()?;
                if present == Some(true) {
                    lease.hold_in(transaction, snapshot)?;
                }
            }
            Ok(Some(image))
        })
    }

    /// The image whose id begins with these hex digits, with or without `sha256:`.
    ///
    /// # Errors
    /// [`StoreError::UnknownImage`], [`StoreError::AmbiguousImage`] and [`StoreError::Database`].
    pub fn image_by_id(&self, prefix: &str) -> Result<Image, StoreError> {
        let digits = prefix.strip_prefix("sha256:").unwrap_or(prefix).to_ascii_lowercase();
        let unknown = || StoreError::UnknownImage(prefix.into());
        if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(unknown());
        }
        let ids: Vec<Digest> = self.inner.database.read(|connection| {
            let sql = "SELECT id FROM images_1 WHERE lower(hex(id)) LIKE ?1 || '%' LIMIT 2";
            connection.prepare_cached(sql)?.query_map([&digits], |row| digest_of(row, 0))?.collect()
        })?;
        match ids.as_slice() {
            [id] => self.inner.database.read(|connection| load(connection, *id))?.ok_or_else(unknown),
            [] => Err(unknown()),
            _ => Err(StoreError::AmbiguousImage(prefix.into())),
        }
    }

    /// All images, the newest first; of those made in the same second, the ones with names first, by name.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn images(&self) -> Result<Vec<Image>, StoreError> {
        self.inner.database.read(|connection| {
            let sql = "SELECT i.id, min(t.reference) AS name FROM images_1 i LEFT JOIN tags_1 t ON t.image = i.id \
                       GROUP BY i.id ORDER BY i.created DESC, name NULLS LAST, i.id";
            let ids: Vec<Digest> = connection
                .prepare_cached(sql)?
                .query_map([], |row| digest_of(row, 0))?
                .collect::<Result<_, _>>()?;
            ids.into_iter().filter_map(|id| load(connection, id).transpose()).collect()
        })
    }

    /// Removes an image and all its names. Its files go with the next prune.
    ///
    /// # Errors
    /// [`StoreError::UnknownImage`], [`StoreError::Io`], [`StoreError::NoSpace`] and [`StoreError::Database`].
    pub fn remove_image(&self, image: Digest) -> Result<(), StoreError> {
        self.inner.database.write(|transaction| {
            let id = image.as_bytes();
            if transaction.execute("DELETE FROM images_1 WHERE id = ?1", [id])? == 0 {
                return Err(StoreError::UnknownImage(image.to_string()).into());
            }
            transaction.execute("DELETE FROM tags_1 WHERE image = ?1", [id])?;
            transaction.execute("DELETE FROM image_layers_1 WHERE image = ?1", [id])?;
            Ok(())
        })?;
        self.write_index()
    }

    /// Writes `index.json` anew: the images whose every blob is here, so that the store's directory is an OCI layout.
    pub(crate) fn write_index(&self) -> Result<(), StoreError> {
        let _lock = FileLock::block(&self.inner.locks().join("index"), &self.inner.process)?;
        let mut manifests = Vec::new();
        let images: Vec<(Digest, Vec<u8>)> = self.inner.database.read(|connection| {
            let sql = "SELECT id, manifest FROM images_1 WHERE manifest IS NOT NULL ORDER BY created, id";
            let mut select = connection.prepare_cached(sql)?;
            select.query_map([], |row| Ok((digest_of(row, 0)?, row.get(1)?)))?.collect()
        })?;
        for (id, bytes) in images {
            let tags = self.inner.database.read(|connection| names(connection, id))?;
            let tags: Vec<_> = tags.into_iter().filter(|name| name.digest().is_none()).collect();
            manifests.extend(self.index_entries(&bytes, &tags));
        }
        let media_type = Some(MediaType::OCI_INDEX.into());
        let index = Index { schema_version: 2, media_type, manifests, annotations: BTreeMap::new() };
        let path = self.inner.root.join("index.json");
        let bytes = serde_json::to_vec(&index)
            .map_err(|error| StoreError::io("write", &path, std::io::Error::from(error)))?;
        if std::fs::read(&path).is_ok_and(|before| before == bytes) {
            return Ok(());
        }
        replace(&self.inner.root, "index.json", &bytes)
    }

    /// One descriptor for each name of an image, or one without a name; none if a blob is missing.
    fn index_entries(&self, bytes: &[u8], tags: &[Reference]) -> Vec<Descriptor> {
        let Ok(manifest) = serde_json::from_slice::<Manifest>(bytes) else { return Vec::new() };
        let digest = Digest::of(bytes);
        let mut needed = manifest.layers.iter().chain([&manifest.config]).map(|blob| &blob.digest);
        if !needed.all(|blob| self.has_blob(blob)) || !self.has_blob(&digest) {
            return Vec::new();
        }
        let media_type = manifest.media_type.as_deref().unwrap_or(MediaType::OCI_MANIFEST);
        let plain = Descriptor::new(media_type, digest, bytes.len() as u64);
        if tags.is_empty() {
            return vec![plain];
        }
        let named = |tag: &Reference| {
            let mut descriptor = plain.clone();
            descriptor.annotations.insert("org.opencontainers.image.ref.name".into(), tag.to_string());
            descriptor
        };
        tags.iter().map(named).collect()
    }
}
