//! Which image a base was made into: found by the key of its definition, kept under a name that no registry can have.

use galley_image::{Digest, Platform, Reference};
use galley_plan::CacheKey;
use galley_store::{Image, Lease, Store, StoreError};
use serde::{Deserialize, Serialize};

use super::Base;

/// The registry in the names of bases' images. No such host can exist (RFC 2606), so nothing is ever pulled from there.
///
/// The name keeps an image from being pruned and shows people what it is. It is never how a base is found: an archive may bring an
/// image of any name, but not the note that says which image was made here.
pub const REGISTRY: &str = "bases.galley.invalid";

/// The digits of the key in a name.
const DIGITS: usize = 16;

/// Under the key of a definition: the image it was made into.
#[derive(Serialize, Deserialize)]
struct Made {
    image: Digest,
}

/// Under what is bound: the name of the image it was last made into.
#[derive(Serialize, Deserialize)]
struct Last {
    name: Reference,
}

/// The name of a base's image: `bases.galley.invalid/golang:1.22-3f9a…`.
pub(super) fn store_name(base: &Base, key: CacheKey) -> Result<Reference, galley_image::ReferenceError> {
    let untagged = base.name.familiar();
    let tag = base.name.tag().unwrap_or("latest");
    let repository = untagged.strip_suffix(&format!(":{tag}")).unwrap_or(&untagged).replace(':', ".");
    let key: String = key.to_string().chars().take(DIGITS).collect();
    let tag: String = tag.chars().take(128 - 1 - DIGITS).collect();
    // A name of the greatest length leaves no room for more.
    let named = format!("{REGISTRY}/{repository}:{tag}-{key}").parse();
    named.or_else(|_| format!("{REGISTRY}/base:{tag}-{key}").parse())
}

/// The image that was made of the definition `key`, where the store still has it.
pub(super) fn image(
    store: &Store,
    base: &Base,
    key: CacheKey,
    lease: &Lease,
) -> Result<Option<Image>, StoreError> {
    let Some(text) = store.journal(&made(key))? else { return Ok(None) };
    // A note of another galley's format counts as none.
    let Ok(Made { image }) = serde_json::from_str(&text) else { return Ok(None) };
    let found = store.image(&base.name.with_digest(image), lease)?;
    Ok(found.filter(|found| found.id == image))
}

/// Notes that `image` was made of the definition `key` and is called `name`. What was made of an earlier definition of the same binding
/// loses its name, and goes with the next prune if it has no other.
pub(super) fn keep(
    store: &Store,
    base: &Base,
    platform: &Platform,
    key: CacheKey,
    image: Digest,
    name: &Reference,
) -> Result<(), StoreError> {
    let last = format!("last base {} for {platform} by {}", base.name, base.config.display());
    let before = store.journal(&last)?;
    let before = before.and_then(|text| serde_json::from_str::<Last>(&text).ok());
    if let Some(before) = before.filter(|before| before.name != *name) {
        store.untag(&before.name)?;
    }
    // Both are made of strings, which JSON can always write.
    store.put_journal(&last, &serde_json::to_string(&Last { name: name.clone() }).unwrap_or_default())?;
    store.put_journal(&made(key), &serde_json::to_string(&Made { image }).unwrap_or_default())
}

fn made(key: CacheKey) -> String {
    format!("base {key}")
}
