//! Files from mirrors, over HTTP or out of a directory: opened at any byte, tried again where that may help.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::thread;

use galley_registry::http::{Client, Request, SendError, body_failure, header};
use galley_registry::{RegistryConfig, Retries};

use super::error::FetchProblem;
use super::mirror::{Mirror, Place};

/// Asks mirrors. Connections are kept, and shared by all threads.
pub(super) struct Net {
    client: Client,
    pub retries: Retries,
}

/// What a server says about the version of a file; sent back, so that it need not send the same again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Validators {
    pub etag: Option<String>,
    pub last_modified: Option<String>,
}

/// A file that is coming.
pub(super) struct Opened {
    pub reader: Box<dyn Read + Send>,
    /// At which byte it starts.
    pub from: u64,
    pub validators: Validators,
    /// The server says that the file is the one that the validators are of; nothing comes then.
    pub not_modified: bool,
    /// For errors while it is read.
    authority: String,
}

impl Opened {
    /// What an error while reading means.
    pub fn problem(&self, error: io::Error) -> FetchProblem {
        match self.authority.is_empty() {
            true => FetchProblem::File(error),
            false => FetchProblem::Network(body_failure(&self.authority, error)),
        }
    }

    /// What an end that came too early means.
    pub fn ended_early(&self) -> FetchProblem {
        self.problem(io::Error::new(io::ErrorKind::UnexpectedEof, "it ended too early"))
    }
}

impl Net {
    pub fn new(config: &RegistryConfig) -> Self {
        Self { client: Client::new(config), retries: config.retries }
    }

    /// Opens a file at byte `from`, if the mirror can do that, else at its start.
    pub fn open(
        &self,
        mirror: &Mirror,
        path: &str,
        from: u64,
        known: &Validators,
    ) -> Result<Opened, FetchProblem> {
        match mirror.place() {
            Place::Directory(directory) => {
                let mut file = File::open(directory.join(path)).map_err(file_problem)?;
                file.seek(SeekFrom::Start(from)).map_err(FetchProblem::File)?;
                let (validators, authority) = (Validators::default(), String::new());
                Ok(Opened { reader: Box::new(file), from, validators, not_modified: false, authority })
            }
            Place::Http(base) => {
                let mut url = base.clone();
                // Debian's names have `+` and `~` in them, which stand for themselves in a path.
                url.rest = format!("{}/{path}", url.rest.trim_end_matches('/'));
                let mut request = Request::get(url.clone(), true);
                request.authorization = mirror.authorization().cloned();
                request.headers = headers(from, known);
                self.send(&request, from)
            }
        }
    }

    fn send(&self, request: &Request<'_>, from: u64) -> Result<Opened, FetchProblem> {
        let response = self.client.send(request).map_err(|error| match error {
            SendError::Failure(failure) => FetchProblem::Network(failure),
            SendError::Config(error) => FetchProblem::Configuration(Box::new(error)),
        })?;
        let text = |name| header(&response, name).map(str::to_owned);
        let validators = Validators { etag: text("etag"), last_modified: text("last-modified") };
        let not_modified = response.status() == 304;
        let from = match response.status().as_u16() {
            200 | 304 => 0,
            206 if starts_at(text("content-range").as_deref(), from) => from,
            // The file on the mirror is shorter than what is there already, or the answer is about another part: begin again.
            206 | 416 if from > 0 => {
                let mut again = Request::get(request.url.clone(), true);
                again.authorization.clone_from(&request.authorization);
                return self.send(&again, 0);
            }
            404 | 410 => return Err(FetchProblem::NotFound),
            status @ (401 | 403) => return Err(FetchProblem::Denied(status)),
            status => return Err(FetchProblem::Status(status)),
        };
        let (reader, authority) =
            (Box::new(response.into_body().into_reader()), request.url.authority.clone());
        Ok(Opened { reader, from, validators, not_modified, authority })
    }

    /// Does something until it works or trying again is of no use.
    pub fn with_retries<T>(
        &self,
        mut attempt: impl FnMut() -> Result<T, FetchProblem>,
    ) -> Result<T, FetchProblem> {
        let mut tried = 0;
        loop {
            let problem = match attempt() {
                Err(problem) if problem.may_pass() => problem,
                outcome => return outcome,
            };
            tried += 1;
            match self.retries.wait_after(tried) {
                Some(wait) => thread::sleep(wait),
                None => return Err(problem),
            }
        }
    }

    /// A whole file of at most `limit` bytes; `None` where it is the one that the validators are of.
    pub fn document(
        &self,
        mirror: &Mirror,
        path: &str,
        limit: u64,
        known: &Validators,
    ) -> Result<Option<(Vec<u8>, Validators)>, FetchProblem> {
        self.with_retries(|| {
            let mut opened = self.open(mirror, path, 0, known)?;
            if opened.not_modified {
                return Ok(None);
            }
            let mut bytes = Vec::new();
            let read = opened.reader.by_ref().take(limit + 1).read_to_end(&mut bytes);
            read.map_err(|error| opened.problem(error))?;
            match bytes.len() as u64 > limit {
                true => Err(FetchProblem::TooLong(limit)),
                false => Ok(Some((bytes, opened.validators))),
            }
        })
    }
}

fn headers(from: u64, known: &Validators) -> Vec<(&'static str, String)> {
    let range = (from > 0).then(|| ("Range", format!("bytes={from}-")));
    let etag = known.etag.clone().map(|etag| ("If-None-Match", etag));
    let date = known.last_modified.clone().map(|date| ("If-Modified-Since", date));
    range.into_iter().chain(etag).chain(date).collect()
}

/// `bytes 5-9/10`
fn starts_at(content_range: Option<&str>, from: u64) -> bool {
    let start = content_range.and_then(|range| range.strip_prefix("bytes ")?.split('-').next()?.parse().ok());
    start == Some(from)
}

fn file_problem(error: io::Error) -> FetchProblem {
    match error.kind() {
        io::ErrorKind::NotFound => FetchProblem::NotFound,
        _ => FetchProblem::File(error),
    }
}
