//! Everything that can go wrong on the way to an image.

use std::io;
use std::path::PathBuf;

use galley_image::{Digest, Platform, Reference, ReferenceError};

/// Why an image could not be had.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// 404, or an unknown manifest.
    #[error("there is no image {image} at {registry}: check the name and the tag")]
    NotFound {
        /// The image as people write it.
        image: String,
        /// Who was asked.
        registry: String,
    },
    /// A blob that the image's manifest names is gone.
    #[error(
        "{registry} does not have {blob}: its copy of the image is not whole; push it again, or use another registry"
    )]
    BlobNotFound {
        /// The blob.
        blob: Blob,
        /// Who was asked.
        registry: String,
    },
    /// 401 or 403. Some registries, docker.io among them, answer so for a repository that does not exist.
    #[error(
        "{registry} refuses access to {image}{detail}: check the name; if the image is private, log in with `docker login {registry}` (galley reads docker's config.json; {credential})"
    )]
    Denied {
        /// The image.
        image: String,
        /// Who refused.
        registry: String,
        /// The registry's own words, in brackets, or nothing.
        detail: String,
        /// Which credentials were tried.
        credential: &'static str,
    },
    /// 429 to the end.
    #[error(
        "{registry} limits how much may be pulled, and {image} is over it{wait}: log in with `docker login {registry}`, name a mirror in galley.toml, or try later"
    )]
    RateLimited {
        /// The image.
        image: String,
        /// Who refused.
        registry: String,
        /// How long the registry wants to be left alone, or nothing.
        wait: String,
    },
    /// Another status than the protocol has at this point.
    #[error(
        "{registry} answered {status} for {image}{detail}: try again later, or ask who runs the registry"
    )]
    Status {
        /// The image.
        image: String,
        /// Who answered.
        registry: String,
        /// The status code.
        status: u16,
        /// The registry's own words, in brackets, or nothing.
        detail: String,
    },
    /// No connection, or a broken one.
    #[error("cannot get {image} from {registry}: {failure}")]
    Connection {
        /// The image.
        image: String,
        /// Who was asked.
        registry: String,
        /// What happened.
        failure: Failure,
    },
    /// Neither the mirrors nor the registry gave the image.
    #[error("{image} cannot be had anywhere:{}", list(attempts))]
    Everywhere {
        /// The image.
        image: String,
        /// What each place said.
        attempts: Vec<RegistryError>,
    },
    /// The bytes are not the ones that were asked for.
    #[error(
        "{what} has the digest {found} where {expected} was asked for: the registry, or a proxy before it, gave wrong bytes; try again, or use another registry"
    )]
    Digest {
        /// What the bytes should have been.
        what: Blob,
        /// The digest that was asked for.
        expected: Digest,
        /// The digest of what came.
        found: Digest,
    },
    /// More or fewer bytes than announced.
    #[error(
        "{what} has {found} bytes where {expected} were announced: the copy at the registry is damaged; push the image again"
    )]
    Size {
        /// What the bytes should have been.
        what: Blob,
        /// Bytes announced.
        expected: u64,
        /// Bytes that came, or at least this many.
        found: u64,
    },
    /// A manifest or configuration far larger than any real one.
    #[error("{what} is larger than {limit} bytes: galley does not read more for it")]
    TooLarge {
        /// What it is.
        what: Blob,
        /// The limit in bytes.
        limit: u64,
    },
    /// A manifest or configuration that cannot be understood.
    #[error("{what} cannot be read: {detail}")]
    Malformed {
        /// What it is.
        what: Blob,
        /// What is wrong.
        detail: String,
    },
    /// Something that is no image for containers, or an ancient one.
    #[error(
        "{image} is of type `{media_type}`, which galley cannot build from: it needs an OCI or docker schema 2 image"
    )]
    MediaType {
        /// The image.
        image: String,
        /// Its type.
        media_type: String,
    },
    /// The index has nothing for the platform.
    #[error("{image} has nothing for {asked}: it offers {}", offers(offered))]
    Platform {
        /// The image.
        image: String,
        /// The platform that was asked for.
        asked: Box<Platform>,
        /// What the index has.
        offered: Vec<Platform>,
    },
    /// A token service gave no token.
    #[error("the token service {realm} of {registry} gave no token for {image}: {detail}")]
    Token {
        /// The image.
        image: String,
        /// The registry.
        registry: String,
        /// The service's address.
        realm: String,
        /// What happened.
        detail: String,
    },
    /// Docker's `config.json` cannot be used.
    #[error("cannot read the credentials in {file}: {detail}")]
    CredentialFile {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        detail: String,
    },
    /// A credential helper failed.
    #[error(
        "the credential helper {program} gave no password for {registry}: {detail}; run `echo {registry} | {program} get` to see why"
    )]
    CredentialHelper {
        /// The helper.
        program: String,
        /// The registry.
        registry: String,
        /// What happened.
        detail: String,
    },
    /// The galley outside of this user namespace, which knows the credentials, could not tell them.
    #[error("cannot get credentials for {registry}: {detail}")]
    CredentialsOutside {
        /// The registry.
        registry: String,
        /// What happened.
        detail: String,
    },
    /// Certificates that are configured cannot be loaded.
    #[error("cannot load certificates from {file}: {detail}")]
    Certificates {
        /// The file or directory.
        file: PathBuf,
        /// What is wrong.
        detail: String,
    },
    /// A proxy that is configured cannot be used.
    #[error("`{url}` is not a proxy that galley can use: write http://host:port")]
    Proxy {
        /// As configured, without a password.
        url: String,
    },
    /// A directory is no OCI image layout.
    #[error("{directory} is not an OCI image layout: {detail}")]
    Layout {
        /// The directory.
        directory: PathBuf,
        /// What is missing or wrong.
        detail: String,
    },
    /// A file of an OCI image layout cannot be read.
    #[error("cannot read {file}: {error}")]
    File {
        /// The file.
        file: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The caller does not want to wait any longer.
    #[error("stopped while waiting for the registry")]
    Stopped,
    /// No thread for a download.
    #[error("cannot start a thread to wait for the registry: {0}")]
    Thread(#[source] io::Error),
    /// A made-up reference cannot be written down.
    #[error(transparent)]
    Reference(#[from] ReferenceError),
}

impl RegistryError {
    /// The error behind an error of a blob's reader, if galley's own code made it.
    #[must_use]
    pub fn behind(error: &io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }

    /// Whether another place may still have the image.
    pub(crate) fn is_about_this_place(&self) -> bool {
        !matches!(
            self,
            Self::Certificates { .. }
                | Self::Proxy { .. }
                | Self::CredentialFile { .. }
                | Self::Platform { .. }
                | Self::MediaType { .. }
        )
    }
}

impl From<RegistryError> for io::Error {
    fn from(error: RegistryError) -> Self {
        let kind = match &error {
            RegistryError::NotFound { .. } | RegistryError::BlobNotFound { .. } => io::ErrorKind::NotFound,
            RegistryError::Denied { .. } => io::ErrorKind::PermissionDenied,
            RegistryError::Digest { .. } | RegistryError::Size { .. } => io::ErrorKind::InvalidData,
            _ => io::ErrorKind::Other,
        };
        Self::new(kind, error)
    }
}

/// What bytes are, in messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Blob {
    /// The manifest or index of an image.
    Manifest(String),
    /// The configuration of an image.
    Config(String),
    /// A layer, by digest.
    Layer(String, Digest),
}

impl Blob {
    pub(crate) fn manifest(image: &Reference) -> Self {
        Self::Manifest(image.familiar())
    }

    pub(crate) fn config(image: &Reference) -> Self {
        Self::Config(image.familiar())
    }

    pub(crate) fn layer(image: &Reference, digest: Digest) -> Self {
        Self::Layer(image.familiar(), digest)
    }
}

impl std::fmt::Display for Blob {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Manifest(image) => write!(f, "the manifest of {image}"),
            Self::Config(image) => write!(f, "the configuration of {image}"),
            Self::Layer(image, digest) => write!(f, "the blob {digest} of {image}"),
        }
    }
}

