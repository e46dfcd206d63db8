//! The release of a suite: fetched where it has changed, and believed where somebody known signed it.

use super::cache::{self, Cache};
use super::error::{ArchiveError, FetchProblem};
use super::keys;
use super::mirror::Mirror;
use super::net::{Net, Validators};
use super::openpgp::{self, Cleartext};
use super::release::{Release, ReleaseProblem};
use super::request::{ReleaseRead, Settings, Suite, Trust};

/// `bookworm`'s has 150 KB.
const LARGEST: u64 = 32 << 20;

/// A release that counts.
#[derive(Debug)]
pub(super) struct Believed {
    /// The text that was signed.
    pub text: String,
    /// Whose it is; files are asked for there first.
    pub mirror: Mirror,
    pub read: ReleaseRead,
    /// What was let pass.
    pub warnings: Vec<String>,
}

/// The release from the first mirror that has one to be believed. Where no mirror can be reached, the one that the cache has is as good as it was.
pub(super) fn release(
    net: &Net,
    settings: &Settings,
    suite: &Suite,
    now: u64,
) -> Result<Believed, ArchiveError> {
    let mut first = None;
    let mut unreachable = true;
    for mirror in &suite.mirrors {
        let outcome = match settings.offline {
            true => cached(settings, suite, mirror, None, now),
            false => fetched(net, settings, suite, mirror, now),
        };
        let error = match outcome {
            Ok(believed) => return Ok(believed),
            Err(error) => error,
        };
        unreachable &= matches!(&error, ArchiveError::Fetch { problem, .. } if problem.is_outage());
        first.get_or_insert(error);
    }
    let error = first.unwrap_or_else(|| ArchiveError::NoMirror { directory: suite.name.clone().into() });
    if !settings.offline && unreachable {
        for mirror in &suite.mirrors {
            if let Ok(believed) = cached(settings, suite, mirror, Some(&error), now) {
                return Ok(believed);
            }
        }
    }
    Err(error)
}

fn path_of(suite: &Suite) -> String {
    format!("dists/{}/InRelease", suite.name)
}

fn fetched(
    net: &Net,
    settings: &Settings,
    suite: &Suite,
    mirror: &Mirror,
    now: u64,
) -> Result<Believed, ArchiveError> {
    let path = path_of(suite);
    let uri = mirror.uri_of(&path);
    let kept = Kept::read(settings, &uri);
    let known = kept.as_ref().map(|kept| kept.validators.clone()).unwrap_or_default();
    let answer = match net.document(mirror, &path, LARGEST, &known) {
        // What nobody signed has no `InRelease`.
        Err(FetchProblem::NotFound) if settings.trust.allow_unsigned => {
            net.document(mirror, &path.replace("InRelease", "Release"), LARGEST, &Validators::default())
        }
        answer => answer,
    };
    let answer = answer.map_err(|problem| match problem {
        FetchProblem::NotFound => ArchiveError::NoSuite { suite: suite.name.clone(), uri: uri.clone() },
        problem => ArchiveError::Fetch { uri: uri.clone(), problem },
    })?;
    let (bytes, validators) = match (answer, kept) {
        (Some((bytes, validators)), _) => (bytes, validators),
        (None, Some(kept)) => (kept.bytes, kept.validators),
        (None, None) => return Err(ArchiveError::Fetch { uri, problem: FetchProblem::Status(304) }),
    };
    let believed = judge(settings, suite, mirror, &bytes, now)?;
    Kept { bytes, validators }.write(settings, &uri)?;
    Ok(believed)
}

/// The cache's release, with a warning where it is used because of an error.
fn cached(
    settings: &Settings,
    suite: &Suite,
    mirror: &Mirror,
    because: Option<&ArchiveError>,
    now: u64,
) -> Result<Believed, ArchiveError> {
    let uri = mirror.uri_of(&path_of(suite));
    let missing = || ArchiveError::Fetch { uri: uri.clone(), problem: FetchProblem::NotFound };
    let kept = Kept::read(settings, &uri).ok_or_else(missing)?;
    let mut believed = judge(settings, suite, mirror, &kept.bytes, now)?;
    if let Some(error) = because {
        believed
            .warnings
            .push(format!("{error}; galley goes on with the copy of {} in its cache", believed.read.date));
    }
    Ok(believed)
}

