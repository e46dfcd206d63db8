//! Files of packages: from a mirror into the cache, hashed while they come, and taken up again where a connection broke.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;

use sha2::{Digest, Sha256};

use tempfile::{NamedTempFile, TempPath};

use super::cache::{self, Cache, hex};
use super::error::{ArchiveError, FetchProblem};
use super::lock::Locked;
use super::mirror::Mirror;
use super::net::{Net, Validators};
use super::request::Settings;

/// How far all downloads are.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub bytes: AtomicU64,
    pub packages: AtomicUsize,
}

/// Read at once.
const PIECE: usize = 128 << 10;

/// A file that is wanted, and where it may be had.
pub(super) struct Wanted {
    pub package: Locked,
    /// Asked in this order.
    pub mirrors: Vec<Mirror>,
    /// `its index` or `the lock`, for errors.
    pub expected_by: &'static str,
}

/// The file in the cache, fetched where it is not there.
pub(super) fn package(
    net: &Net,
    settings: &Settings,
    wanted: &Wanted,
    counters: &Counters,
) -> Result<PathBuf, ArchiveError> {
    let cache = Cache::new(&settings.cache);
    let path = cache.package(&wanted.package.sha256);
    if is_there(&path, &wanted.package)? {
        counters.bytes.fetch_add(wanted.package.size, Ordering::Relaxed);
    } else {
        let missing = || ArchiveError::Fetch { uri: wanted.uri(0), problem: FetchProblem::NotFound };
        if settings.offline {
            return Err(missing());
        }
        cache::make_parent(&path)?;
        Transfer::begin(net, &cache, wanted, counters)?.run(&path)?;
    }
    counters.packages.fetch_add(1, Ordering::Relaxed);
    Ok(path)
}

/// Whether the cache has the file. It is hashed again: nothing in the cache was synced, and a machine may have lost power since.
fn is_there(path: &Path, package: &Locked) -> Result<bool, ArchiveError> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(ArchiveError::disk("read", path)(error)),
    };
    let (hash, size) = hash_of(&mut file).map_err(ArchiveError::disk("read", path))?;
    Ok(size == package.size && hex(&hash.finalize()) == package.sha256)
}

fn hash_of(file: &mut File) -> io::Result<(Sha256, u64)> {
    let (mut hash, mut size) = (Sha256::new(), 0);
    let mut piece = vec![0; PIECE];
    loop {
        match file.read(&mut piece)? {
            0 => return Ok((hash, size)),
            count => {
                hash.update(&piece[..count]);
                size += count as u64;
            }
        }
    }
}

impl Wanted {
    fn uri(&self, mirror: usize) -> String {
        self.mirrors
            .get(mirror)
            .map_or_else(|| self.package.filename.clone(), |mirror| mirror.uri_of(&self.package.filename))
    }

    fn differs(&self, mirror: usize, detail: String) -> ArchiveError {
        let (package, uri, expected_by) = (self.package.name.clone(), self.uri(mirror), self.expected_by);
        ArchiveError::Package { package, uri, expected_by, detail }
    }

    fn failed(&self, mirror: usize, problem: FetchProblem) -> ArchiveError {
        match problem {
            FetchProblem::NotFound if self.expected_by == LOCK => {
                ArchiveError::Gone { package: self.package.name.clone(), uri: self.uri(mirror) }
            }
            problem => ArchiveError::Fetch { uri: self.uri(mirror), problem },
        }
    }
}

/// See [`Wanted::expected_by`].
pub(super) const LOCK: &str = "the lock";
/// See [`Wanted::expected_by`].
pub(super) const INDEX: &str = "its index";

/// A file on its way.
struct Transfer<'t> {
    net: &'t Net,
    wanted: &'t Wanted,
    counters: &'t Counters,
    path: PathBuf,
    /// A name that nobody else will go on with; the file goes with it.
    private: Option<TempPath>,
    file: File,
    /// Of what is in the file.
    hash: Sha256,
    position: u64,
}

impl<'t> Transfer<'t> {
    /// Goes on with what an earlier process began, unless another one is at it: then under a name of its own.
    fn begin(
        net: &'t Net,
        cache: &Cache,
        wanted: &'t Wanted,
        counters: &'t Counters,
    ) -> Result<Self, ArchiveError> {
        let shared = cache.partial(&wanted.package.sha256);
        cache::make_parent(&shared)?;
        let (mut path, mut file) = (shared.clone(), open(&shared)?);
        // Between opening and locking, its owner may have renamed it into place.
        let mut private = None;
        if file.try_lock().is_err() || !is_same(&file, &shared) {
            let own = shared.parent().map_or_else(NamedTempFile::new, NamedTempFile::new_in);
            let (own, name) = own.map_err(ArchiveError::disk("write", &shared))?.into_parts();
            (path, file, private) = (name.to_path_buf(), own, Some(name));
        }
        let (mut hash, mut position) = hash_of(&mut file).map_err(ArchiveError::disk("read", &path))?;
        if position > wanted.package.size {
            file.set_len(0).map_err(ArchiveError::disk("write", &path))?;
            (hash, position) = (Sha256::new(), 0);
        }
        counters.bytes.fetch_add(position, Ordering::Relaxed);
        Ok(Self { net, wanted, counters, path, private, file, hash, position })
    }

