//! From names to digests and trees: the images and contexts that a plan cannot be made without.
//!
//! A tag that the store knows is resolved without network, unless `--pull`. Configurations are fetched here; layers are not.

mod contexts;

use std::collections::BTreeMap;
use std::sync::Arc;

use galley_image::{ChainId, Descriptor, DiffId, ImageConfig, Manifest, Platform, Reference};
use galley_plan::{ImageName, ImageNeed, Resolved, ResolvedImage, Stages};
use galley_registry::{Images, OciLayout, RemoteImage};
use galley_store::{Image, ImageLayer, Lease, NewImage};
use galley_syntax::Span;

use crate::bases::{Asked, Line};
use crate::context::{Context, ContextError};
use crate::error::{BuildError, ImageError};
use crate::events::{Event, Events};
use crate::request::{BuildRequest, ContextSource, NamedContext};
use crate::world::World;
pub(crate) use contexts::context;

/// What was found outside.
#[derive(Default)]
pub(crate) struct Found {
    /// The part that planning needs.
    pub resolved: Resolved,
    images: BTreeMap<(Reference, Platform), FoundImage>,
    contexts: BTreeMap<String, Context>,
}

/// A base image: its layers, and where their blobs can be had.
#[derive(Clone)]
pub(crate) struct FoundImage {
    /// Its name, pinned.
    pub reference: Reference,
    /// Its configuration.
    pub config: ImageConfig,
    /// Its layers' diff IDs, lowest first.
    pub diff_ids: Vec<DiffId>,
    /// Their blobs; `None` for a layer that was made here and never packed.
    pub layers: Vec<Option<Descriptor>>,
    /// Where they can be had; `None` for an image that was built or loaded here.
    pub location: Option<Reference>,
    /// The OCI layout that it comes from; else a registry.
    layout: Option<Arc<OciLayout>>,
}

impl Found {
    /// The image behind a pinned reference.
    pub(crate) fn image(&self, reference: &Reference, platform: &Platform) -> Option<&FoundImage> {
        self.images.get(&(reference.clone(), platform.clone()))
    }

    /// A scanned context; the main one has the empty name. The plan has none that was not needed, and so scanned.
    pub(crate) fn context(&self, name: &str) -> Option<&Context> {
        self.contexts.get(name)
    }

    /// Remembers the digests of the contexts' files for the next build.
    pub(crate) fn save_digests(&self, request: &BuildRequest) -> Result<(), ContextError> {
        let lasting =
            |name: &str| !(name.is_empty() && matches!(request.context, ContextSource::Unpacked(_)));
        self.contexts
            .iter()
            .filter(|(name, _)| lasting(name))
            .try_for_each(|(_, context)| context.save_digests())
    }
}

impl FoundImage {
    /// The chain ID of all layers; `None` without layers.
    pub(crate) fn chain(&self) -> Option<ChainId> {
        ChainId::of(&self.diff_ids)
    }

    /// Where its blobs are.
    pub(crate) fn images<'a>(&'a self, registry: &'a dyn Images) -> &'a dyn Images {
        self.layout.as_deref().map_or(registry, |layout| layout as &dyn Images)
    }
}

/// Finds everything that `stages` needs. Triggers of a base may need more, so this asks until nothing is missing.
pub(crate) fn resolve(
    stages: &Stages,
    line: &Line<'_>,
    request: &BuildRequest,
    world: &World<'_>,
    events: &dyn Events,
    lease: &Lease,
) -> Result<Found, BuildError> {
    let mut found = Found::default();
    loop {
        let needs = stages.needs(&found.resolved);
        if needs.is_empty() {
            return Ok(found);
        }
        let resolver = Resolver { line, request, world, events, lease };
        let (images, contexts) = std::thread::scope(|scope| {
            let images: Vec<_> = needs
                .images
                .iter()
                .map(|(need, span)| (need, scope.spawn(|| resolver.image(need, *span))))
                .collect();
            let contexts: Vec<_> =
                needs.contexts.keys().map(|name| (name, context(request, world, events, name))).collect();
            let joined = images
                .into_iter()
                .map(|(need, handle)| (need, handle.join().unwrap_or(Err(BuildError::Cancelled))));
            (joined.collect::<Vec<_>>(), contexts)
        });
        for (need, image) in images {
            let (image, remarks) = image?;
            // In the order of the needs, however they were found.
            line.say(remarks);
            let resolved = ResolvedImage { reference: image.reference.clone(), config: image.config.clone() };
            found.resolved.images.insert(need.clone(), resolved);
            found.images.insert((image.reference.clone(), need.platform.clone()), image);
        }
        for (name, context) in contexts {
            found.contexts.insert(name.clone(), context?);
            found.resolved.contexts.insert(name.clone());
        }
    }
}

struct Resolver<'a> {
    line: &'a Line<'a>,
    request: &'a BuildRequest,
    world: &'a World<'a>,
    events: &'a dyn Events,
    lease: &'a Lease,
}

