//! Fetches and unpacks base images. Nothing of one is fetched before some step must really run on it or read from it.

use std::io::{self, Read, Write};
use std::sync::atomic::{AtomicUsize, Ordering};

use galley_image::{ChainId, Descriptor, DiffId, Reference, TreePath};
use galley_registry::{Images, RegistryError};
use galley_store::{BlobWriter, Image, Lease, SnapshotId, SnapshotState, StoreError, Unpacked, Wait};

use crate::error::ImageError;
use crate::events::{Event, Events, StepId};
use crate::resolve::FoundImage;
use crate::solve::keys::base_identity;
use crate::world::World;

/// Blobs that are fetched at once.
const AT_ONCE: usize = 4;

/// Bytes between two reports of progress.
const REPORT: u64 = 1 << 20;

/// Unpacks images into the store.
pub(crate) struct Pull<'a> {
    pub world: &'a World<'a>,
    pub events: &'a dyn Events,
    /// The step that reports belong to.
    pub step: StepId,
    /// Holds what is unpacked.
    pub lease: &'a Lease,
}

/// Fetches what the store lacks of the blobs that an archive of `image` needs. Reports belong to `step`.
///
/// # Errors
/// [`ImageError`]: [`ImageError::LayerGone`] where nothing says where a blob is.
pub fn fetch_blobs(
    image: &Image,
    world: &World<'_>,
    events: &dyn Events,
    step: StepId,
    lease: &Lease,
) -> Result<(), ImageError> {
    let missing = crate::export::missing_blobs(world.store, image)?;
    if missing.is_empty() {
        return Ok(());
    }
    let found = crate::resolve::in_store(&crate::container::name_of(image)?, image)?;
    let pull = Pull { world, events, step, lease };
    pull.fetch(&found, &missing.iter().collect::<Vec<_>>())
}