/// Whether to believe the file, and what it says.
fn judge(
    settings: &Settings,
    suite: &Suite,
    mirror: &Mirror,
    bytes: &[u8],
    now: u64,
) -> Result<Believed, ArchiveError> {
    let uri = mirror.uri_of(&path_of(suite));
    let trust = &settings.trust;
    let mut warnings = Vec::new();
    let (text, signed_by) = signed_text(trust, mirror, &uri, bytes, now, &mut warnings)?;
    let wrong = |problem| ArchiveError::Release { uri: uri.clone(), problem };
    let release = Release::parse(&text).map_err(wrong)?;
    release.check_name(&suite.name).map_err(wrong)?;
    match release.check_dates(now) {
        Ok(()) => {}
        Err(problem @ (ReleaseProblem::Expired(_) | ReleaseProblem::Future(_))) => {
            late(trust, &uri, &problem.to_string(), &mut warnings)?;
        }
        Err(problem) => return Err(wrong(problem)),
    }
    let date = release.date.unwrap_or_default().to_owned();
    let read = ReleaseRead { suite: suite.name.clone(), mirror: mirror.to_string(), date, signed_by };
    Ok(Believed { text, mirror: mirror.clone(), read, warnings })
}

/// The text that a known key signed, and whose key that is.
fn signed_text(
    trust: &Trust,
    mirror: &Mirror,
    uri: &str,
    bytes: &[u8],
    now: u64,
    warnings: &mut Vec<String>,
) -> Result<(String, Option<String>), ArchiveError> {
    let file = String::from_utf8_lossy(bytes);
    let cleartext = Cleartext::parse(&file);
    if trust.allow_unsigned {
        warnings.push(format!("the signature of {uri} is not checked, as `--allow-unsigned` says: anybody can have made what it lists"));
        return Ok((cleartext.map_or_else(|_| file.into_owned(), |cleartext| cleartext.text), None));
    }
    let (keyring, called) = keys::keyring(&trust.keys, mirror)?;
    let untrusted =
        |detail: String| ArchiveError::Untrusted { uri: uri.into(), detail, keyring: called.clone() };
    let cleartext = cleartext.map_err(|problem| untrusted(problem.to_string()))?;
    let signed =
        openpgp::verify(&cleartext, &keyring, now).map_err(|refusal| untrusted(refusal.to_string()))?;
    if signed.expired {
        late(trust, uri, &format!("its key {} is past its time", signed.fingerprint), warnings)?;
    }
    Ok((cleartext.text, Some(format!("{} ({})", signed.user, signed.fingerprint))))
}

/// Something is past its time: an error, or what was allowed.
fn late(trust: &Trust, uri: &str, detail: &str, warnings: &mut Vec<String>) -> Result<(), ArchiveError> {
    if !trust.allow_expired {
        return Err(ArchiveError::Expired { uri: uri.into(), detail: detail.into() });
    }
    warnings.push(format!("{uri} is out of date, and used because that is allowed: {detail}"));
    Ok(())
}

/// A release in the cache: `etag`, `last-modified`, an empty line, and the file.
struct Kept {
    bytes: Vec<u8>,
    validators: Validators,
}

impl Kept {
    /// `None` also where it cannot be read: it is fetched again then.
    fn read(settings: &Settings, uri: &str) -> Option<Self> {
        let all = cache::read(&Cache::new(&settings.cache).release(uri)).ok()??;
        let mut lines = all.splitn(3, |byte| *byte == b'\n');
        let mut line = || lines.next().map(|line| String::from_utf8_lossy(line).into_owned());
        let (etag, last_modified) = (line()?, line()?);
        let bytes = lines.next()?.to_vec();
        let said = |value: String| Some(value).filter(|value| !value.is_empty());
        Some(Self { bytes, validators: Validators { etag: said(etag), last_modified: said(last_modified) } })
    }

    fn write(&self, settings: &Settings, uri: &str) -> Result<(), ArchiveError> {
        let Validators { etag, last_modified } = &self.validators;
        let head = format!(
            "{}\n{}\n",
            etag.as_deref().unwrap_or_default(),
            last_modified.as_deref().unwrap_or_default()
        );
        let path = Cache::new(&settings.cache).release(uri);
        let same = cache::read(&path)?
            .is_some_and(|known| known.strip_prefix(head.as_bytes()) == Some(&self.bytes[..]));
        if same { Ok(()) } else { cache::write(&path, &[head.as_bytes(), &self.bytes]) }
    }
}
