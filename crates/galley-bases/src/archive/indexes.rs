//! The package index of a component: fetched by hash, unpacked within bounds, checked, and kept condensed.

use std::io::{self, Read};

use liblzma::stream::{CONCATENATED, Stream};

use super::cache::{self, Cache, sha256_of};
use super::error::{ArchiveError, FetchProblem};
use super::index::condense;
use super::mirror::Mirror;
use super::net::{Net, Validators};
use super::release::{Listed, Release};
use super::request::Settings;

/// Where a release does not list how long the unpacked index is.
const LONGEST: u64 = 1 << 30;

/// A stream names the size of its own window; the largest that `xz` makes needs a fourth of this.
const XZ_MEMORY: u64 = 256 << 20;

/// Which index.
pub(super) struct Wanted<'a> {
    pub suite: &'a str,
    pub component: &'a str,
    pub architecture: &'a str,
    /// Asked in this order.
    pub mirrors: &'a [Mirror],
}

/// How an index is packed, the smallest first.
const PACKINGS: [(&str, Packing); 4] =
    [(".xz", Packing::Xz), (".zst", Packing::Zstd), (".gz", Packing::Gzip), ("", Packing::None)];

#[derive(Clone, Copy)]
enum Packing {
    Xz,
    Zstd,
    Gzip,
    None,
}

/// The condensed text of the index.
pub(super) fn index(
    net: &Net,
    settings: &Settings,
    release: &Release<'_>,
    wanted: &Wanted<'_>,
) -> Result<String, ArchiveError> {
    let path = format!("{}/binary-{}/Packages", wanted.component, wanted.architecture);
    let listed = PACKINGS
        .iter()
        .find_map(|(ending, packing)| Some((release.file(&format!("{path}{ending}"))?, *packing)));
    let Some((listed, packing)) = listed else {
        let uri = wanted
            .mirrors
            .first()
            .map(|mirror| mirror.uri_of(&format!("dists/{}/InRelease", wanted.suite)))
            .unwrap_or_default();
        let (component, architecture) = (wanted.component.into(), wanted.architecture.into());
        return Err(ArchiveError::NoIndex { uri, component, architecture });
    };
    let kept = Cache::new(&settings.cache).index(&listed.sha256);
    if let Some(text) = cache::read(&kept)?.and_then(whole) {
        return Ok(text);
    }
    let mut first: Option<ArchiveError> = None;
    for mirror in wanted.mirrors.iter().filter(|_| !settings.offline) {
        let plain = release.file(&path);
        match fetched(net, mirror, wanted.suite, release.by_hash, &listed, plain.as_ref(), packing) {
            Ok(text) => {
                let condensed = condense(&text);
                cache::write(
                    &kept,
                    &[sha256_of(condensed.as_bytes()).as_bytes(), b"\n", condensed.as_bytes()],
                )?;
                return Ok(condensed);
            }
            Err(error) => {
                first.get_or_insert(error);
            }
        }
    }
    Err(first.unwrap_or(ArchiveError::Fetch { uri: listed.path, problem: FetchProblem::NotFound }))
}

/// The text in a file of the cache; `None` where the file is not what it says, and has to be made again.
fn whole(bytes: Vec<u8>) -> Option<String> {
    let text = bytes.get(65..)?;
    (bytes[64] == b'\n' && sha256_of(text).as_bytes() == &bytes[..64]).then_some(())?;
    let mut bytes = bytes;
    bytes.drain(..65);
    String::from_utf8(bytes).ok()
}

fn fetched(
    net: &Net,
    mirror: &Mirror,
    suite: &str,
    by_hash: bool,
    listed: &Listed,
    plain: Option<&Listed>,
    packing: Packing,
) -> Result<String, ArchiveError> {
    let named = format!("dists/{suite}/{}", listed.path);
    let directory = named.rsplit_once('/').map_or("", |(directory, _)| directory);
    let hashed = format!("{directory}/by-hash/SHA256/{}", listed.sha256);
    let ask = |path: &str| net.document(mirror, path, listed.size, &Validators::default());
    let mut path = if by_hash { hashed } else { named.clone() };
    let answer = match ask(&path) {
        // Not all mirrors copy these directories.
        Err(FetchProblem::NotFound) if by_hash => {
            path = named;
            ask(&path)
        }
        answer => answer,
    };
    let uri = mirror.uri_of(&path);
    let differs = |detail: String| ArchiveError::Index { uri: uri.clone(), detail };
    let (bytes, _) = match answer {
        Ok(Some(answer)) => answer,
        Ok(None) => return Err(ArchiveError::Fetch { uri, problem: FetchProblem::Status(304) }),
        Err(FetchProblem::TooLong(_)) => {
            return Err(differs(format!("it has more than {} bytes", listed.size)));
        }
        Err(problem) => return Err(ArchiveError::Fetch { uri, problem }),
    };
    check(&bytes, listed).map_err(&differs)?;
    let limit = plain.map_or(LONGEST, |plain| plain.size);
    let text =
        unpack(&bytes, packing, limit).map_err(|error| differs(format!("it cannot be unpacked: {error}")))?;
    if let Some(plain) = plain {
        check(&text, plain).map_err(&differs)?;
    }
    String::from_utf8(text).map_err(|_| differs("it is no text in UTF-8".into()))
}

fn check(bytes: &[u8], listed: &Listed) -> Result<(), String> {
    if bytes.len() as u64 != listed.size {
        return Err(format!("it has {} bytes, and listed are {}", bytes.len(), listed.size));
    }
    let found = sha256_of(bytes);
    if found != listed.sha256 {
        return Err(format!("its SHA-256 is {found}, and listed is {}", listed.sha256));
    }
    Ok(())
}

fn unpack(bytes: &[u8], packing: Packing, limit: u64) -> io::Result<Vec<u8>> {
    let reader: Box<dyn Read + '_> = match packing {
        Packing::Xz => {
            let stream = Stream::new_stream_decoder(XZ_MEMORY, CONCATENATED)?;
            Box::new(liblzma::read::XzDecoder::new_stream(bytes, stream))
        }
        Packing::Zstd => Box::new(zstd::Decoder::new(bytes)?),
        Packing::Gzip => Box::new(flate2::read::MultiGzDecoder::new(bytes)),
        Packing::None => Box::new(bytes),
    };
    let mut text = Vec::new();
    reader.take(limit + 1).read_to_end(&mut text)?;
    match text.len() as u64 > limit {
        true => Err(io::Error::other(format!("it grows to more than {limit} bytes"))),
        false => Ok(text),
    }
}
