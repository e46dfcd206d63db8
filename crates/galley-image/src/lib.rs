//! The nouns of an image and of a file tree, and the pure functions over them: digests, references, platforms, manifests,
//! image configurations, trees, diffs, tree digests and layer tars. Nothing here opens a file or a socket: bytes come and
//! go through [`std::io::Read`] and [`std::io::Write`], so that every rule of the image format can be tested from text.
#![forbid(unsafe_code)]

pub mod config;
pub mod diff;
pub mod digest;
pub mod entry;
pub mod layer_tar;
pub mod oci;
pub mod path;
pub mod platform;
pub mod reference;
pub mod tree;
pub mod tree_digest;

pub use config::{ContainerConfig, Healthcheck, History, ImageConfig, RootFs};
pub use diff::{Change, Diff, DiffBuilder, DiffError};
pub use digest::{ChainId, ContentDigest, DiffId, Digest, DigestError, TreeDigest};
pub use entry::{Entry, FileContent, Kind, LinkGroup, Mtime, Xattrs};
pub use oci::{Descriptor, Index, Manifest, MediaType};
pub use path::{PathError, TreePath};
pub use platform::{Platform, PlatformError};
pub use reference::{Reference, ReferenceError};
pub use tree::{Node, ResolveError, Tree};
pub use tree_digest::TreeHasher;
