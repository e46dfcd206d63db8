//! The Dockerfile, the context and the ignore file: found, and the two files read.

use std::fs;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use galley_build::copy;
use galley_build::request::ContextSource;
use galley_store::Compression;

use crate::error::Error;

/// What is built.
#[derive(Clone, Debug)]
pub struct Source {
    /// The Dockerfile's bytes.
    pub dockerfile: Vec<u8>,
    /// What `why` finds the build by: the Dockerfile's absolute path, or `-`.
    pub name: String,
    /// The Dockerfile's name as it was typed, for messages.
    pub shown: String,
    /// The context.
    pub context: ContextSource,
    /// The ignore file's name and bytes.
    pub ignore: Option<(String, Vec<u8>)>,
    /// What the user should know.
    pub warnings: Vec<String>,
}

/// Unpacks a tar into a directory that lives as long as the build, and returns it with warnings.
pub type Unpack<'a> = &'a mut dyn FnMut(Box<dyn Read>) -> Result<(PathBuf, Vec<String>), Error>;

/// Finds and reads what `context` and `file` (`-f`) name; `stdin` is read where one of them is `-`.
///
/// # Errors
/// [`Error::NoDockerfile`], [`Error::Usage`], [`Error::Option`], [`Error::Io`] and what `unpack` returns.
pub fn read(
    context: &Path,
    file: Option<&Path>,
    stdin: Box<dyn Read>,
    unpack: Unpack<'_>,
) -> Result<Source, Error> {
    let dash = Path::new("-");
    match (context == dash, file.filter(|file| *file == dash)) {
        (true, Some(_)) => Err(Error::Usage(
            "standard input is either the context or the Dockerfile: give one of them by name",
        )),
        (true, None) => from_stdin(file, stdin, unpack),
        (false, Some(_)) => {
            let directory = directory(context)?;
            let dockerfile = read_all(stdin)?;
            let ignore = ignore_file(directory, None)?;
            let context = ContextSource::Directory(directory.into());
            let (name, shown) = ("-".into(), "Dockerfile from standard input".into());
            Ok(Source { dockerfile, name, shown, context, ignore, warnings: Vec::new() })
        }
        (false, None) => from_directory(directory(context)?, file),
    }
}

/// Where the Dockerfile of `context` is: `file`, else `Dockerfile`, else `dockerfile`.
pub fn dockerfile_path(context: &Path, file: Option<&Path>) -> PathBuf {
    if let Some(file) = file {
        return file.into();
    }
    let upper = context.join("Dockerfile");
    let lower = context.join("dockerfile");
    if !upper.exists() && lower.exists() { lower } else { upper }
}

/// What `why` finds the build of the Dockerfile at `path` by.
pub fn journal_name(path: &Path) -> String {
    let absolute = fs::canonicalize(path).or_else(|_| std::path::absolute(path));
    absolute.unwrap_or_else(|_| path.into()).display().to_string()
}

fn directory(context: &Path) -> Result<&Path, Error> {
    let text = context.to_string_lossy();
    let remote =
        ["https://", "http://", "git://", "git@", "ssh://"].iter().any(|start| text.starts_with(start));
    if remote {
        let problem = "contexts from the network are not built yet; fetch it and name the directory".into();
        return Err(Error::Option { option: "build context", value: text.into_owned(), problem });
    }
    let metadata = fs::metadata(context).map_err(Error::io("open the build context", context))?;
    if metadata.is_dir() {
        return Ok(context);
    }
    let problem = "it is a file; name a directory, a Dockerfile goes with -f".into();
    Err(Error::Option { option: "build context", value: text.into_owned(), problem })
}

fn from_directory(directory: &Path, file: Option<&Path>) -> Result<Source, Error> {
    let path = dockerfile_path(directory, file);
    let dockerfile = read_dockerfile(&path, directory, file)?;
    let ignore = ignore_file(directory, Some(&path))?;
    Ok(Source {
        dockerfile,
        name: journal_name(&path),
        shown: path.strip_prefix(".").unwrap_or(&path).display().to_string(),
        context: ContextSource::Directory(directory.into()),
        ignore,
        warnings: Vec::new(),
    })
}

