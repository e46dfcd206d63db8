//! Where an output file goes: standard output, or a file that appears whole or not at all.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use galley_image::Digest;

use super::{ExportError, Written};
use crate::request::Destination;

const BUFFER: usize = 1 << 20;

/// Calls `produce` with the output of `destination`. A file is written under a temporary name beside its own and renamed.
pub(super) fn write(
    destination: &Destination,
    produce: impl FnOnce(&mut dyn Write) -> Result<Option<Digest>, ExportError>,
) -> Result<Written, ExportError> {
    let path = match destination {
        Destination::Stdout => {
            let mut out = Counted { out: io::stdout().lock(), written: 0, refused: None };
            let manifest = produce(&mut out).map_err(|error| out.about(Path::new("-"), error))?;
            out.flush().map_err(ExportError::write(Path::new("-")))?;
            return Ok(Written { path: "-".into(), size: out.written, manifest });
        }
        Destination::Path(path) => path,
    };
    let refused = ExportError::write(path);
    if is_special(path) {
        let file = File::options().write(true).open(path).map_err(&refused)?;
        return into_file(file, path, produce);
    }
    let name = path.file_name().ok_or_else(|| refused(io::ErrorKind::IsADirectory.into()))?;
    let mut hidden = std::ffi::OsString::from(".");
    hidden.push(name);
    hidden.push(format!(".{}.part", std::process::id()));
    let partial = path.with_file_name(hidden);
    let file = File::create(&partial).map_err(&refused)?;
    let written = into_file(file, path, produce)
        .and_then(|written| std::fs::rename(&partial, path).map_err(&refused).map(|()| written));
    if written.is_err() {
        // The first error counts; a leftover that cannot be removed is no second one.
        let _ = std::fs::remove_file(&partial);
    }
    written
}

/// A pipe or device, such as `/dev/stdout` or `/dev/null`: nothing can be renamed onto it.
fn is_special(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir())
}

fn into_file(
    file: File,
    path: &Path,
    produce: impl FnOnce(&mut dyn Write) -> Result<Option<Digest>, ExportError>,
) -> Result<Written, ExportError> {
    let mut out = Counted { out: BufWriter::with_capacity(BUFFER, file), written: 0, refused: None };
    let manifest = produce(&mut out).map_err(|error| out.about(path, error))?;
    out.flush().map_err(ExportError::write(path))?;
    Ok(Written { path: path.display().to_string(), size: out.written, manifest })
}

struct Counted<W> {
    out: W,
    written: u64,
    /// The kernel's answer to a write that failed.
    refused: Option<i32>,
}

impl<W> Counted<W> {
    /// What the output itself refused is about the output, however those who wrote put it.
    fn about(&self, path: &Path, error: ExportError) -> ExportError {
        match self.refused {
            Some(code) => ExportError::write(path)(io::Error::from_raw_os_error(code)),
            None => error,
        }
    }
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.out.write(bytes).inspect_err(|error| self.refused = error.raw_os_error())?;
        self.written += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
