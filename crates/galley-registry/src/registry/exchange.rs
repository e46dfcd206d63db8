//! One question to one endpoint: over TLS or not, with the authorization that it wants, and again where that may help.

use std::io::Read;
use std::time::Duration;

use galley_image::Reference;
use ureq::Body;
use ureq::http::Response;

use super::endpoint::Endpoint;
use super::{Shared, lock};
use crate::auth::{Challenge, Credential, TokenRequest, challenges, token_of, token_request};
use crate::error::{Blob, Failure, RegistryError};
use crate::http::{Request, SendError, Url, body_failure, header};

/// What is asked for.
pub(super) struct Ask<'a> {
    pub endpoint: &'a Endpoint,
    pub reference: &'a Reference,
    /// `manifests/TAG` or `blobs/DIGEST`.
    pub tail: &'a str,
    pub headers: Vec<(&'static str, String)>,
    /// Which blob is missing on a 404; `None` means that the image is.
    pub blob: Option<Blob>,
}

/// A try that failed.
enum Stop {
    /// For good.
    Now(RegistryError),
    /// It may work later, at the earliest after the duration that the registry asked for.
    Again(Box<RegistryError>, Option<Duration>),
}

impl Stop {
    fn again(error: RegistryError, after: Option<Duration>) -> Self {
        Self::Again(Box::new(error), after)
    }

    /// Whether there was no answer at all.
    fn is_connection(&self) -> bool {
        match self {
            Self::Now(error) => matches!(error, RegistryError::Connection { .. }),
            Self::Again(error, _) => matches!(**error, RegistryError::Connection { .. }),
        }
    }
}

impl Ask<'_> {
    fn image(&self) -> String {
        self.reference.familiar()
    }

    fn registry(&self) -> String {
        self.endpoint.name.clone()
    }

    pub fn connection(&self, failure: Failure) -> RegistryError {
        RegistryError::Connection { image: self.image(), registry: self.registry(), failure }
    }

    fn failed(&self, failure: Failure) -> Stop {
        let passing = matches!(failure, Failure::Timeout(_) | Failure::Broken { .. });
        let error = self.connection(failure);
        if passing { Stop::again(error, None) } else { Stop::Now(error) }
    }

    fn send_failed(&self, error: SendError) -> Stop {
        match error {
            SendError::Failure(failure) => self.failed(failure),
            SendError::Config(error) => Stop::Now(error),
        }
    }
}

impl Shared {
    /// A successful answer, its body still to be read.
    pub fn get(&self, ask: &Ask<'_>) -> Result<Response<Body>, RegistryError> {
        self.with_retries(|| self.get_once(ask))
    }

    /// A successful answer and its body of at most `limit` bytes.
    pub fn get_whole(
        &self,
        ask: &Ask<'_>,
        limit: u64,
        what: impl Fn() -> Blob,
    ) -> Result<(Response<Body>, Vec<u8>), RegistryError> {
        self.with_retries(|| {
            let mut response = self.get_once(ask)?;
            let mut bytes = Vec::new();
            let read = response.body_mut().as_reader().take(limit + 1).read_to_end(&mut bytes);
            read.map_err(|error| ask.failed(body_failure(&ask.endpoint.authority, error)))?;
            if bytes.len() as u64 > limit {
                return Err(Stop::Now(RegistryError::TooLarge { what: what(), limit }));
            }
            Ok((response, bytes))
        })
    }

    fn with_retries<T>(&self, attempt: impl Fn() -> Result<T, Stop>) -> Result<T, RegistryError> {
        let retries = &self.config.retries;
        let mut tried = 0;
        loop {
            tried += 1;
            let (error, asked) = match attempt() {
                Ok(value) => return Ok(value),
                Err(Stop::Now(error)) => return Err(error),
                Err(Stop::Again(error, asked)) => (*error, asked.unwrap_or_default()),
            };
            match retries.wait_after(tried) {
                Some(wait) if asked <= retries.longest_wait => std::thread::sleep(wait.max(asked)),
                _ => return Err(error),
            }
        }
    }