impl Pull<'_> {
    /// Fetches the blobs that are missing, several at once, and unpacks them in order.
    pub(crate) fn unpack(&self, image: &FoundImage) -> Result<Option<SnapshotId>, ImageError> {
        let store = self.world.store;
        let Some(chain) = image.chain() else { return Ok(None) };
        let mut waiting = |holder: &galley_store::Holder| {
            let message = format!(
                "waiting for process {} ({}), which pulls the same image",
                holder.pid, holder.process
            );
            self.events.event(&Event::Warning { step: Some(self.step), message });
        };
        let mut wait = Wait { interrupted: &|| self.world.cancel.is_cancelled(), waiting: &mut waiting };
        let _lock = store.lock_step(&base_identity(chain).0, &mut wait)?;
        let (mut top, mut next) = self.unpacked_so_far(&image.diff_ids)?;
        let missing: Vec<&Descriptor> =
            image.layers[next..].iter().flatten().filter(|blob| !store.has_blob(&blob.digest)).collect();
        self.fetch(image, &missing)?;
        while next < image.diff_ids.len() {
            let diff_id = image.diff_ids[next];
            let gone =
                || ImageError::LayerGone { digest: diff_id.to_string(), reference: image.reference.clone() };
            let blob = image.layers.get(next).and_then(Option::as_ref).ok_or_else(gone)?;
            let what = format!("unpacking {}", blob.digest.short());
            self.tell(what, next as u64, image.diff_ids.len() as u64);
            let mut reader = store.open_blob(&blob.digest)?;
            let Unpacked { snapshot, left_out } =
                store.unpack_layer(top, &mut reader, diff_id, self.lease)?;
            self.warn_about(&left_out, &image.reference);
            next += 1;
            if let Some(chain) = ChainId::of(&image.diff_ids[..next]) {
                store.bind_chain(chain, snapshot.id)?;
            }
            top = Some(snapshot.id);
        }
        Ok(top)
    }

    /// The highest layers of the image that are unpacked already, here or as part of another image.
    fn unpacked_so_far(&self, diff_ids: &[DiffId]) -> Result<(Option<SnapshotId>, usize), ImageError> {
        for count in (1..=diff_ids.len()).rev() {
            let Some(chain) = ChainId::of(&diff_ids[..count]) else { continue };
            let snapshot = self.world.store.chain_snapshot(chain, self.lease)?;
            if let Some(snapshot) = snapshot.filter(|snapshot| snapshot.state == SnapshotState::Present) {
                return Ok((Some(snapshot.id), count));
            }
        }
        Ok((None, 0))
    }

    fn fetch(&self, image: &FoundImage, blobs: &[&Descriptor]) -> Result<(), ImageError> {
        let images = image.images(self.world.images);
        let next = AtomicUsize::new(0);
        let work = || -> Result<(), ImageError> {
            while let Some(blob) = blobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                let from = match &image.location {
                    Some(location) => location.clone(),
                    None => self.location_of(image, blob)?,
                };
                self.fetch_blob(images, &from, blob)?;
            }
            Ok(())
        };
        std::thread::scope(|scope| {
            let others: Vec<_> = (1..AT_ONCE.min(blobs.len())).map(|_| scope.spawn(work)).collect();
            let own = work();
            let joined = others.into_iter().map(|other| other.join().unwrap_or(Err(ImageError::Stopped)));
            joined.chain([own]).collect()
        })
    }

    /// Where a blob of an image can be had that came from nowhere itself: where another image of the store that has
    /// it, such as its base, came from.
    fn location_of(&self, image: &FoundImage, blob: &Descriptor) -> Result<Reference, ImageError> {
        let has = |image: &Image| {
            image.layers.iter().any(|layer| layer.blob.as_ref().is_some_and(|of| of.digest == blob.digest))
        };
        let others = self.world.store.images()?;
        let located = others.into_iter().filter(has).find_map(|image| image.digests.into_iter().next());
        located.ok_or_else(|| ImageError::LayerGone {
            digest: blob.digest.to_string(),
            reference: image.reference.clone(),
        })
    }

    fn fetch_blob(
        &self,
        images: &dyn Images,
        reference: &Reference,
        blob: &Descriptor,
    ) -> Result<(), ImageError> {
        match self.fetch_rest(images, reference, blob) {
            // What was there from an earlier try was not the blob's beginning: that try is gone now.
            Err((ImageError::Store(StoreError::BlobDigest { .. }), 1..)) => {
                self.fetch_rest(images, reference, blob).map_err(|(error, _)| error)
            }
            fetched => fetched.map_err(|(error, _)| error),
        }
    }

    /// Fetches what the store does not have of a blob yet. A failure comes with the bytes that were there before.
    fn fetch_rest(
        &self,
        images: &dyn Images,
        reference: &Reference,
        blob: &Descriptor,
    ) -> Result<(), (ImageError, u64)> {
        let writer =
            self.world.store.resume_blob(&blob.digest, blob.size).map_err(|error| (error.into(), 0))?;
        let before = writer.written();
        self.transfer(images, reference, blob, writer).map_err(|error| (error, before))
    }

    fn transfer(
        &self,
        images: &dyn Images,
        reference: &Reference,
        blob: &Descriptor,
        mut writer: BlobWriter,
    ) -> Result<(), ImageError> {
        let mut done = writer.written();
        let mut reader = images.blob(reference, blob, done)?;
        let what = format!("layer {}", blob.digest.short());
        if done < blob.size {
            self.tell(what.clone(), done, blob.size);
        }
        let (mut buffer, mut told) = (vec![0; 128 << 10], done);
        loop {
            if self.world.cancel.is_cancelled() {
                return Err(ImageError::Stopped);
            }
            let read = match reader.read(&mut buffer) {
                Ok(read) => read,
                Err(source) => return Err(broken(blob, writer, source)),
            };
            if read == 0 {
                break;
            }
            writer.write_all(&buffer[..read]).map_err(|error| writer.failed(error))?;
            done += read as u64;
            // Its end is told when it is known to be the right one.
            if done - told >= REPORT && done < blob.size {
                told = done;
                self.tell(what.clone(), done, blob.size);
            }
        }
        writer.finish(blob.digest, Some(blob.size))?;
        self.tell(what, done, blob.size);
        Ok(())
    }

    /// Says what of an image cannot be had by whoever runs this galley.
    fn warn_about(&self, left_out: &[TreePath], reference: &Reference) {
        let [first, rest @ ..] = left_out else { return };
        let which = match rest.len() {
            0 => format!("the device node `{}` was", first.display()),
            more => format!("{} device nodes, `{}` among them, were", more + 1, first.display()),
        };
        let message = format!(
            "{}: {which} left out, since only the machine's root may make any; steps have a /dev of their own",
            reference.familiar(),
        );
        self.events.event(&Event::Warning { step: Some(self.step), message });
    }

    fn tell(&self, what: String, done: u64, total: u64) {
        self.events.event(&Event::Progress { step: self.step, what, done, total: Some(total) });
    }
}

/// Why a blob did not come. What came of it is kept for the next try, unless it was wrong.
fn broken(blob: &Descriptor, writer: BlobWriter, source: io::Error) -> ImageError {
    match source.downcast::<RegistryError>() {
        Ok(wrong @ (RegistryError::Digest { .. } | RegistryError::Size { .. })) => {
            writer.discard();
            wrong.into()
        }
        Ok(other) => ImageError::Transfer { blob: blob.digest, source: other.into() },
        Err(source) => ImageError::Transfer { blob: blob.digest, source },
    }
}
