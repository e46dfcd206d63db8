//! One HTTP exchange: agents by trust and proxy, redirects, and failures in galley's words. Not only registries are asked this way.

mod agents;
mod no_proxy;
mod resolver;
mod url;

use ureq::Body;
use ureq::http::Response;

use crate::config::RegistryConfig;
use crate::error::{Failure, RegistryError};
use agents::{Agents, failure};
pub use url::Url;

/// Whether `host[:port]` is on loopback: docker takes such registries for insecure.
pub(crate) fn is_loopback_authority(authority: &str) -> bool {
    no_proxy::is_loopback(url::host_of(authority))
}

/// As many as browsers and Go allow are never needed: registries redirect once, to their storage.
const MOST_REDIRECTS: usize = 5;

/// What is sent.
pub struct Request<'a> {
    /// Where to.
    pub url: Url,
    /// Whether the certificate of the URL's own host is checked. Hosts that it redirects to always are.
    pub verify: bool,
    /// Besides those that every request has.
    pub headers: Vec<(&'static str, String)>,
    /// The `Authorization` header: it goes to the URL's own host alone.
    pub authorization: Option<String>,
    /// A form to post; without one the request is a GET.
    pub form: Option<&'a str>,
}

impl Request<'_> {
    /// A GET without headers of its own.
    #[must_use]
    pub fn get(url: Url, verify: bool) -> Self {
        Self { url, verify, headers: Vec::new(), authorization: None, form: None }
    }
}

/// Why there is no answer.
pub enum SendError {
    /// The network, or who is at its other end.
    Failure(Failure),
    /// The configuration is at fault, not the network.
    Config(RegistryError),
}

/// Sends requests. Connections are kept and shared by all threads.
pub struct Client {
    agents: Agents,
}

impl Client {
    /// A client with the proxies, the certificates and the time limits of `config`.
    #[must_use]
    pub fn new(config: &RegistryConfig) -> Self {
        Self { agents: Agents::new(config) }
    }

    /// Sends a request and follows redirects. Any status is an answer.
    ///
    /// # Errors
    /// [`SendError`], where none came.
    pub fn send(&self, request: &Request<'_>) -> Result<Response<Body>, SendError> {
        let mut url = request.url.clone();
        for _ in 0..=MOST_REDIRECTS {
            let response = self.send_once(request, &url)?;
            let location = match response.status().as_u16() {
                301 | 302 | 303 | 307 | 308 => header(&response, "location"),
                _ => return Ok(response),
            };
            let redirect = || SendError::Failure(Failure::Redirect(url.authority.clone()));
            url = location.and_then(|location| url.join(location)).ok_or_else(redirect)?;
            if request.form.is_some() {
                // Posting an identity token to whoever the token service names is not wanted.
                return Err(redirect_of_form(&url));
            }
        }
        Err(SendError::Failure(Failure::Redirect(request.url.authority.clone())))
    }

    fn send_once(&self, request: &Request<'_>, url: &Url) -> Result<Response<Body>, SendError> {
        let home = url.same_origin(&request.url);
        let agent = self.agents.for_url(url, request.verify || !home).map_err(SendError::Config)?;
        let address = url.to_string();
        let headers = request.headers.iter().map(|(name, value)| (*name, value.as_str()));
        let authorization =
            request.authorization.as_deref().filter(|_| home).map(|value| ("Authorization", value));
        let headers = headers.chain(authorization);
        let result = match request.form {
            None => headers.fold(agent.get(&address), |call, (name, value)| call.header(name, value)).call(),
            Some(form) => headers
                .fold(agent.post(&address), |call, (name, value)| call.header(name, value))
                .content_type("application/x-www-form-urlencoded")
                .send(form),
        };
        result.map_err(|error| SendError::Failure(failure(&url.authority, error)))
    }
}

fn redirect_of_form(url: &Url) -> SendError {
    SendError::Failure(Failure::Redirect(url.authority.clone()))
}

/// A header's value as text.
#[must_use]
pub fn header<'r>(response: &'r Response<Body>, name: &str) -> Option<&'r str> {
    response.headers().get(name)?.to_str().ok()
}

/// What kind of failure an error while reading a body is.
#[must_use]
pub fn body_failure(authority: &str, error: std::io::Error) -> Failure {
    failure(authority, ureq::Error::from(error))
}