    fn get_once(&self, ask: &Ask<'_>) -> Result<Response<Body>, Stop> {
        let response = self.get_over_any_scheme(ask)?;
        match response.status().as_u16() {
            200 | 206 => Ok(response),
            status => Err(self.refusal(ask, status, response)),
        }
    }

    /// As docker does with insecure registries: TLS first, then plain HTTP.
    fn get_over_any_scheme(&self, ask: &Ask<'_>) -> Result<Response<Body>, Stop> {
        let endpoint = ask.endpoint;
        let known = lock(&self.tls).get(&endpoint.authority).copied();
        if !endpoint.insecure || known == Some(true) {
            return self.get_authorized(ask, true);
        }
        if known.is_none() {
            match self.get_authorized(ask, true) {
                Err(stop) if stop.is_connection() => {}
                answer => {
                    lock(&self.tls).insert(endpoint.authority.clone(), true);
                    return answer;
                }
            }
        }
        let answer = self.get_authorized(ask, false);
        if answer.is_ok() {
            lock(&self.tls).insert(endpoint.authority.clone(), false);
        }
        answer
    }

    fn get_authorized(&self, ask: &Ask<'_>, https: bool) -> Result<Response<Body>, Stop> {
        let (endpoint, repository) = (ask.endpoint, ask.reference.repository());
        let key = (endpoint.name.clone(), repository.to_owned());
        let mut request = Request::get(endpoint.url(https, repository, ask.tail), !endpoint.insecure);
        request.headers = ask.headers.clone();
        request.authorization = lock(&self.authorizations).get(&key).cloned();
        let response = self.client.send(&request).map_err(|error| ask.send_failed(error))?;
        if response.status() != 401 {
            return Ok(response);
        }
        // Nothing was sent, or it has run out.
        let asked: Vec<Challenge> = response
            .headers()
            .get_all("www-authenticate")
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(challenges)
            .collect();
        let Some(authorization) = self.answer(ask, &request.url, &asked)? else { return Ok(response) };
        lock(&self.authorizations).insert(key, authorization.clone());
        request.authorization = Some(authorization);
        self.client.send(&request).map_err(|error| ask.send_failed(error))
    }

    /// The `Authorization` header that meets one of the challenges; `None` where nothing does.
    fn answer(&self, ask: &Ask<'_>, asked_by: &Url, asked: &[Challenge]) -> Result<Option<String>, Stop> {
        let credential = self.credentials.of(ask.endpoint.host()).map_err(Stop::Now)?;
        if let Some(Credential::Bearer(token)) = &credential {
            return Ok(Some(format!("Bearer {token}")));
        }
        for challenge in asked {
            if let Challenge::Bearer { realm, service, scope } = challenge {
                let own = format!("repository:{}{}:pull", ask.endpoint.prefix, ask.reference.repository());
                let scope = scope.as_deref().unwrap_or(&own);
                let request = token_request(realm, service.as_deref(), scope, credential.as_ref());
                let token = self.token(ask, asked_by, realm, &request, credential.is_some())?;
                return Ok(Some(format!("Bearer {token}")));
            }
        }
        let basic = asked.contains(&Challenge::Basic);
        Ok(credential.filter(|_| basic).and_then(|credential| credential.basic()))
    }

