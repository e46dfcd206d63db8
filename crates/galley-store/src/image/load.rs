//! Images out of the database.

use galley_image::{ChainId, DiffId, Digest, Reference};
use rusqlite::{Connection, OptionalExtension};

use super::Image;
use crate::SnapshotId;
use crate::snapshot::{bound_snapshot, digest_of};

/// A reference as the names of images are kept: with a digest it is no tag any more, whatever tag stands beside it.
pub(super) fn name_of(reference: &Reference) -> String {
    match reference.digest() {
        Some(digest) => format!("{}/{}@{digest}", reference.registry(), reference.repository()),
        None => reference.to_string(),
    }
}

pub(super) fn by_name(connection: &Connection, reference: &Reference) -> rusqlite::Result<Option<Digest>> {
    let sql = "SELECT image FROM tags_1 WHERE reference = ?1";
    let mut select = connection.prepare_cached(sql)?;
    select.query_row([name_of(reference)], |row| digest_of(row, 0)).optional()
}

pub(super) fn by_digest(connection: &Connection, digest: Digest) -> rusqlite::Result<Option<Digest>> {
    let sql = "SELECT id FROM images_1 WHERE id = ?1 OR manifest_digest = ?1";
    connection.prepare_cached(sql)?.query_row([digest.as_bytes()], |row| digest_of(row, 0)).optional()
}

/// All names of an image, sorted.
pub(crate) fn names(connection: &Connection, image: Digest) -> rusqlite::Result<Vec<Reference>> {
    let sql = "SELECT reference FROM tags_1 WHERE image = ?1 ORDER BY reference";
    let mut select = connection.prepare_cached(sql)?;
    let texts: Vec<String> =
        select.query_map([image.as_bytes()], |row| row.get(0))?.collect::<Result<_, _>>()?;
    Ok(texts.iter().filter_map(|text| text.parse().ok()).collect())
}

pub(super) fn load(connection: &Connection, id: Digest) -> rusqlite::Result<Option<Image>> {
    let sql = "SELECT config, manifest, created FROM images_1 WHERE id = ?1";
    let found = connection.prepare_cached(sql)?.query_row([id.as_bytes()], |row| {
        Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, Option<Vec<u8>>>(1)?, row.get::<_, i64>(2)?))
    });
    let Some((config, manifest, created)) = found.optional()? else { return Ok(None) };
    let layers = layers(connection, id)?;
    let mut size = 0;
    for snapshot in layers.iter().filter_map(|layer| layer.snapshot) {
        size += size_of(connection, snapshot)?;
    }
    let (tags, digests) =
        names(connection, id)?.into_iter().partition(|reference| reference.digest().is_none());
    Ok(Some(Image { id, config, layers, manifest, tags, digests, created, size }))
}

fn layers(connection: &Connection, image: Digest) -> rusqlite::Result<Vec<super::ImageLayer>> {
    let sql = "SELECT diff_id, blob, snapshot FROM image_layers_1 WHERE image = ?1 ORDER BY position";
    let mut select = connection.prepare_cached(sql)?;
    let mut rows = select.query([image.as_bytes()])?;
    let (mut layers, mut chain): (Vec<_>, Option<ChainId>) = (Vec::new(), None);
    while let Some(row) = rows.next()? {
        let diff_id = DiffId(digest_of(row, 0)?);
        let blob: Option<String> = row.get(1)?;
        let here = chain.map_or(ChainId(diff_id.0), |below| below.child(diff_id));
        chain = Some(here);
        // An image that was pulled or loaded is unpacked when somebody first needs its files, as the base that it is.
        let snapshot = match row.get::<_, Option<SnapshotId>>(2)? {
            Some(snapshot) => Some(snapshot),
            None => bound_snapshot(connection, here)?.map(|snapshot| snapshot.id),
        };
        let blob = blob.and_then(|text| serde_json::from_str(&text).ok());
        layers.push(super::ImageLayer { diff_id, blob, snapshot });
    }
    Ok(layers)
}

/// Bytes of the files that a snapshot's own layer has, or had.
fn size_of(connection: &Connection, snapshot: SnapshotId) -> rusqlite::Result<u64> {
    let sql = "SELECT l.size FROM snapshots_1 s JOIN layers_1 l ON l.id = s.layer WHERE s.id = ?1";
    let size: Option<i64> =
        connection.prepare_cached(sql)?.query_row([snapshot], |row| row.get(0)).optional()?;
    Ok(size.and_then(|size| u64::try_from(size).ok()).unwrap_or(0))
}
