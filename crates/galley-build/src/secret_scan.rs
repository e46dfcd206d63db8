//! Finds secrets that a step wrote into its layer: a value that is to stay out of an image must not be in its files.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use memchr::memmem::Finder;

/// Values shorter than this are not searched for: they are found in any larger file by chance.
const SHORTEST: usize = 8;

/// Bytes read at a time.
const PIECE: usize = 1 << 20;

/// Searches files for secret values.
pub struct SecretScan<'a> {
    finders: Vec<(&'a str, Finder<'a>)>,
    overlap: usize,
}

impl<'a> SecretScan<'a> {
    /// A search for these secrets, given as id and value. Line ends after a value do not belong to it.
    pub fn new(secrets: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Self {
        let trimmed = secrets.into_iter().map(|(id, value)| (id, value.trim_ascii_end()));
        let finders: Vec<_> = trimmed
            .filter(|(_, value)| value.len() >= SHORTEST)
            .map(|(id, value)| (id, Finder::new(value)))
            .collect();
        let overlap = finders.iter().map(|(_, finder)| finder.needle().len() - 1).max().unwrap_or(0);
        Self { finders, overlap }
    }

    /// Whether there is anything to search for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.finders.is_empty()
    }

    /// The id of a secret that the file contains.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn find_in(&self, path: &Path) -> io::Result<Option<&'a str>> {
        let mut file = File::open(path)?;
        let mut buffer = vec![0; PIECE + self.overlap];
        let mut kept = 0;
        loop {
            let read = file.read(&mut buffer[kept..])?;
            let held = &buffer[..kept + read];
            if let Some((id, _)) = self.finders.iter().find(|(_, finder)| finder.find(held).is_some()) {
                return Ok(Some(id));
            }
            if read == 0 {
                return Ok(None);
            }
            let from = held.len().saturating_sub(self.overlap);
            let end = held.len();
            buffer.copy_within(from..end, 0);
            kept = end - from;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn found_across_pieces_and_not_by_chance() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        let mut bytes = vec![b'x'; PIECE - 4];
        bytes.extend_from_slice(b"correct horse battery");
        std::fs::write(&path, &bytes).unwrap();
        let scan = SecretScan::new([("other", &b"staple-staple"[..]), ("pw", b"correct horse battery\n")]);
        assert_eq!(scan.find_in(&path).unwrap(), Some("pw"));
        std::fs::write(&path, b"correct horse").unwrap();
        assert_eq!(scan.find_in(&path).unwrap(), None);
        assert!(SecretScan::new([("short", &b"x"[..])]).is_empty());
    }
}
