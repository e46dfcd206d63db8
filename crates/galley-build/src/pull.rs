//! Fetches and unpacks base images. Nothing of one is fetched before some step must really run on it or read from it.

use std::io::{Read, Write};
use std::sync::atomic::{AtomicUsize, Ordering};

use galley_image::{ChainId, Descriptor, DiffId, Reference};
use galley_registry::Images;
use galley_store::{Lease, SnapshotId, SnapshotState, Wait};

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
            let snapshot = store.unpack_layer(top, &mut reader, diff_id, self.lease)?;
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
                self.fetch_blob(images, &image.reference, blob)?;
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

    fn fetch_blob(
        &self,
        images: &dyn Images,
        reference: &Reference,
        blob: &Descriptor,
    ) -> Result<(), ImageError> {
        let mut reader = images.blob(reference, blob, 0)?;
        let mut writer = self.world.store.blob_writer()?;
        let what = format!("layer {}", blob.digest.short());
        let (mut buffer, mut done, mut told) = (vec![0; 128 << 10], 0_u64, 0);
        loop {
            if self.world.cancel.is_cancelled() {
                return Err(ImageError::Stopped);
            }
            let read = reader
                .read(&mut buffer)
                .map_err(|source| ImageError::Transfer { blob: blob.digest, source })?;
            if read == 0 {
                break;
            }
            writer
                .write_all(&buffer[..read])
                .map_err(|source| ImageError::Transfer { blob: blob.digest, source })?;
            done += read as u64;
            if done - told >= REPORT {
                told = done;
                self.tell(what.clone(), done, blob.size);
            }
        }
        writer.finish(blob.digest, Some(blob.size))?;
        Ok(())
    }

    fn tell(&self, what: String, done: u64, total: u64) {
        self.events.event(&Event::Progress { step: self.step, what, done, total: Some(total) });
    }
}
