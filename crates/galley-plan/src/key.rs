//! Cache keys: what a step is, as 32 bytes.
//!
//! A key is a hash over a canonical encoding: every field has a fixed place and a length in front, every operation a tag
//! and a version of its meaning, so that no two different steps can spell the same bytes. What only people see (labels,
//! places in the file) never enters. The encoding is pinned by tests: a change of it throws away every user's cache.

use std::fmt;

use galley_image::digest::hex;
use galley_image::{Platform, TreeDigest};

use crate::op::Op;

/// The key that a step's result is stored under: blake3 over the canonical encoding of the step and its inputs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CacheKey(pub [u8; 32]);

impl fmt::Display for CacheKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Debug for CacheKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "key:{}", hex(&self.0))
    }
}

/// Writes fields into a key. Numbers are 8 bytes, little-endian; texts and lists carry their length in front.
#[derive(Clone)]
pub struct KeyEncoder {
    hash: blake3::Hasher,
}

impl KeyEncoder {
    /// An encoder of an own domain: equal fields under two domains give unrelated keys.
    #[must_use]
    pub fn new(domain: &'static str) -> Self {
        Self { hash: blake3::Hasher::new_derive_key(domain) }
    }

    /// A number.
    pub fn number(&mut self, number: u64) {
        self.hash.update(&number.to_le_bytes());
    }

    /// A yes or no.
    pub fn flag(&mut self, flag: bool) {
        self.hash.update(&[u8::from(flag)]);
    }

    /// Bytes, their length in front.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.hash.update(bytes);
    }

    /// A text, its length in front.
    pub fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    /// A value that may be missing; a missing one differs from an empty one.
    pub fn option<T>(&mut self, value: Option<T>, encode: impl FnOnce(&mut Self, T)) {
        self.flag(value.is_some());
        if let Some(value) = value {
            encode(self, value);
        }
    }

    /// A list in its order, its length in front.
    pub fn list<T>(
        &mut self,
        items: impl IntoIterator<Item = T, IntoIter: ExactSizeIterator>,
        mut encode: impl FnMut(&mut Self, T),
    ) {
        let items = items.into_iter();
        self.number(items.len() as u64);
        for item in items {
            encode(self, item);
        }
    }

    /// A platform.
    pub fn platform(&mut self, platform: &Platform) {
        self.text(&platform.os);
        self.text(&platform.architecture);
        self.option(platform.variant.as_deref(), Self::text);
        self.option(platform.os_version.as_deref(), Self::text);
    }

    /// The key of everything that was written.
    #[must_use]
    pub fn finish(self) -> CacheKey {
        CacheKey(*self.hash.finalize().as_bytes())
    }
}

/// What an input of a step is known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum InputKey {
    /// How it is made: its own key.
    Made(CacheKey),
    /// What the step reads of it: the digest of just the selected paths.
    Content(TreeDigest),
}

/// The key that chains definitions: the step, the key of the root file system that it stacks on, and the keys of its
/// sources in their order.
///
/// `None` for a context, which is known by its content alone; a step that reads a context therefore has a
/// [`content_key`] only.
#[must_use]
pub fn definition_key(
    op: &Op,
    platform: &Platform,
    parent: Option<CacheKey>,
    sources: &[CacheKey],
) -> Option<CacheKey> {
    if matches!(op, Op::Context(_)) {
        return None;
    }
    let mut encoder = step_encoder("galley 1 definition key", op, platform, parent);
    encoder.list(sources, |encoder, source| encoder.bytes(&source.0));
    Some(encoder.finish())
}

/// The key by content: as [`definition_key`], but sources stand there by what the step reads of them where that is known.
///
/// The parent stands there by its key, never by its content: a layer is only ever stacked on the snapshot that it was
/// made on.
#[must_use]
pub fn content_key(op: &Op, platform: &Platform, parent: Option<CacheKey>, sources: &[InputKey]) -> CacheKey {
    let mut encoder = step_encoder("galley 1 content key", op, platform, parent);
    encoder.list(sources, |encoder, source| match source {
        InputKey::Made(key) => {
            encoder.text("made");
            encoder.bytes(&key.0);
        }
        InputKey::Content(digest) => {
            encoder.text("content");
            encoder.bytes(&digest.0);
        }
    });
    encoder.finish()
}

fn step_encoder(domain: &'static str, op: &Op, platform: &Platform, parent: Option<CacheKey>) -> KeyEncoder {
    let mut encoder = KeyEncoder::new(domain);
    op.encode(&mut encoder);
    encoder.platform(platform);
    encoder.option(parent, |encoder, key| encoder.bytes(&key.0));
    encoder
}
