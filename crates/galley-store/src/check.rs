//! Looks for damage: whether all that the database speaks of is there, and is what it must be.
//!
//! What a killed process left is no damage: temporary directories, and layers that no row speaks of yet.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use galley_image::{Change, Digest, Index, Kind, TreePath};
use sha2::{Digest as _, Sha256};

use crate::digests::hash_file;
use crate::gc::entries;
use crate::underlay::underlay_of;
use crate::walk::{What, walk};
use crate::{LayerId, Snapshotter, Store, StoreError, manifest};

/// Something is not as it must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What it is about: `layer 0f3a...`, `blob sha256:...`.
    pub subject: String,
    /// What is wrong.
    pub message: String,
}

impl Store {
    /// Looks for damage. Compares every layer's files with its manifest by their metadata; with `deep`, reads every file
    /// and blob too.
    ///
    /// # Errors
    /// [`StoreError::Database`] where nothing can be read at all. Everything else is a [`Problem`].
    pub fn check(&self, deep: bool) -> Result<Vec<Problem>, StoreError> {
        let mut problems = Vec::new();
        let found: String = self.inner.database.read(|connection| {
            let pragma = if deep { "PRAGMA integrity_check(1)" } else { "PRAGMA quick_check(1)" };
            connection.query_row(pragma, [], |row| row.get(0))
        })?;
        if found != "ok" {
            problems.push(Problem { subject: "records.db".into(), message: found });
        }
        self.check_references(&mut problems)?;
        let layers: Vec<(LayerId, bool)> = self.inner.database.read(|connection| {
            let mut select = connection.prepare("SELECT id, present FROM layers_1")?;
            select.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
        })?;
        for (layer, present) in layers {
            if let Err(message) = self.check_layer(layer, present, deep) {
                problems.push(Problem { subject: format!("layer {layer}"), message });
            }
        }
        self.check_blobs(deep, &mut problems)?;
        Ok(problems)
    }

    /// Rows that speak of rows that are not there.
    fn check_references(&self, problems: &mut Vec<Problem>) -> Result<(), StoreError> {
        let questions = [
            (
                "a snapshot has no layer",
                "SELECT hex(id) FROM snapshots_1 WHERE layer NOT IN (SELECT id FROM layers_1)",
            ),
            (
                "a snapshot has no parent",
                "SELECT hex(id) FROM snapshots_1 WHERE parent IS NOT NULL AND parent NOT IN (SELECT id FROM snapshots_1)",
            ),
            (
                "a snapshot has files and its layer has none",
                "SELECT hex(s.id) FROM snapshots_1 s JOIN layers_1 l ON l.id = s.layer WHERE s.present > l.present",
            ),
            (
                "a layer's underlay has no files",
                "SELECT hex(u.layer) FROM underlays_1 u JOIN layers_1 l ON l.id = u.layer WHERE l.present = 1 \
                 AND u.underlay NOT IN (SELECT id FROM layers_1 WHERE present = 1)",
            ),
            (
                "a snapshot has files and its parent has none",
                "SELECT hex(s.id) FROM snapshots_1 s JOIN snapshots_1 p ON p.id = s.parent WHERE s.present > p.present",
            ),
            (
                "a record has no result",
                "SELECT hex(key) FROM records_1 WHERE result NOT IN (SELECT id FROM snapshots_1)",
            ),
            (
                "a base has no snapshot",
                "SELECT hex(chain) FROM chains_1 WHERE snapshot NOT IN (SELECT id FROM snapshots_1)",
            ),
            (
                "a name has no image",
                "SELECT reference FROM tags_1 WHERE image NOT IN (SELECT id FROM images_1)",
            ),
            (
                "an image's layer has no snapshot",
                "SELECT hex(image) FROM image_layers_1 WHERE snapshot IS NOT NULL AND snapshot NOT IN (SELECT id FROM snapshots_1)",
            ),
        ];
        for (message, sql) in questions {
            let found: Vec<String> = self
                .inner
                .database
                .read(|connection| connection.prepare(sql)?.query_map([], |row| row.get(0))?.collect())?;
            let problem = |subject| Problem { subject, message: message.into() };
            problems.extend(found.into_iter().map(problem));
        }
        Ok(())
    }