    fn token(
        &self,
        ask: &Ask<'_>,
        asked_by: &Url,
        realm: &str,
        request: &TokenRequest,
        named: bool,
    ) -> Result<String, Stop> {
        let failed = |detail: String| {
            let (image, registry, realm) = (ask.image(), ask.registry(), realm.to_owned());
            RegistryError::Token { image, registry, realm, detail }
        };
        let (address, authorization, form) = match request {
            TokenRequest::Get { url, authorization } => (url, authorization.clone(), None),
            TokenRequest::Post { url, form } => (url, None, Some(form.as_str())),
        };
        let url = Url::parse(address).ok_or_else(|| Stop::Now(failed("its address is malformed".into())))?;
        if named && asked_by.https && !url.https {
            return Err(Stop::Now(failed(
                "it wants the password without encryption; galley does not send it".into(),
            )));
        }
        let verify = !(ask.endpoint.insecure && url.host() == asked_by.host());
        let request = Request { authorization, form, ..Request::get(url, verify) };
        let mut response = self.client.send(&request).map_err(|error| match error {
            SendError::Failure(failure) => Stop::again(failed(failure.to_string()), None),
            SendError::Config(error) => Stop::Now(error),
        })?;
        let status = response.status().as_u16();
        let mut bytes = Vec::new();
        // An answer that breaks off holds no token.
        let _ = response.body_mut().as_reader().take(1 << 20).read_to_end(&mut bytes);
        match status {
            200 => token_of(&bytes).ok_or_else(|| Stop::Now(failed("its answer has no token in it".into()))),
            401 | 403 => Err(Stop::Now(self.denied(ask, &bytes))),
            429 | 500.. => Err(Stop::again(failed(format!("it answered {status}{}", words(&bytes))), None)),
            _ => Err(Stop::Now(failed(format!("it answered {status}{}", words(&bytes))))),
        }
    }

    fn denied(&self, ask: &Ask<'_>, body: &[u8]) -> RegistryError {
        let known = self.credentials.of(ask.endpoint.host()).ok().flatten();
        let credential = if known.is_some() {
            "those it has for this registry were refused"
        } else {
            "it has none for this registry"
        };
        RegistryError::Denied {
            image: ask.image(),
            registry: ask.registry(),
            detail: words(body),
            credential,
        }
    }

    fn refusal(&self, ask: &Ask<'_>, status: u16, mut response: Response<Body>) -> Stop {
        let (image, registry) = (ask.image(), ask.registry());
        let mut body = Vec::new();
        // The registry's words are a courtesy; without them the status says enough.
        let _ = response.body_mut().as_reader().take(64 << 10).read_to_end(&mut body);
        let after = header(&response, "retry-after").and_then(|value| value.trim().parse().ok());
        let after = after.map(Duration::from_secs);
        match status {
            404 => Stop::Now(match ask.blob.clone() {
                Some(blob) => RegistryError::BlobNotFound { blob, registry },
                None => RegistryError::NotFound { image, registry },
            }),
            401 | 403 => Stop::Now(self.denied(ask, &body)),
            429 => {
                let wait =
                    after.map(|after| format!(" for another {} s", after.as_secs())).unwrap_or_default();
                Stop::again(RegistryError::RateLimited { image, registry, wait }, after)
            }
            500.. => {
                Stop::again(RegistryError::Status { image, registry, status, detail: words(&body) }, after)
            }
            _ => Stop::Now(RegistryError::Status { image, registry, status, detail: words(&body) }),
        }
    }
}

/// What the registry says about an error (distribution-spec, "Error Codes"), in brackets; nothing where it says nothing.
fn words(body: &[u8]) -> String {
    #[derive(serde::Deserialize)]
    struct Answer {
        #[serde(default)]
        errors: Vec<Item>,
        details: Option<String>,
    }
    #[derive(serde::Deserialize)]
    struct Item {
        message: Option<String>,
        code: Option<String>,
    }
    let Ok(answer) = serde_json::from_slice::<Answer>(body) else { return String::new() };
    let first = answer.errors.into_iter().next();
    let message = first.and_then(|item| item.message.filter(|text| !text.is_empty()).or(item.code));
    let text: String = message.or(answer.details).unwrap_or_default();
    // Foreign text on a terminal: no control characters, and not a page of it.
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(200).collect();
    if text.trim().is_empty() { String::new() } else { format!(" ({})", text.trim()) }
}