    /// Fetches the rest and puts the file into its place.
    fn run(mut self, place: &Path) -> Result<(), ArchiveError> {
        let mut first = None;
        for mirror in 0..self.wanted.mirrors.len() {
            match self.try_mirror(mirror) {
                Ok(()) => return self.put(place),
                // No other mirror makes room on the disk.
                Err(error @ ArchiveError::Disk { .. }) => {
                    first = Some(error);
                    let _ = fs::remove_file(&self.path);
                    break;
                }
                Err(error) => {
                    first.get_or_insert(error);
                }
            }
        }
        if self.position == 0 {
            let _ = fs::remove_file(&self.path);
        }
        Err(first.unwrap_or_else(|| self.wanted.failed(0, FetchProblem::NotFound)))
    }

    fn put(self, place: &Path) -> Result<(), ArchiveError> {
        // Other users of a shared cache may read it.
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
        let put = self.file.set_permissions(mode).and_then(|()| match self.private {
            Some(name) => name.persist(place).map_err(|error| error.error),
            None => fs::rename(&self.path, place),
        });
        put.map_err(ArchiveError::disk("write", place))
    }

    fn try_mirror(&mut self, mirror: usize) -> Result<(), ArchiveError> {
        let mut tried = 0;
        loop {
            let before = self.position;
            let problem = match self.attempt(mirror) {
                Ok(()) => return self.check(mirror),
                Err(Stop::Fetch(FetchProblem::TooLong(most))) => {
                    self.restart()?;
                    return Err(self.wanted.differs(mirror, format!("it has more than {most} bytes")));
                }
                Err(Stop::Fetch(problem)) => problem,
                Err(Stop::Disk(error)) => return Err(error),
            };
            // A connection that brought something was worth it.
            tried = if self.position > before { 1 } else { tried + 1 };
            match self.net.retries.wait_after(tried).filter(|_| problem.may_pass()) {
                Some(wait) => thread::sleep(wait),
                None => return Err(self.wanted.failed(mirror, problem)),
            }
        }
    }

    fn attempt(&mut self, mirror: usize) -> Result<(), Stop> {
        let package = &self.wanted.package;
        if self.position == package.size {
            return Ok(());
        }
        let Some(from) = self.wanted.mirrors.get(mirror) else { return Err(FetchProblem::NotFound.into()) };
        let mut opened = self.net.open(from, &package.filename, self.position, &Validators::default())?;
        if opened.from != self.position {
            self.restart()?;
        }
        let mut piece = vec![0; PIECE];
        loop {
            // One byte more than there should be is enough to know.
            let left = (package.size - self.position).saturating_add(1);
            let most = usize::try_from(left).unwrap_or(PIECE).min(PIECE);
            let count = match opened.reader.read(&mut piece[..most]) {
                Ok(0) if self.position < package.size => return Err(opened.ended_early().into()),
                Ok(0) => return Ok(()),
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(opened.problem(error).into()),
            };
            if self.position + count as u64 > package.size {
                return Err(FetchProblem::TooLong(package.size).into());
            }
            self.file.write_all(&piece[..count]).map_err(ArchiveError::disk("write", &self.path))?;
            self.hash.update(&piece[..count]);
            self.position += count as u64;
            self.counters.bytes.fetch_add(count as u64, Ordering::Relaxed);
        }
    }

    /// Whether what came is what was meant. If not, it is of no use to the next try.
    fn check(&mut self, mirror: usize) -> Result<(), ArchiveError> {
        let found = hex(&self.hash.clone().finalize());
        if found == self.wanted.package.sha256 {
            return Ok(());
        }
        self.restart()?;
        Err(self
            .wanted
            .differs(mirror, format!("its SHA-256 is {found}, and listed is {}", self.wanted.package.sha256)))
    }

    fn restart(&mut self) -> Result<(), ArchiveError> {
        let emptied = self.file.set_len(0).and_then(|()| self.file.seek(SeekFrom::Start(0)));
        emptied.map_err(ArchiveError::disk("write", &self.path))?;
        self.counters.bytes.fetch_sub(self.position, Ordering::Relaxed);
        (self.hash, self.position) = (Sha256::new(), 0);
        Ok(())
    }
}

/// Why an attempt ended.
enum Stop {
    Fetch(FetchProblem),
    Disk(ArchiveError),
}

impl From<FetchProblem> for Stop {
    fn from(problem: FetchProblem) -> Self {
        Self::Fetch(problem)
    }
}

impl From<ArchiveError> for Stop {
    fn from(error: ArchiveError) -> Self {
        Self::Disk(error)
    }
}

fn open(path: &Path) -> Result<File, ArchiveError> {
    let opened = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
    opened.map_err(ArchiveError::disk("write", path))
}

/// Whether the name still means the open file.
fn is_same(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let identity = |metadata: fs::Metadata| (metadata.dev(), metadata.ino());
    let (open, named) = (file.metadata().map(identity), fs::metadata(path).map(identity));
    open.is_ok_and(|open| named.is_ok_and(|named| named == open))
}