    fn check_layer(&self, layer: LayerId, present: bool, deep: bool) -> Result<(), String> {
        let shown = |error: StoreError| error.to_string();
        let diff = manifest::read(&self.inner.manifest_path(layer)).map_err(shown)?;
        if !present {
            return Ok(());
        }
        let underlay = self.underlay(layer).map_err(shown)?.map(|underlay| underlay.layer);
        let known = self.inner.database.read(|connection| underlay_of(connection, layer)).map_err(shown)?;
        if known != underlay {
            return Err("it does not lie over the layer that records.db says it lies over".into());
        }
        // Its own files hide those of the underlay.
        let mut on_disk: BTreeMap<TreePath, What> = BTreeMap::new();
        for layer in underlay.into_iter().chain([layer]) {
            for found in walk(&self.inner.layer_files(layer)).map_err(shown)? {
                on_disk.insert(found.path, found.what);
            }
        }
        on_disk.remove(&TreePath::root());
        let overlay = self.inner.snapshotter != Snapshotter::Copy;
        for (path, change) in diff.iter().filter(|(path, _)| !path.is_root()) {
            let what = on_disk.remove(path);
            let right = match (change, &what) {
                (Change::Whiteout, Some(What::Whiteout)) => overlay,
                (Change::Whiteout, None) => !overlay,
                (Change::Put { entry, opaque }, Some(What::Entry(found, marked))) => {
                    let mut entry = entry.clone();
                    if let Kind::File(file) = &mut entry.kind {
                        (file.digest, file.link_group) = (None, None);
                    }
                    entry == *found && (!overlay || opaque == marked || !opaque)
                }
                _ => false,
            };
            if !right {
                return Err(format!("{} is not what its manifest says", path.display()));
            }
            if let (true, Change::Put { entry, .. }) = (deep, change)
                && let Some(file) = entry.file()
            {
                let found = hash_file(&self.file_path(layer, path), file.size).map_err(shown)?;
                if file.digest.is_some_and(|digest| digest != found) {
                    return Err(format!("{} has other bytes than its manifest says", path.display()));
                }
            }
        }
        match on_disk.into_keys().next() {
            Some(path) => Err(format!("{} is not in its manifest", path.display())),
            None => Ok(()),
        }
    }

    fn check_blobs(&self, deep: bool, problems: &mut Vec<Problem>) -> Result<(), StoreError> {
        let mut problem =
            |subject: String, message: &str| problems.push(Problem { subject, message: message.into() });
        for (path, name) in entries(&self.inner.root.join("blobs/sha256"))? {
            let Ok(digest) = format!("sha256:{name}").parse::<Digest>() else {
                problem(path.display().to_string(), "it is not named by a digest");
                continue;
            };
            if deep && sha256(&path)? != digest {
                problem(format!("blob {digest}"), "its bytes have another digest");
            }
        }
        let path = self.inner.root.join("index.json");
        match std::fs::read(&path).ok().and_then(|bytes| serde_json::from_slice::<Index>(&bytes).ok()) {
            None => problem("index.json".into(), "it cannot be read"),
            Some(index) => {
                for manifest in index.manifests.iter().filter(|manifest| !self.has_blob(&manifest.digest)) {
                    problem(
                        "index.json".into(),
                        &format!("it names {}, which is not there", manifest.digest),
                    );
                }
            }
        }
        Ok(())
    }
}

fn sha256(path: &Path) -> Result<Digest, StoreError> {
    let mut file = File::open(path).map_err(StoreError::on("open", path))?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 256 << 10];
    loop {
        match file.read(&mut buffer).map_err(StoreError::on("read", path))? {
            0 => break,
            count => hash.update(buffer.get(..count).unwrap_or_default()),
        }
    }
    Ok(Digest::from_sha256(hash.finalize().into()))
}