/// What became of a connection.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The name does not resolve.
    #[error("the host `{0}` is not known: check the name and the network")]
    UnknownHost(String),
    /// Nobody listens.
    #[error("nobody answers at {0}: is the server running, and the port right?")]
    Refused(String),
    /// Nothing came for too long.
    #[error("{0} did not answer in time")]
    Timeout(String),
    /// TLS failed.
    #[error(
        "no secure connection to {host}: {detail}; behind an intercepting proxy, name its certificate with SSL_CERT_FILE, and for a registry without TLS set `insecure = true` in galley.toml"
    )]
    Tls {
        /// The host.
        host: String,
        /// What TLS said.
        detail: String,
    },
    /// The proxy did not let it through.
    #[error("the proxy refused the connection to {host}: {detail}")]
    Proxy {
        /// The host.
        host: String,
        /// What the proxy said.
        detail: String,
    },
    /// The connection broke, or what came was not HTTP.
    #[error("the connection to {host} broke: {detail}")]
    Broken {
        /// The host.
        host: String,
        /// What happened.
        detail: String,
    },
    /// Redirects without end, or to nowhere.
    #[error("{0} redirects to nowhere")]
    Redirect(String),
}

fn list(attempts: &[RegistryError]) -> String {
    attempts.iter().map(|error| format!("\n  {error}")).collect()
}

fn offers(platforms: &[Platform]) -> String {
    if platforms.is_empty() {
        return "no platform at all".into();
    }
    platforms.iter().map(Platform::to_string).collect::<Vec<_>>().join(", ")
}
