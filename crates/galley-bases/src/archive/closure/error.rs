//! Why there is no closure, said with the packages that led there.

use std::collections::HashMap;
use std::fmt;

use galley_syntax::suggest::did_you_mean;

use super::conflicts::Conflict;
use crate::archive::dependency::{Clause, MalformedRelation};
use crate::archive::index::{Id, Universe};

/// Why the packages asked for cannot be had together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClosureError {
    /// No suite has such a package.
    #[error("no suite has a package `{name}`{hint}")]
    Unknown {
        /// As it was asked for.
        name: String,
        /// A sentence after the first one, with its punctuation; or nothing.
        hint: String,
    },
    /// The package is there in another version.
    #[error(
        "no suite has version {version} of the package `{name}`; ask for the version that is there, or leave it out"
    )]
    UnknownVersion {
        /// Of the package.
        name: String,
        /// As it was asked for.
        version: String,
    },
    /// Something that a package needs is missing.
    #[error("`{}` cannot be installed: {}", .chain.first().map(|link| link.package.as_str()).unwrap_or_default(), Chain(.chain))]
    Unsatisfiable {
        /// From the package that was asked for down to the one whose dependency cannot be met; never empty.
        chain: Vec<Link>,
    },
    /// Two of the packages do not bear each other.
    #[error("`{package}` and `{other}` cannot be installed together: {package} conflicts with {relation}. {}", Paths(.path, .other_path))]
    Conflict {
        /// One of them.
        package: String,
        /// The other.
        other: String,
        /// What the first one says.
        relation: String,
        /// From a package that was asked for down to `package`.
        path: Vec<String>,
        /// From a package that was asked for down to `other`.
        other_path: Vec<String>,
    },
    /// An index entry that cannot be read.
    #[error("the index entry of the package `{package}` is malformed: {detail}")]
    Malformed {
        /// Its name.
        package: String,
        /// Which part.
        detail: String,
    },
}

/// That a package needs something that is missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Name and version.
    pub package: String,
    /// The clause, as its index entry writes it.
    pub needs: String,
    /// Why nothing meets it.
    pub detail: String,
}

struct Chain<'c>(&'c [Link]);

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, link) in self.0.iter().enumerate() {
            write!(f, "{}{} needs {}", if at == 0 { "" } else { "; " }, link.package, link.needs)?;
        }
        write!(f, ", and {}", self.0.last().map(|link| link.detail.as_str()).unwrap_or_default())
    }
}

struct Paths<'c>(&'c [String], &'c [String]);

impl fmt::Display for Paths<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "They are there because of: {}; {}", self.0.join(" -> "), self.1.join(" -> "))
    }
}

/// A package that cannot be installed.
#[derive(Debug)]
pub(super) struct Missing {
    pub package: Id,
    pub reason: Reason,
}

#[derive(Debug)]
pub(super) enum Reason {
    Malformed(MalformedRelation),
    Unmet {
        clause: String,
        /// Packages that would meet it, and cannot be installed themselves.
        impossible: Vec<Id>,
        detail: String,
    },
}

impl Reason {
    /// No package that can be installed meets the clause.
    pub fn unmet(universe: &Universe<'_>, clause: &Clause<'_>) -> Self {
        let impossible =
            clause.alternatives.iter().flat_map(|relation| universe.candidates(relation)).collect();
        let mut details = Vec::new();
        for relation in &clause.alternatives {
            let name = relation.name;
            details.push(match universe.real(name).map(|id| universe.package(id)) {
                Some(package) => format!("{name} is there in version {}", package.version),
                None => format!("no suite has a package `{name}`"),
            });
        }
        Self::Unmet { clause: clause.to_string(), impossible, detail: details.join("; ") }
    }
}

fn shown(universe: &Universe<'_>, id: Id) -> String {
    let package = universe.package(id);
    format!("{} {}", package.name, package.version)
}

pub(super) fn unsatisfiable(
    universe: &Universe<'_>,
    missing: &Missing,
    impossible: &HashMap<Id, Reason>,
) -> ClosureError {
    let (mut package, mut reason) = (missing.package, &missing.reason);
    let mut chain: Vec<Link> = Vec::new();
    // Reasons were found one after the other, each for a package that the next one needs: they form no circle.
    loop {
        match reason {
            Reason::Malformed(error) => return malformed(universe, package, error),
            Reason::Unmet { clause, impossible: behind, detail } => {
                chain.push(Link {
                    package: shown(universe, package),
                    needs: clause.clone(),
                    detail: detail.clone(),
                });
                let next = behind.iter().find_map(|id| impossible.get(id).map(|reason| (*id, reason)));
                let Some((next, next_reason)) = next.filter(|_| chain.len() <= impossible.len()) else {
                    break;
                };
                (package, reason) = (next, next_reason);
            }
        }
    }
    ClosureError::Unsatisfiable { chain }
}

pub(super) fn malformed(universe: &Universe<'_>, id: Id, error: &MalformedRelation) -> ClosureError {
    ClosureError::Malformed { package: universe.package(id).name.into(), detail: error.to_string() }
}

pub(super) fn conflict(
    universe: &Universe<'_>,
    chosen: &HashMap<Id, Option<Id>>,
    conflict: &Conflict,
) -> ClosureError {
    let name = |id: Id| universe.package(id).name.to_owned();
    let path = |id: Id| {
        let mut path = vec![name(id)];
        let mut at = id;
        while let Some(Some(above)) = chosen.get(&at) {
            path.push(name(*above));
            at = *above;
        }
        path.reverse();
        path
    };
    ClosureError::Conflict {
        package: name(conflict.package),
        other: name(conflict.other),
        relation: conflict.relation.clone(),
        path: path(conflict.package),
        other_path: path(conflict.other),
    }
}

/// The error for a name that is no real package, or not in the version asked for.
pub(super) fn unknown(universe: &Universe<'_>, name: &str, version: Option<&str>) -> ClosureError {
    if let Some(version) = version {
        return ClosureError::UnknownVersion { name: name.into(), version: version.into() };
    }
    let clauses = crate::archive::dependency::parse(name).unwrap_or_default();
    let relation = clauses.first().and_then(|clause| clause.alternatives.first());
    let providers: Vec<&str> = relation
        .into_iter()
        .flat_map(|relation| universe.candidates(relation))
        .map(|id| universe.package(id).name)
        .collect();
    let hint = match (providers.is_empty(), did_you_mean(name, universe.names())) {
        (false, _) => format!(", but some provide it; ask for one of them: {}", providers.join(", ")),
        (true, Some(hint)) => format!("; {hint}"),
        (true, None) => String::new(),
    };
    ClosureError::Unknown { name: name.into(), hint }
}
