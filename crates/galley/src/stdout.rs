//! Standard output, for results. A reader that went away is no error: `galley images | head` ends well.

use std::io::{self, ErrorKind, Write};

use crate::error::Error;

/// Writes `text`.
///
/// # Errors
/// [`Error::Io`], such as for a full disk behind it.
pub fn print(text: &str) -> Result<(), Error> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Error::Io { action: "write to", path: "standard output".into(), source: error })
        }
        _ => Ok(()),
    }
}
