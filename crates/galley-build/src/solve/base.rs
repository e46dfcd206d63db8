//! Base images among the vertices: a chain ID is enough until somebody needs the files.

use galley_plan::{ImageSource, VertexId};

use super::keys::base_identity;
use super::{Failure, Need, Root, Solved, Solver, step_id};
use crate::error::{ImageError, StepProblem};
use crate::events::{Event, Outcome};
use crate::pull::Pull;

impl Solver<'_> {
    /// Solves a base image.
    pub(super) fn solve_image(
        &self,
        id: VertexId,
        image: &ImageSource,
        need: Need,
    ) -> Result<Solved, Failure> {
        let solved = |root, identity| Solved { root, identity, ran: false };
        let Some(chain) = image.chain else { return Ok(solved(Root::Nothing, None)) };
        let identity = Some(base_identity(chain));
        if let Some(snapshot) = self.world.store.chain_snapshot(chain, self.lease)? {
            return Ok(solved(Root::At(snapshot.id), identity));
        }
        if need == Need::Identity {
            return Ok(solved(Root::Base(chain), identity));
        }
        let gone = || ImageError::LayerGone { digest: chain.to_string(), reference: image.reference.clone() };
        let found =
            self.found.image(&image.reference, &image.platform).ok_or_else(|| StepProblem::Image(gone()))?;
        self.tell(&Event::Started { step: step_id(id) });
        self.ran.store(true, std::sync::atomic::Ordering::Relaxed);
        let pull = Pull { world: self.world, events: self.events, step: step_id(id), lease: self.lease };
        let snapshot = match pull.unpack(found) {
            Ok(snapshot) => snapshot,
            Err(ImageError::Stopped) => return Err(Failure::Input),
            Err(error) => return Err(error.into()),
        };
        self.tell(&Event::Finished { step: step_id(id), outcome: Outcome::Done { size: 0 } });
        Ok(solved(snapshot.map_or(Root::Nothing, Root::At), identity))
    }
}