fn from_stdin(file: Option<&Path>, mut stdin: Box<dyn Read>, unpack: Unpack<'_>) -> Result<Source, Error> {
    let mut start = Vec::new();
    stdin.by_ref().take(512).read_to_end(&mut start).map_err(Error::io("read", "standard input"))?;
    let archive = is_archive(&start);
    let whole: Box<dyn Read> = Box::new(std::io::Cursor::new(start).chain(stdin));
    if !archive {
        if file.is_some() {
            return Err(Error::Usage(
                "standard input holds a Dockerfile, so -f has nothing to name: leave one of them out",
            ));
        }
        let (name, shown) = ("-".into(), "Dockerfile from standard input".into());
        let (dockerfile, context) = (read_all(whole)?, ContextSource::Empty);
        return Ok(Source { dockerfile, name, shown, context, ignore: None, warnings: Vec::new() });
    }
    let (directory, warnings) = unpack(whole)?;
    // The archive's names count: a file of the machine is not in it.
    let inside = file.map(|file| directory.join(file.strip_prefix("/").unwrap_or(file)));
    let path = dockerfile_path(&directory, inside.as_deref());
    let shown = path.strip_prefix(&directory).unwrap_or(&path).display().to_string();
    // A link may lead out of the directory: the archive may come from anybody.
    let escapes = fs::canonicalize(&path)
        .is_ok_and(|real| fs::canonicalize(&directory).is_ok_and(|directory| !real.starts_with(directory)));
    if escapes || !path.is_file() {
        return Err(Error::NoDockerfile {
            path: shown.into(),
            hint: " in the archive on standard input".into(),
        });
    }
    let dockerfile = read_text(&path)?;
    let ignore = ignore_file(&directory, Some(&path))?;
    let context = ContextSource::Unpacked(directory);
    Ok(Source { dockerfile, name: "-".into(), shown, context, ignore, warnings })
}

/// A Dockerfile or an ignore file larger than this is another file by mistake: 16 MiB.
const LARGEST: u64 = 16 << 20;

/// Reads a file of text, which need not be a regular file: a shell may offer a pipe.
fn read_text(path: &Path) -> Result<Vec<u8>, Error> {
    read_limited(fs::File::open(path).map_err(Error::io("read", path))?, path)
}

fn read_limited(reader: impl Read, path: &Path) -> Result<Vec<u8>, Error> {
    let wrong = |problem: &str| Error::NotText { path: path.into(), problem: problem.into() };
    let mut bytes = Vec::new();
    match reader.take(LARGEST + 1).read_to_end(&mut bytes) {
        Err(error) if error.kind() == ErrorKind::IsADirectory => {
            Err(wrong("is a directory, and a file with instructions is wanted: name one with -f FILE"))
        }
        Err(source) => Err(Error::Io { action: "read", path: path.into(), source }),
        Ok(read) if read as u64 > LARGEST => {
            Err(wrong("has more than 16 MiB, which no Dockerfile has: name another file"))
        }
        Ok(_) => Ok(bytes),
    }
}

fn read_dockerfile(path: &Path, context: &Path, file: Option<&Path>) -> Result<Vec<u8>, Error> {
    match read_text(path) {
        Err(Error::Io { source, .. }) if source.kind() == ErrorKind::NotFound => {
            let hint = match file {
                Some(file) if context.join(file).is_file() => {
                    format!("; -f counts from here, so write -f {}", context.join(file).display())
                }
                Some(_) => String::new(),
                None => "; write one, or name it with -f FILE".into(),
            };
            Err(Error::NoDockerfile { path: path.into(), hint })
        }
        read => read,
    }
}

/// `<Dockerfile>.dockerignore` beside the Dockerfile, else the context's `.dockerignore`.
fn ignore_file(context: &Path, dockerfile: Option<&Path>) -> Result<Option<(String, Vec<u8>)>, Error> {
    let own = dockerfile.map(|path| {
        let mut name = path.as_os_str().to_owned();
        name.push(".dockerignore");
        PathBuf::from(name)
    });
    for path in own.into_iter().chain([context.join(".dockerignore")]) {
        match read_text(&path) {
            Ok(bytes) => {
                let name = path.strip_prefix(context).unwrap_or(&path).display().to_string();
                return Ok(Some((name, bytes)));
            }
            Err(Error::Io { source, .. }) if source.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

fn read_all(reader: Box<dyn Read>) -> Result<Vec<u8>, Error> {
    read_limited(reader, Path::new("standard input"))
}

/// Whether a file that starts so is a tar, or compressed by one of the programs that tars are compressed with.
fn is_archive(start: &[u8]) -> bool {
    let header: Result<&[u8; 512], _> = start.try_into();
    // An empty tar begins with its end: blocks of zeros.
    Compression::of(start) != Compression::None
        || header.is_ok_and(|block| copy::is_tar_header(block) || block.iter().all(|byte| *byte == 0))
}
