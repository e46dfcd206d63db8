//! Where images come from: [`Images`], with a registry over the network ([`Registry`]), a directory in the OCI image
//! layout ([`OciLayout`]) and a twin in memory ([`MemoryImages`]). One contract suite runs over all three.
//!
//! Everything that is handed out has been checked: manifests and configurations against their digests and size limits,
//! blobs against their digests while they stream ([`VerifyingReader`]). Nothing here reads the environment; credentials,
//! proxies and certificate files are named in [`RegistryConfig`]. Calls block, and may run on several threads at once.
#![forbid(unsafe_code)]

mod auth;
mod config;
mod error;
pub mod http;
mod images;
mod interruptible;
mod layout;
mod memory;
mod registry;
mod resolve;
mod verify;

pub use auth::{Credential, CredentialLookup, CredentialSource, Credentials};
pub use config::{Certificates, HostConfig, Mirror, Proxies, RegistryConfig, Retries, Timeouts};
pub use error::{Blob, Failure, RegistryError};
pub use images::{Images, RemoteImage};
pub use interruptible::Interruptible;
pub use layout::OciLayout;
pub use memory::MemoryImages;
pub use registry::Registry;
pub use verify::VerifyingReader;
