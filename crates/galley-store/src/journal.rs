//! Journals: what the last build of a Dockerfile did, for `galley why`.

use rusqlite::{OptionalExtension, params};

use crate::database::now;
use crate::failpoint::{FailPoint, reached};
use crate::{Store, StoreError};

impl Store {
    /// Keeps the journal of the last build of `name` (a Dockerfile's path, say). The store does not look into it.
    ///
    /// # Errors
    /// [`StoreError::Database`] and [`StoreError::NoSpace`].
    pub fn put_journal(&self, name: &str, json: &str) -> Result<(), StoreError> {
        reached(FailPoint::Journal);
        self.inner.database.write(|transaction| {
            let sql = "INSERT OR REPLACE INTO journals_2 (name, json, written) VALUES (?1, ?2, ?3)";
            transaction.prepare_cached(sql)?.execute(params![name, json, now()])?;
            Ok(())
        })
    }

    /// The journal of the last build of `name`.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn journal(&self, name: &str) -> Result<Option<String>, StoreError> {
        self.inner.database.read(|connection| {
            let sql = "SELECT json FROM journals_2 WHERE name = ?1";
            connection.prepare_cached(sql)?.query_row([name], |row| row.get(0)).optional()
        })
    }
}
