//! Copies a file and leaves holes where it has only zeros, so that a sparse file stays one.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

/// The smallest hole: what file systems allocate at once.
const BLOCK: usize = 4096;

/// Copies `reader` into a new file at `path`.
///
/// # Errors
/// What the kernel says of either; [`io::ErrorKind::AlreadyExists`] where something is at `path`.
pub(super) fn copy(reader: &mut dyn Read, path: &Path) -> io::Result<()> {
    let mut file = File::options().write(true).create_new(true).open(path)?;
    let mut buffer = vec![0; 64 * BLOCK];
    let mut length = 0;
    loop {
        let filled = fill(reader, &mut buffer)?;
        let Some(content) = buffer.get(..filled).filter(|content| !content.is_empty()) else { break };
        write(&mut file, content)?;
        length += filled as u64;
    }
    // A hole at the end is a length alone.
    file.set_len(length)
}

/// Writes what is not zero and moves over the rest.
fn write(file: &mut File, content: &[u8]) -> io::Result<()> {
    let mut pending = 0..0;
    for (index, block) in content.chunks(BLOCK).enumerate() {
        let start = index * BLOCK;
        if block.iter().any(|byte| *byte != 0) {
            pending.end = start + block.len();
            continue;
        }
        file.write_all(content.get(pending.clone()).unwrap_or_default())?;
        file.seek(SeekFrom::Current(i64::try_from(block.len()).unwrap_or(i64::MAX)))?;
        pending = start + block.len()..start + block.len();
    }
    file.write_all(content.get(pending).unwrap_or_default())
}

/// Reads until `buffer` is full or nothing is left, so that blocks are aligned in the file.
fn fill(reader: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(room) = buffer.get_mut(filled..).filter(|room| !room.is_empty()) {
        match reader.read(room) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn content_is_kept_and_zeros_take_no_room() {
        let directory = tempfile::tempdir().unwrap();
        let mut content = vec![0; 1 << 20];
        content[5000] = 1;
        content[700_000..720_000].fill(7);
        for (name, length) in [("whole", 1 << 20), ("odd", 710_001), ("zeros", 3 * BLOCK + 5), ("empty", 0)] {
            let content = if name == "zeros" { &vec![0; length][..] } else { &content[..length] };
            let path = directory.path().join(name);
            copy(&mut &*content, &path).unwrap();
            assert!(std::fs::read(&path).unwrap() == content, "{name}");
            let allocated = std::fs::metadata(&path).unwrap().blocks() * 512;
            assert!(allocated <= 64 << 10, "{name}: {allocated} bytes on disk");
        }
        assert!(copy(&mut &b""[..], &directory.path().join("odd")).is_err());
    }
}
