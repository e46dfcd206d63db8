//! The container of a package (deb(5)): an ar archive of `debian-binary`, `control.tar` and `data.tar`, in this order.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use galley_store::Decompressed;

/// The most that a package may unpack to: this, or [`MOST_RATIO`] times its size.
const ALWAYS_FINE: u64 = 512 << 20;
/// See [`ALWAYS_FINE`]. Debian's own packages reach 30.
const MOST_RATIO: u64 = 200;
/// The most that a control archive may unpack to. The largest of Debian's have 2 MB.
const MOST_CONTROL: u64 = 32 << 20;

/// What is wrong with a package's file.
#[derive(Debug, thiserror::Error)]
pub enum DebError {
    /// It cannot be read.
    #[error("it cannot be read: {0}")]
    Read(#[from] io::Error),
    /// It is not an ar archive.
    #[error("it is no ar archive, and so no package")]
    NotAr,
    /// A member's header is damaged.
    #[error("the header of its member {0} is damaged")]
    Header(usize),
    /// Another member was due.
    #[error("its member {index} is `{found}` where {expected} has to be")]
    Member {
        /// Which, from 1.
        index: usize,
        /// Its name.
        found: String,
        /// What has to be there.
        expected: &'static str,
    },
    /// The format has another version.
    #[error("its format is {0:?}, and only 2.x is known")]
    Version(String),
    /// It ends too early.
    #[error("it ends in the middle: it is not whole")]
    Truncated,
}

/// One part of a package, decompressed.
pub struct Part<'a> {
    plain: Decompressed<'a>,
    given: u64,
    most: u64,
}

impl Read for Part<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.plain.read(buffer)?;
        self.given += count as u64;
        if self.given > self.most {
            let problem = format!("it unpacks to more than {} bytes: refused as an archive bomb", self.most);
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, problem));
        }
        Ok(count)
    }
}

/// Hands the control archive of the package in `file`, decompressed, to `take`.
///
/// # Errors
/// [`DebError`], and what `take` says.
pub fn with_control<T, E: From<DebError>>(
    file: &Path,
    take: impl FnOnce(&mut Part<'_>) -> Result<T, E>,
) -> Result<T, E> {
    let mut members = Members::open(file)?;
    members.control(|part| take(part))
}

/// Hands the data archive of the package in `file`, decompressed, to `take`.
///
/// # Errors
/// [`DebError`], and what `take` says.
pub fn with_data<T, E: From<DebError>>(
    file: &Path,
    take: impl FnOnce(&mut Part<'_>) -> Result<T, E>,
) -> Result<T, E> {
    let mut members = Members::open(file)?;
    members.control(|_| Ok::<_, DebError>(()))?;
    members.data(take)
}

struct Members {
    file: BufReader<File>,
    size: u64,
    index: usize,
}

impl Members {
    fn open(path: &Path) -> Result<Self, DebError> {
        let file = File::open(path)?;
        let size = file.metadata()?.len();
        let mut members = Self { file: BufReader::with_capacity(64 << 10, file), size, index: 0 };
        let mut magic = [0; 8];
        members.file.read_exact(&mut magic).map_err(|_| DebError::NotAr)?;
        if &magic != b"!<arch>\n" {
            return Err(DebError::NotAr);
        }
        let (name, size) = members.next()?;
        members.expect(&name, "debian-binary", name == "debian-binary")?;
        let mut version = String::new();
        members.file.by_ref().take(size.min(64)).read_to_string(&mut version)?;
        members.skip(size.saturating_sub(64) + size % 2)?;
        if !version.starts_with("2.") {
            return Err(DebError::Version(version.trim_end().chars().take(20).collect()));
        }
        Ok(members)
    }

    /// The next member's name and size; those whose names begin with `_` are for others.
    fn next(&mut self) -> Result<(String, u64), DebError> {
        loop {
            let mut header = [0; 60];
            self.file.read_exact(&mut header).map_err(truncated)?;
            self.index += 1;
            let damaged = || DebError::Header(self.index);
            let text = std::str::from_utf8(&header).map_err(|_| damaged())?;
            // Signs that are not ASCII could stand across the fields' borders.
            if !text.is_ascii() || !text.ends_with("`\n") {
                return Err(damaged());
            }
            let name = text[..16].trim_end().trim_end_matches('/').to_owned();
            let size = text[48..58].trim_end().parse::<u64>().map_err(|_| damaged())?;
            if !name.starts_with('_') {
                return Ok((name, size));
            }
            self.skip(size + size % 2)?;
        }
    }

    fn control<T, E: From<DebError>>(
        &mut self,
        take: impl FnOnce(&mut Part<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let (name, size) = self.next()?;
        let fits =
            matches!(name.as_str(), "control.tar" | "control.tar.gz" | "control.tar.xz" | "control.tar.zst");
        self.expect(&name, "control.tar", fits)?;
        self.part(size, MOST_CONTROL, take)
    }

    fn data<T, E: From<DebError>>(
        &mut self,
        take: impl FnOnce(&mut Part<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let (name, size) = self.next()?;
        let fits = matches!(
            name.as_str(),
            "data.tar" | "data.tar.gz" | "data.tar.xz" | "data.tar.zst" | "data.tar.bz2"
        );
        self.expect(&name, "data.tar", fits)?;
        let most = ALWAYS_FINE.max(self.size.saturating_mul(MOST_RATIO));
        self.part(size, most, take)
    }

    /// Hands a member to `take` and goes to the one behind it.
    fn part<T, E: From<DebError>>(
        &mut self,
        size: u64,
        most: u64,
        take: impl FnOnce(&mut Part<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut packed = Whole { file: &mut self.file, left: size };
        let taken = {
            let plain = Decompressed::open(&mut packed).map_err(DebError::from)?;
            take(&mut Part { plain, given: 0, most })?
        };
        let left = packed.left;
        self.skip(left + size % 2)?;
        Ok(taken)
    }

    fn expect(&self, found: &str, expected: &'static str, fits: bool) -> Result<(), DebError> {
        match fits {
            true => Ok(()),
            false => Err(DebError::Member { index: self.index, found: found.into(), expected }),
        }
    }

    /// The padding behind the last member may be missing.
    fn skip(&mut self, size: u64) -> Result<(), DebError> {
        let skipped = io::copy(&mut self.file.by_ref().take(size), &mut io::sink())?;
        if skipped + 1 < size { Err(DebError::Truncated) } else { Ok(()) }
    }
}

/// A member's bytes, all of which have to be there.
struct Whole<'a> {
    file: &'a mut BufReader<File>,
    left: u64,
}

impl Read for Whole<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let count = self.file.read(&mut buffer[..most])?;
        if count == 0 && most > 0 {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "it ends in the middle: it is not whole",
            ));
        }
        self.left -= count as u64;
        Ok(count)
    }
}

fn truncated(error: io::Error) -> DebError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => DebError::Truncated,
        _ => DebError::Read(error),
    }
}