impl Resolver<'_> {
    /// An image, and what is to be said of it.
    fn image(&self, need: &ImageNeed, span: Span) -> Result<(FoundImage, Vec<Event>), BuildError> {
        let (name, image) = match &need.name {
            ImageName::Reference(reference) => {
                if let Some(base) = self.request.bases.get(reference) {
                    let BuildRequest { bases, pull, .. } = self.request;
                    let asked = Asked { platform: &need.platform, span, bases, pull: *pull };
                    return self.line.find(base, &asked, self.world, self.lease);
                }
                (reference.familiar(), self.by_reference(reference, &need.platform))
            }
            ImageName::NamedContext(name) => {
                (format!("of the build context `{name}`"), self.by_context(name, &need.platform))
            }
        };
        let image =
            image.map_err(|source| BuildError::Image { reference: name, span, source: Box::new(source) })?;
        Ok((image, Vec::new()))
    }

    fn by_reference(&self, reference: &Reference, platform: &Platform) -> Result<FoundImage, ImageError> {
        if !self.request.pull
            && let Some(image) = self.world.store.image(reference, self.lease)?
        {
            let found = in_store(reference, &image)?;
            if platform.accepts(&found.config.platform) {
                return Ok(found);
            }
        }
        let message = format!("asking {} for {}", reference.registry(), reference.familiar());
        self.events.event(&Event::Progress {
            step: crate::events::StepId(u32::MAX),
            what: message,
            done: 0,
            total: None,
        });
        let remote = self.world.images.resolve(reference, platform)?;
        let found = self.keep(&remote, platform, None)?;
        let (store, id) = (self.world.store, remote.manifest.config.digest);
        // By its digest it is found again without network, whatever becomes of the tag.
        store.tag(&remote.reference, id)?;
        // A digest beside a tag was asked for; what the tag stands for was not looked at.
        if reference.digest().is_none() {
            store.tag(reference, id)?;
        }
        Ok(found)
    }

    fn by_context(&self, name: &str, platform: &Platform) -> Result<FoundImage, ImageError> {
        match self.request.named_contexts.get(name) {
            Some(NamedContext::Image(reference)) => self.by_reference(reference, platform),
            Some(NamedContext::OciLayout { directory, tag, digest }) => {
                let layout = OciLayout::open(directory)?;
                let tag = tag.as_deref().map_or(String::new(), |tag| format!(":{tag}"));
                let digest = digest.map_or(String::new(), |digest| format!("@{digest}"));
                // Tag and digest choose; the name is what messages show.
                let plain = Some(name).filter(|name| !name.contains([':', '@']));
                let named = plain.and_then(|name| format!("{name}{tag}{digest}").parse().ok());
                let reference: Reference =
                    named.map_or_else(|| format!("layout{tag}{digest}").parse(), Ok)?;
                let remote = layout.resolve(&reference, platform)?;
                self.keep(&remote, platform, Some(Arc::new(layout)))
            }
            // The plan asks for an image only where the request says that the name is one.
            Some(NamedContext::Directory(_)) | None => Err(ImageError::NotAnImage(name.to_owned())),
        }
    }

    /// Puts what is known of a remote image into the store: its configuration and the names of its blobs.
    fn keep(
        &self,
        remote: &RemoteImage,
        platform: &Platform,
        layout: Option<Arc<OciLayout>>,
    ) -> Result<FoundImage, ImageError> {
        if !platform.accepts(&remote.config.platform) {
            let offered = remote.config.platform.to_string();
            return Err(ImageError::Platform { wanted: platform.to_string(), offered });
        }
        let (diff_ids, blobs) = (&remote.config.rootfs.diff_ids, &remote.manifest.layers);
        if diff_ids.len() != blobs.len() {
            return Err(ImageError::Layers { diff_ids: diff_ids.len(), layers: blobs.len() });
        }
        let pairs = diff_ids.iter().zip(blobs);
        let layers = pairs
            .map(|(diff_id, blob)| ImageLayer { diff_id: *diff_id, blob: Some(blob.clone()), snapshot: None })
            .collect();
        let config = remote.config_bytes.clone();
        self.world.store.put_image(&NewImage {
            config,
            layers,
            manifest: Some(remote.manifest_bytes.clone()),
        })?;
        Ok(FoundImage {
            reference: remote.reference.clone(),
            config: remote.config.clone(),
            diff_ids: diff_ids.clone(),
            layers: blobs.iter().cloned().map(Some).collect(),
            location: Some(remote.reference.clone()),
            layout,
        })
    }
}

/// An image that the store has.
pub(crate) fn in_store(reference: &Reference, image: &Image) -> Result<FoundImage, ImageError> {
    let bad = |reason: serde_json::Error| galley_store::StoreError::BadImage {
        image: image.id,
        reason: reason.to_string(),
    };
    let config: ImageConfig = serde_json::from_slice(&image.config).map_err(bad)?;
    let manifest: Option<Manifest> =
        image.manifest.as_deref().map(serde_json::from_slice).transpose().map_err(bad)?;
    let blobs = manifest.map(|manifest| manifest.layers).unwrap_or_default();
    let layers = image
        .layers
        .iter()
        .enumerate()
        .map(|(index, layer)| layer.blob.clone().or_else(|| blobs.get(index).cloned()));
    let digest = image.manifest.as_deref().map_or(image.id, galley_image::Digest::of);
    Ok(FoundImage {
        reference: reference.with_digest(digest),
        diff_ids: config.rootfs.diff_ids.clone(),
        layers: layers.collect(),
        config,
        location: image.digests.first().cloned(),
        layout: None,
    })
}
