//! Layers as tar archives, and their diff IDs.

mod ahead;

use std::io::{self, Write};

use galley_image::layer_tar::{PackError, TarProfile, Times, pack};
use galley_image::{DiffId, Digest, TreePath};
use rusqlite::{OptionalExtension, params};
use sha2::{Digest as _, Sha256};

use crate::{LayerId, Store, StoreError};
use ahead::Files;

impl Store {
    /// The diff ID of a layer packed under a profile: hashed once, then remembered.
    ///
    /// # Errors
    /// As [`Store::pack_layer`].
    pub fn diff_id(&self, layer: LayerId, profile: &TarProfile) -> Result<DiffId, StoreError> {
        match self.known_diff_id(layer, profile)? {
            Some(known) => Ok(known),
            None => self.pack_layer(layer, profile, &mut io::sink()),
        }
    }

    /// The diff ID of a layer packed under a profile, where it was hashed already.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn known_diff_id(&self, layer: LayerId, profile: &TarProfile) -> Result<Option<DiffId>, StoreError> {
        let known = self.inner.database.read(|connection| {
            let sql = "SELECT diff_id FROM diff_ids_1 WHERE layer = ?1 AND profile = ?2";
            let mut select = connection.prepare_cached(sql)?;
            select.query_row(params![layer, name(profile)], |row| row.get(0)).optional()
        })?;
        Ok(known.map(|known| DiffId(Digest::from_sha256(known))))
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
        let place = |path: &TreePath| self.file_path(layer, path);
        std::thread::scope(|scope| {
            let mut files = Files::new(scope, &diff, &place);
            pack(&diff, profile, &mut |path, entry| files.open(path, entry), &mut hashed)
        })
        .map_err(|error| pack_error(layer, error))?;
        let diff_id = DiffId(Digest::from_sha256(hashed.hash.finalize().into()));
        self.set_diff_id(layer, profile, diff_id)?;
        Ok(diff_id)
    }

    /// The profile under which a layer was once packed to `diff_id`; `None` where that never happened.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn profile_of(&self, layer: LayerId, diff_id: DiffId) -> Result<Option<TarProfile>, StoreError> {
        let names: Vec<String> = self.inner.database.read(|connection| {
            let sql = "SELECT profile FROM diff_ids_1 WHERE layer = ?1 AND diff_id = ?2 ORDER BY profile";
            let mut select = connection.prepare_cached(sql)?;
            select.query_map(params![layer, diff_id.0.as_bytes()], |row| row.get(0))?.collect()
        })?;
        Ok(names.iter().find_map(|name| named(name)))
    }

    fn set_diff_id(&self, layer: LayerId, profile: &TarProfile, diff_id: DiffId) -> Result<(), StoreError> {
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
    match profile.times {
        Times::Kept => profile.version.to_string(),
        Times::AtMost(latest) => format!("{} {latest}", profile.version),
        Times::All(one) => format!("{} ={one}", profile.version),
    }
}

/// The profile of that name.
fn named(name: &str) -> Option<TarProfile> {
    let (version, times) = name.split_once(' ').unwrap_or((name, ""));
    let times = match (times, times.strip_prefix('=')) {
        ("", _) => Times::Kept,
        (_, Some(one)) => Times::All(one.parse().ok()?),
        (latest, None) => Times::AtMost(latest.parse().ok()?),
    };
    Some(TarProfile { version: version.parse().ok()?, times })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn profiles_are_found_by_their_names() {
        for times in [Times::Kept, Times::AtMost(0), Times::AtMost(1_700_000_000), Times::All(0)] {
            let profile = TarProfile::current(times);
            assert_eq!(named(&name(&profile)), Some(profile));
        }
        assert_eq!(name(&TarProfile::current(Times::AtMost(7))), "1 7", "stores have it so");
    }
}
