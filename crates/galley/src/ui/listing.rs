//! Files of an image, as `ls -l` shows them.

use galley_image::{Entry, Kind, Node, Tree, TreePath};

use super::table::table;

/// The entry at `path` if it is no directory, else what is in it; with `recursive` everything below it. `None` where nothing is there.
pub fn list(tree: &Tree, path: &TreePath, recursive: bool) -> Option<String> {
    let node = tree.get(path);
    if !path.is_root() && node.is_none() {
        return None;
    }
    let directory = node.is_none_or(|node| node.entry.is_directory());
    let rows: Vec<[String; 5]> = match (directory, recursive) {
        (false, _) => node.map(|node| row(path.name().unwrap_or_default(), node)).into_iter().collect(),
        (true, false) => tree.children(path).map(|(name, node)| row(name, node)).collect(),
        (true, true) => {
            let below = tree.subtree(path).iter();
            below
                .filter_map(|(inner, node)| Some(row(inner.below(path)?, node)).filter(|_| inner != path))
                .collect()
        }
    };
    Some(table(&rows))
}

fn row(name: &[u8], node: &Node) -> [String; 5] {
    let entry = &node.entry;
    let size = match &entry.kind {
        Kind::File(file) => file.size.to_string(),
        Kind::CharDevice { major, minor } | Kind::BlockDevice { major, minor } => format!("{major},{minor}"),
        _ => "-".into(),
    };
    let mut name = String::from_utf8_lossy(name).replace(|character: char| character.is_control(), "?");
    if let Some(target) = entry.symlink_target() {
        name += &format!(" -> {}", String::from_utf8_lossy(target).replace(char::is_control, "?"));
    }
    let time = galley_build::image::rfc3339(entry.mtime.seconds);
    [mode(entry), format!("{}:{}", entry.uid, entry.gid), size, time, name]
}

/// `-rwxr-sr-t`: type and permission bits as in POSIX `ls`, "The long output format".
fn mode(entry: &Entry) -> String {
    let kind = match entry.kind {
        Kind::File(_) => '-',
        Kind::Directory => 'd',
        Kind::Symlink(_) => 'l',
        Kind::CharDevice { .. } => 'c',
        Kind::BlockDevice { .. } => 'b',
        Kind::Fifo => 'p',
    };
    let bits = entry.mode;
    let execute =
        |bit: u32, special: u32, both: char, only: char| match (bits & bit != 0, bits & special != 0) {
            (true, true) => both,
            (false, true) => only,
            (true, false) => 'x',
            (false, false) => '-',
        };
    let flag = |bit: u32, letter: char| if bits & bit != 0 { letter } else { '-' };
    [
        kind,
        flag(0o400, 'r'),
        flag(0o200, 'w'),
        execute(0o100, 0o4000, 's', 'S'),
        flag(0o040, 'r'),
        flag(0o020, 'w'),
        execute(0o010, 0o2000, 's', 'S'),
        flag(0o004, 'r'),
        flag(0o002, 'w'),
        execute(0o001, 0o1000, 't', 'T'),
    ]
    .iter()
    .collect()
}

#[cfg(test)]
mod tests {
    use galley_image::Mtime;

    use super::*;

    fn tree() -> Tree {
        let time = Mtime { seconds: 1_700_000_000, nanoseconds: 0 };
        let entry =
            |path: &str, mode: u32| (TreePath::clean(path.as_bytes()).unwrap(), Entry::directory(mode, time));
        let mut link = entry("bin", 0o777);
        link.1.kind = Kind::Symlink(b"usr/bin".as_slice().into());
        Tree::from_entries([link, entry("tmp", 0o1777), entry("usr", 0o755), entry("usr/bin", 0o2750)])
    }

    #[test]
    fn a_directory_lists_what_is_in_it() {
        let listed = list(&tree(), &TreePath::root(), false).unwrap();
        let expected = "lrwxrwxrwx   0:0   -   2023-11-14T22:13:20Z   bin -> usr/bin\n\
                        drwxrwxrwt   0:0   -   2023-11-14T22:13:20Z   tmp\n\
                        drwxr-xr-x   0:0   -   2023-11-14T22:13:20Z   usr\n";
        assert_eq!(listed, expected);
        let below = list(&tree(), &TreePath::root(), true).unwrap();
        assert!(below.ends_with("drwxr-s---   0:0   -   2023-11-14T22:13:20Z   usr/bin\n"), "{below}");
        let usr = TreePath::clean(b"usr").unwrap();
        assert!(list(&tree(), &usr, true).unwrap().trim_end().ends_with("   bin"));
        assert_eq!(list(&tree(), &TreePath::clean(b"opt").unwrap(), false), None);
    }
}
