//! An image as text, to be compared: every path with all that is kept of it, and the configuration. Times are left out: a
//! cached step keeps those of the day when it ran.

use std::collections::HashMap;
use std::fs;

use galley_image::{ContentDigest, ImageConfig, Kind};
use galley_store::{SnapshotId, Store};

/// The lines of an image's tree.
pub fn tree(store: &Store, top: Option<SnapshotId>) -> Vec<String> {
    let (tree, chain) = (store.tree(top).unwrap(), store.chain(top).unwrap());
    let mut groups = HashMap::new();
    let mut lines = Vec::new();
    for (path, node) in tree.iter() {
        let entry = &node.entry;
        let what = match &entry.kind {
            Kind::Directory => "directory".into(),
            Kind::Symlink(target) => format!("-> {}", String::from_utf8_lossy(target)),
            Kind::Fifo => "fifo".into(),
            Kind::CharDevice { major, minor } => format!("char {major}:{minor}"),
            Kind::BlockDevice { major, minor } => format!("block {major}:{minor}"),
            Kind::File(file) => {
                let digest = file.digest.unwrap_or_else(|| {
                    ContentDigest::of(
                        &fs::read(store.source_path(&chain, node.origin, path).unwrap()).unwrap(),
                    )
                });
                let first = file.link_group.map(|group| {
                    groups.entry((node.origin, group)).or_insert_with(|| path.clone()).display()
                });
                format!("file {} {digest:?} {}", file.size, first.unwrap_or_default())
            }
        };
        let xattrs: Vec<_> = entry
            .xattrs
            .iter()
            .map(|(name, value)| format!("{}={:?}", String::from_utf8_lossy(name), value))
            .collect();
        lines.push(format!(
            "{} {:o} {}:{} {what} {}",
            path.display(),
            entry.mode,
            entry.uid,
            entry.gid,
            xattrs.join(" ")
        ));
    }
    lines
}

/// The configuration without times, and without the digests of layers, which hold times too.
pub fn configuration(config: &ImageConfig) -> String {
    let mut config = config.clone();
    config.created = None;
    config.rootfs.diff_ids.clear();
    for step in &mut config.history {
        step.created = None;
    }
    serde_json::to_string_pretty(&config).unwrap()
}
