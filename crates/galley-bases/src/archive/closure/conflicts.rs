//! `Conflicts` and `Breaks` among the packages that were chosen.

use std::collections::HashMap;

use super::error::{ClosureError, malformed};
use crate::archive::dependency::{self, Relation};
use crate::archive::index::{Id, Universe};

/// That one package does not bear another.
#[derive(Clone, Debug)]
pub(super) struct Conflict {
    pub package: Id,
    pub other: Id,
    /// As the package's index entry writes it.
    pub relation: String,
}

/// What the chosen packages do not bear.
#[derive(Debug, Default)]
pub(super) struct Conflicts<'a> {
    by_package: HashMap<Id, Vec<Relation<'a>>>,
}

impl<'a> Conflicts<'a> {
    pub fn add(&mut self, universe: &Universe<'a>, id: Id) {
        // A malformed field is reported by `among`, when it is known that the package is wanted.
        self.by_package.insert(id, relations(universe, id).unwrap_or_default());
    }

    /// Whether `id` conflicts with what is chosen, or the other way round.
    pub fn between(&self, universe: &Universe<'a>, id: Id, chosen: &HashMap<Id, Option<Id>>) -> bool {
        let against = |relation: &Relation<'_>| {
            universe.candidates(relation).any(|other| other != id && chosen.contains_key(&other))
        };
        let own = relations(universe, id).unwrap_or_default().iter().any(against);
        own || self
            .by_package
            .values()
            .flatten()
            .any(|relation| universe.candidates(relation).any(|other| other == id))
    }

    /// The first conflict, in the order of names.
    pub fn among(
        &self,
        universe: &Universe<'a>,
        chosen: &HashMap<Id, Option<Id>>,
    ) -> Result<Option<Conflict>, ClosureError> {
        let mut ids: Vec<Id> = chosen.keys().copied().collect();
        ids.sort_by_key(|id| universe.package(*id).name);
        for package in ids {
            for relation in
                relations(universe, package).map_err(|error| malformed(universe, package, &error))?
            {
                let other = universe
                    .candidates(&relation)
                    .find(|other| *other != package && chosen.contains_key(other));
                if let Some(other) = other {
                    return Ok(Some(Conflict { package, other, relation: relation.to_string() }));
                }
            }
        }
        Ok(None)
    }
}

fn relations<'a>(
    universe: &Universe<'a>,
    id: Id,
) -> Result<Vec<Relation<'a>>, dependency::MalformedRelation> {
    let package = universe.package(id);
    let (mut conflicts, breaks) = (dependency::parse(package.conflicts)?, dependency::parse(package.breaks)?);
    conflicts.extend(breaks);
    Ok(conflicts.into_iter().flat_map(|clause| clause.alternatives).collect())
}
