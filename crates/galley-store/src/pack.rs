//! Layers as tar archives, and their diff IDs.

use std::fs::File;
use std::io::{self, Read, Write};

use galley_image::layer_tar::{PackError, TarProfile, pack};
use galley_image::{DiffId, Digest};
use rusqlite::{OptionalExtension, params};
use sha2::{Digest as _, Sha256};

use crate::{LayerId, Store, StoreError};

impl Store {
    /// The diff ID of a layer packed under a profile: hashed once, then remembered.
    ///
    /// # Errors
    /// As [`Store::pack_layer`].
    pub fn diff_id(&self, layer: LayerId, profile: &TarProfile) -> Result<DiffId, StoreError> {
        let known = self.inner.database.read(|connection| {
            let sql = "SELECT diff_id FROM diff_ids_1 WHERE layer = ?1 AND profile = ?2";
            let mut select = connection.prepare_cached(sql)?;
            select.query_row(params![layer, name(profile)], |row| row.get(0)).optional()
        })?;
        match known {
            Some(known) => Ok(DiffId(Digest::from_sha256(known))),
            None => self.pack_layer(layer, profile, &mut io::sink()),
        }
    }

    /// Packs a layer; returns its diff ID, and remembers it.
    ///
    /// # Errors
    /// [`StoreError::Pack`], [`StoreError::UnknownLayer`], [`StoreError::Corrupt`] and [`StoreError::Database`]. A failure of
    /// `out` is a [`StoreError::Pack`] too.
    pub fn pack_layer(
        &self,
        layer: LayerId,
        profile: &TarProfile,
        out: &mut dyn Write,
    ) -> Result<DiffId, StoreError> {
        let diff = self.diff(layer)?;
        let mut hashed = Hashed { out, hash: Sha256::new() };
        let mut open = |path: &galley_image::TreePath, _: &galley_image::Entry| {
            File::open(self.file_path(layer, path)).map(|file| Box::new(file) as Box<dyn Read>)
        };
        pack(&diff, profile, &mut open, &mut hashed).map_err(|error| pack_error(layer, error))?;
        let diff_id = DiffId(Digest::from_sha256(hashed.hash.finalize().into()));
        self.set_diff_id(layer, profile, diff_id)?;
        Ok(diff_id)
    }

    /// Remembers the diff ID of a layer under a profile, such as that of a base's layer, which is never packed anew.
    ///
    /// # Errors
    /// [`StoreError::Database`] and [`StoreError::NoSpace`].
    pub fn set_diff_id(
        &self,
        layer: LayerId,
        profile: &TarProfile,
        diff_id: DiffId,
    ) -> Result<(), StoreError> {
        self.inner.database.write(|transaction| {
            let sql = "INSERT OR REPLACE INTO diff_ids_1 (layer, profile, diff_id) VALUES (?1, ?2, ?3)";
            transaction.prepare_cached(sql)?.execute(params![layer, name(profile), diff_id.0.as_bytes()])?;
            Ok(())
        })
    }
}

fn pack_error(layer: LayerId, error: PackError) -> StoreError {
    match error {
        PackError::WhiteoutName(path) => StoreError::WhiteoutName { path },
        error => StoreError::Pack { layer, reason: error.to_string() },
    }
}

/// A profile as it stands in the database.
fn name(profile: &TarProfile) -> String {
    match profile.clamp {
        Some(clamp) => format!("{} {clamp}", profile.version),
        None => profile.version.to_string(),
    }
}

struct Hashed<'a> {
    out: &'a mut dyn Write,
    hash: Sha256,
}

impl Write for Hashed<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.out.write(bytes)?;
        self.hash.update(bytes.get(..count).unwrap_or_default());
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
