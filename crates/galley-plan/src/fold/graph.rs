//! The vertices of a plan while it grows: the same operation on the same inputs is one vertex.

use std::collections::HashMap;

use crate::key::{CacheKey, KeyEncoder};
use crate::op::Op;
use crate::plan::{Origin, Vertex, VertexId};

/// The growing graph.
#[derive(Debug, Default)]
pub(crate) struct Graph {
    pub(crate) vertices: Vec<Vertex>,
    known: HashMap<CacheKey, VertexId>,
}

impl Graph {
    /// Adds a vertex, or finds the one that is the same; that one then remembers the second place too.
    pub(crate) fn add(&mut self, vertex: Vertex) -> VertexId {
        let identity = identity(&vertex);
        if let Some(id) = self.known.get(&identity) {
            if let Some(known) = self.vertices.get_mut(id.0) {
                let new = known.origin != vertex.origin && !known.also.contains(&vertex.origin);
                if new && vertex.origin.step.is_some() {
                    known.also.push(vertex.origin);
                }
            }
            return *id;
        }
        let id = VertexId(self.vertices.len());
        self.vertices.push(vertex);
        self.known.insert(identity, id);
        id
    }

    /// Says how many steps a stage has, once that is known.
    pub(crate) fn set_step_count(&mut self, stage: usize, count: u32) {
        let origins = self
            .vertices
            .iter_mut()
            .flat_map(|vertex| [&mut vertex.origin].into_iter().chain(&mut vertex.also));
        for Origin { step, .. } in origins.filter(|origin| origin.stage == stage) {
            if let Some((_, total)) = step {
                *total = count;
            }
        }
    }
}

/// What makes two vertices of one plan the same. Besides what keys hold, that is what a key leaves out on purpose.
fn identity(vertex: &Vertex) -> CacheKey {
    let mut encoder = KeyEncoder::new("galley 1 vertex of a plan");
    vertex.op.encode(&mut encoder);
    encoder.platform(&vertex.platform);
    encoder.option(vertex.parent, |encoder, id| encoder.number(id.0 as u64));
    encoder.list(&vertex.sources, |encoder, id| encoder.number(id.0 as u64));
    match &vertex.op {
        Op::Image(image) => encoder.text(&image.reference.to_string()),
        Op::Run(run) => encoder.list(&run.proxies, |encoder, (name, value)| {
            encoder.text(name);
            encoder.text(value);
        }),
        _ => {}
    }
    encoder.finish()
}
