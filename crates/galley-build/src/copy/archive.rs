//! Which files ADD unpacks: tar archives, plain or compressed, recognised by their content and never by their name
//! (Dockerfile reference, "ADD", "Adding local tar archives").

use std::io::{self, Read};

use galley_image::TreePath;
use galley_plan::Unpack;
use galley_store::Compression;

use super::source::{ReadError, SourceBytes};
use super::{Selection, Shape};

/// Why an archive cannot be recognised.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The file cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// `--unpack` asks for an archive.
    #[error(
        "{0:?} is not a tar archive, which `--unpack` asks for: leave the flag out to copy the file as it is"
    )]
    NotAnArchive(TreePath),
}

/// Marks the groups of `selections` that are archives, as `unpack` asks for. `sources` has one element for each selection.
///
/// # Errors
/// [`ArchiveError`].
pub fn find_archives(
    selections: &mut [Selection<'_>],
    sources: &[SourceBytes<'_>],
    unpack: Unpack,
) -> Result<(), ArchiveError> {
    if unpack == Unpack::Never {
        return Ok(());
    }
    for (selection, bytes) in selections.iter_mut().zip(sources) {
        // What stands in the Dockerfile is text.
        let groups = selection.groups.iter_mut().filter(|_| !matches!(bytes, SourceBytes::Inline(_)));
        for group in groups.filter(|group| matches!(group.shape, Shape::File { .. })) {
            let Some(entry) = group.entries.first().filter(|entry| entry.node.entry.file().is_some()) else {
                continue;
            };
            let reader = bytes.open(entry.path, entry.node.origin)?;
            let failed = |source| ReadError::Io { path: entry.path.clone(), source };
            group.archive = recognise(reader).map_err(failed)?;
            if group.archive.is_none() && unpack == Unpack::Always {
                return Err(ArchiveError::NotAnArchive(entry.path.clone()));
            }
        }
    }
    Ok(())
}

/// The compression of the tar archive that `reader` holds; `None` where it holds something else.
fn recognise(mut reader: Box<dyn Read + '_>) -> io::Result<Option<Compression>> {
    let mut start = [0; 512];
    let length = fill(&mut reader, &mut start)?;
    let start = start.get(..length).unwrap_or_default();
    let compression = Compression::of(start);
    let mut header = [0; 512];
    let whole: Box<dyn Read + '_> = Box::new(start.chain(reader));
    // What cannot be decompressed is no archive, and is copied as it is.
    let length = compression.reader(whole).and_then(|mut reader| fill(&mut reader, &mut header)).unwrap_or(0);
    Ok((length == header.len() && is_tar_header(&header)).then_some(compression))
}

fn fill(reader: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut length = 0;
    while let Some(rest) = buffer.get_mut(length..).filter(|rest| !rest.is_empty()) {
        match reader.read(rest) {
            Ok(0) => break,
            Ok(count) => length += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(length)
}

/// Whether `block` is a tar header: its checksum field agrees with the sum of its bytes, the field itself counted as
/// spaces (POSIX.1-2001 pax, "ustar Interchange Format").
#[must_use]
pub fn is_tar_header(block: &[u8; 512]) -> bool {
    const FIELD: std::ops::Range<usize> = 148..156;
    let sum = |byte: &dyn Fn(u8) -> i64| -> i64 {
        block.iter().enumerate().map(|(at, value)| if FIELD.contains(&at) { 32 } else { byte(*value) }).sum()
    };
    let digits = block.get(FIELD).unwrap_or_default();
    let text = String::from_utf8_lossy(digits);
    let written = i64::from_str_radix(text.trim_matches([' ', '\0']), 8);
    // Old tars sum signed bytes.
    written.is_ok_and(|written| {
        written == sum(&|byte| i64::from(byte)) || written == sum(&|byte| i64::from(byte.cast_signed()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tar() -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_ustar();
        header.set_size(2);
        header.set_mode(0o644);
        builder.append_data(&mut header, "a", &b"hi"[..]).unwrap();
        builder.into_inner().unwrap()
    }

    #[test]
    fn archives_are_known_by_their_bytes() {
        let gzip = {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            io::copy(&mut &tar()[..], &mut encoder).unwrap();
            encoder.finish().unwrap()
        };
        let bzip2 = {
            let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
            io::copy(&mut &tar()[..], &mut encoder).unwrap();
            encoder.finish().unwrap()
        };
        let xz = {
            let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 1);
            io::copy(&mut &tar()[..], &mut encoder).unwrap();
            encoder.finish().unwrap()
        };
        let zstd = zstd::encode_all(&tar()[..], 1).unwrap();
        let cases = [
            (tar(), Some(Compression::None)),
            (gzip.clone(), Some(Compression::Gzip)),
            (bzip2, Some(Compression::Bzip2)),
            (xz, Some(Compression::Xz)),
            (zstd, Some(Compression::Zstd)),
            (zstd::encode_all(&b"not a tar"[..], 1).unwrap(), None),
            (gzip[..20].to_vec(), None),
            (vec![0; 1024], None),
            (b"plain text".to_vec(), None),
            (Vec::new(), None),
        ];
        for (bytes, expected) in cases {
            assert_eq!(
                recognise(Box::new(&bytes[..])).unwrap(),
                expected,
                "{:?}",
                &bytes[..bytes.len().min(6)]
            );
        }
    }
}
