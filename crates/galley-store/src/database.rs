//! `records.db`: the connection, the schema, and how transactions are made.
//!
//! WAL with `synchronous=NORMAL`: a commit waits for no disk; after a power cut the last ones may be missing and the rest
//! is whole. Writers begin with `BEGIN IMMEDIATE`, so none fails half-way for another. Setting WAL up costs more than a
//! whole rebuild does, so it is done once, when the store is made.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};

use crate::StoreError;
use crate::failpoint::{FailPoint, reached};

/// For as long as another process's transaction may take. Ours are milliseconds; a machine may be slow.
const BUSY: Duration = Duration::from_secs(60);

/// The version of a table's meaning stands in its name; another one is another table.
const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS layers_1 (
    id BLOB PRIMARY KEY,
    size INTEGER NOT NULL,          -- bytes of its files
    present INTEGER NOT NULL,       -- 0: pruned, the manifest is left
    standing INTEGER NOT NULL,      -- 1: made on nothing, so it may be stacked on anything
    family BLOB,                    -- layers with the same one may share inodes
    synced INTEGER NOT NULL,        -- 0: lost if the machine stops
    boot TEXT NOT NULL,             -- in which boot it was made
    created INTEGER NOT NULL        -- seconds since 1970
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS layers_1_unsynced ON layers_1(boot) WHERE synced = 0;
CREATE INDEX IF NOT EXISTS layers_1_family ON layers_1(family) WHERE family IS NOT NULL;
CREATE TABLE IF NOT EXISTS underlays_1 (
    layer BLOB PRIMARY KEY,
    underlay BLOB NOT NULL          -- the layer that holds most of its files
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS underlays_1_underlay ON underlays_1(underlay);
CREATE TABLE IF NOT EXISTS snapshots_1 (
    id BLOB PRIMARY KEY,
    parent BLOB,
    layer BLOB NOT NULL,
    present INTEGER NOT NULL,       -- 1: its layer and those of all its parents have files
    used INTEGER NOT NULL           -- when a build last used it, seconds since 1970
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS snapshots_1_parent ON snapshots_1(parent);
CREATE INDEX IF NOT EXISTS snapshots_1_layer ON snapshots_1(layer);
CREATE TABLE IF NOT EXISTS records_1 (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    key BLOB NOT NULL,
    result BLOB NOT NULL,
    inputs TEXT NOT NULL,
    created INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS records_1_key ON records_1(key, sequence);
CREATE INDEX IF NOT EXISTS records_1_result ON records_1(result);
CREATE TABLE IF NOT EXISTS tree_digests_1 (
    snapshot BLOB NOT NULL, selector BLOB NOT NULL, digest BLOB NOT NULL, PRIMARY KEY (snapshot, selector)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS diff_ids_1 (
    layer BLOB NOT NULL, profile TEXT NOT NULL, diff_id BLOB NOT NULL, PRIMARY KEY (layer, profile)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS chains_1 (chain BLOB PRIMARY KEY, snapshot BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS images_1 (
    id BLOB PRIMARY KEY, config BLOB NOT NULL, manifest BLOB, manifest_digest BLOB, created INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS images_1_manifest ON images_1(manifest_digest);
CREATE TABLE IF NOT EXISTS image_layers_1 (
    image BLOB NOT NULL, position INTEGER NOT NULL, diff_id BLOB NOT NULL, blob TEXT, snapshot BLOB,
    PRIMARY KEY (image, position)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS tags_1 (reference TEXT PRIMARY KEY, image BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS leases_1 (id BLOB PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS holds_1 (
    lease BLOB NOT NULL, snapshot BLOB NOT NULL, PRIMARY KEY (lease, snapshot)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS journals_2 (
    name TEXT PRIMARY KEY,
    json TEXT NOT NULL,
    written INTEGER NOT NULL        -- seconds since 1970
) WITHOUT ROWID;
DROP TABLE IF EXISTS journals_1;
";

/// Counts the changes of [`SCHEMA`], as `user_version`: a store with a smaller one gets the tables that it lacks.
const SCHEMA_VERSION: i64 = 3;

/// The connection of this process.
#[derive(Debug)]
pub(crate) struct Database {
    path: PathBuf,
    connection: Mutex<Connection>,
}

/// Makes the database and its schema. Called under the `setup` lock.
pub(crate) fn create(root: &Path) -> Result<(), StoreError> {
    let path = root.join("records.db");
    let run = || -> rusqlite::Result<()> {
        let connection = Connection::open(&path)?;
        connection.busy_timeout(BUSY)?;
        reached(FailPoint::CreateSchema);
        connection.pragma_update(None, "journal_mode", "wal")?;
        set_up(&connection)
    };
    run().map_err(|source| failure(&path, source))
}

impl Database {
    /// Opens the database of an existing store.
    pub(crate) fn open(root: &Path) -> Result<Self, StoreError> {
        let path = root.join("records.db");
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let run = || -> rusqlite::Result<Connection> {
            let connection = Connection::open_with_flags(&path, flags)?;
            connection.busy_timeout(BUSY)?;
            connection.pragma_update(None, "synchronous", "normal")?;
            // A checkpoint at every close would wait for the disk in builds that changed nothing.
            connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
            connection.set_prepared_statement_cache_capacity(64);
            if connection.pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0))?
                < SCHEMA_VERSION
            {
                set_up(&connection)?;
            }
            Ok(connection)
        };
        let connection = run().map_err(|source| failure(&path, source))?;
        Ok(Self { path, connection: Mutex::new(connection) })
    }

    /// Runs queries.
    pub(crate) fn read<T>(
        &self,
        run: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        run(&connection).map_err(|source| failure(&self.path, source))
    }

    /// Runs a transaction that writes; an error of either kind takes all of it back.
    pub(crate) fn write<T>(
        &self,
        run: impl FnOnce(&Transaction<'_>) -> Result<T, Failure>,
    ) -> Result<T, StoreError> {
        let mut connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        self.shown(write(&mut connection, run))
    }

    /// The same, and a power cut does not take it back once this has returned.
    pub(crate) fn write_lasting<T>(
        &self,
        run: impl FnOnce(&Transaction<'_>) -> Result<T, Failure>,
    ) -> Result<T, StoreError> {
        let mut connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        let full = connection.pragma_update(None, "synchronous", "full");
        let result = full.map_err(Failure::from).and_then(|()| write(&mut connection, run));
        let normal = connection.pragma_update(None, "synchronous", "normal");
        self.shown(result.and_then(|value| normal.map(|()| value).map_err(Failure::from)))
    }

    fn shown<T>(&self, result: Result<T, Failure>) -> Result<T, StoreError> {
        result.map_err(|error| match error {
            Failure::Store(error) => error,
            Failure::Sql(source) => failure(&self.path, source),
        })
    }
}

/// Makes the tables that are not there.
fn set_up(connection: &Connection) -> rusqlite::Result<()> {
    let version = format!("PRAGMA user_version = {SCHEMA_VERSION};");
    connection.execute_batch(&format!("BEGIN IMMEDIATE;{SCHEMA}{version}COMMIT;"))
}

fn write<T>(
    connection: &mut Connection,
    run: impl FnOnce(&Transaction<'_>) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let value = run(&transaction)?;
    transaction.commit()?;
    Ok(value)
}

/// Why a transaction failed: the database, or what the store found in it.
#[derive(Debug)]
pub(crate) enum Failure {
    Sql(rusqlite::Error),
    Store(StoreError),
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

fn failure(path: &Path, source: rusqlite::Error) -> StoreError {
    match source.sqlite_error_code() {
        Some(rusqlite::ErrorCode::DiskFull) => StoreError::NoSpace {
            path: path.into(),
            source: std::io::Error::from(std::io::ErrorKind::StorageFull),
        },
        _ => StoreError::Database { path: path.into(), source },
    }
}

/// Seconds since 1970-01-01 UTC.
pub(crate) fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
