//! Which packages a root file system is made of: what was asked for, and all that it needs.
//!
//! Recommended packages are left out. Of alternatives, one that is there anyway is enough; else the first is taken that can be installed and does not
//! conflict with what is there. What has no alternative is taken first, so the outcome does not hang on the order of requests.

mod conflicts;
mod error;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

pub use error::{ClosureError, Link};

use super::dependency::{self, Clause};
use super::index::{Id, Package, Priority, Universe};
use conflicts::Conflicts;
use error::{Missing, Reason};

/// Which packages there are besides those asked for by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Variant {
    /// None: a root for one program.
    Only,
    /// None, and not those either that the asked ones depend on: for a root whose packages are never configured, in which what
    /// only their scripts need has no place.
    Listed,
    /// Those that every system has, marked `Essential`.
    Essential,
    /// The same, those of priority `required`, and `apt`: what `debootstrap` and `mmdebstrap` call so.
    #[default]
    Minbase,
}

/// Essential packages of bookworm and trixie need the package `usrmerge`, which moves `/bin` into `/usr` with half of Perl's help, or this one, which only
/// says that it is so; and in the roots that galley makes it is so. Suites that do not have it do not need it.
const MERGED: &str = "usr-is-merged";

/// A package that was chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chosen<'a> {
    /// See there.
    pub package: Package<'a>,
    /// The name of the package that needs it; `None` where it was asked for or is essential.
    pub needed_by: Option<&'a str>,
}

/// The packages, sorted by name. `asked` are names, or `name=version`, where [`Universe::new`] got the versions as pins.
///
/// # Errors
/// [`ClosureError`], which names the packages that led there.
pub fn closure<'a>(
    universe: &Universe<'a>,
    variant: Variant,
    asked: &[String],
) -> Result<Vec<Chosen<'a>>, ClosureError> {
    let roots = roots(universe, variant, asked)?;
    let mut impossible = HashMap::new();
    if variant == Variant::Listed {
        let mut attempt = Attempt::new(universe, &impossible);
        roots.iter().for_each(|root| attempt.choose(*root, None));
        return finish(&attempt);
    }
    // Each round finds one more package that cannot be installed, so this ends.
    loop {
        let mut attempt = Attempt::new(universe, &impossible);
        let missing = match attempt.run(&roots) {
            Ok(()) => return finish(&attempt),
            Err(missing) => missing,
        };
        if roots.contains(&missing.package) {
            return Err(error::unsatisfiable(universe, &missing, &impossible));
        }
        impossible.insert(missing.package, missing.reason);
    }
}

/// Splits `name=version`.
#[must_use]
pub fn pin(asked: &str) -> (&str, Option<&str>) {
    asked.split_once('=').map_or((asked, None), |(name, version)| (name, Some(version)))
}

fn roots(universe: &Universe<'_>, variant: Variant, asked: &[String]) -> Result<Vec<Id>, ClosureError> {
    let belongs = |id: &Id| {
        let package = universe.package(*id);
        let required = variant == Variant::Minbase && package.priority == Priority::Required;
        !matches!(variant, Variant::Only | Variant::Listed)
            && (package.essential || required || package.name == MERGED)
    };
    let mut roots: Vec<Id> = universe.ids().filter(belongs).collect();
    let apt = (variant == Variant::Minbase).then_some("apt");
    for asked in apt.into_iter().chain(asked.iter().map(String::as_str)) {
        let (name, version) = pin(asked);
        let real = universe.real(name);
        let found = real.or_else(|| only_provider(universe, name).filter(|_| version.is_none()));
        roots.push(found.ok_or_else(|| error::unknown(universe, name, version))?);
    }
    roots.sort_by_key(|id| universe.package(*id).name);
    roots.dedup();
    Ok(roots)
}

/// As apt does it: a virtual package may be asked for where there is no choice.
fn only_provider(universe: &Universe<'_>, name: &str) -> Option<Id> {
    let clauses = dependency::parse(name).ok()?;
    let mut providers = universe.candidates(clauses.first()?.alternatives.first()?);
    let first = providers.next();
    first.filter(|_| providers.next().is_none())
}

fn finish<'a>(attempt: &Attempt<'_, 'a>) -> Result<Vec<Chosen<'a>>, ClosureError> {
    let universe = attempt.universe;
    if let Some(conflict) = attempt.conflicts.among(universe, &attempt.chosen)? {
        return Err(error::conflict(universe, &attempt.chosen, &conflict));
    }
    let name = |id: Id| universe.package(id).name;
    let chosen = attempt.chosen.iter();
    let mut chosen: Vec<_> = chosen
        .map(|(id, needed_by)| Chosen { package: *universe.package(*id), needed_by: needed_by.map(name) })
        .collect();
    chosen.sort_by_key(|chosen| chosen.package.name);
    Ok(chosen)
}

/// One try, without the packages that are known to be impossible.
struct Attempt<'u, 'a> {
    universe: &'u Universe<'a>,
    impossible: &'u HashMap<Id, Reason>,
    /// And who needs them first.
    chosen: HashMap<Id, Option<Id>>,
    /// Chosen, and their dependencies not looked at.
    fresh: Vec<Id>,
    /// Clauses that leave a choice.
    open: Vec<(Id, Clause<'a>)>,
    conflicts: Conflicts<'a>,
}

impl<'u, 'a> Attempt<'u, 'a> {
    fn new(universe: &'u Universe<'a>, impossible: &'u HashMap<Id, Reason>) -> Self {
        let (chosen, fresh, open) = (HashMap::new(), Vec::new(), Vec::new());
        Self { universe, impossible, chosen, fresh, open, conflicts: Conflicts::default() }
    }

    fn run(&mut self, roots: &[Id]) -> Result<(), Missing> {
        for root in roots {
            self.choose(*root, None);
        }
        loop {
            while let Some(id) = self.fresh.pop() {
                self.look_at(id)?;
            }
            let open = std::mem::take(&mut self.open);
            let mut left = open.into_iter();
            let Some((parent, clause)) = left.find(|(_, clause)| !self.is_met(clause)) else { return Ok(()) };
            self.open = left.collect();
            let candidates = self.candidates(&clause);
            let peaceful = candidates.iter().copied().find(|id| !self.disturbs(*id));
            // Where all of them conflict, the error names that conflict.
            match peaceful.or_else(|| candidates.first().copied()) {
                Some(id) => self.choose(id, Some(parent)),
                None => return Err(self.missing(parent, &clause)),
            }
        }
    }

    fn choose(&mut self, id: Id, needed_by: Option<Id>) {
        if let std::collections::hash_map::Entry::Vacant(entry) = self.chosen.entry(id) {
            entry.insert(needed_by);
            self.fresh.push(id);
            self.conflicts.add(self.universe, id);
        }
    }

    /// Chooses what a package needs where there is no choice, and notes where there is.
    fn look_at(&mut self, id: Id) -> Result<(), Missing> {
        let package = self.universe.package(id);
        for field in [package.pre_depends, package.depends] {
            let clauses = dependency::parse(field)
                .map_err(|error| Missing { package: id, reason: Reason::Malformed(error) })?;
            for clause in clauses {
                if clause.alternatives.iter().all(|relation| self.universe.is_void(relation)) {
                    continue;
                }
                match self.candidates(&clause)[..] {
                    [] => return Err(self.missing(id, &clause)),
                    [only] => self.choose(only, Some(id)),
                    _ => self.open.push((id, clause)),
                }
            }
        }
        Ok(())
    }

    /// The packages that meet a clause and can be installed, as far as is known, in the order of preference.
    fn candidates(&self, clause: &Clause<'_>) -> Vec<Id> {
        let all = clause.alternatives.iter().flat_map(|relation| self.universe.candidates(relation));
        let mut candidates = Vec::new();
        for id in all.filter(|id| !self.impossible.contains_key(id)) {
            if !candidates.contains(&id) {
                candidates.push(id);
            }
        }
        candidates
    }

    fn is_met(&self, clause: &Clause<'_>) -> bool {
        clause
            .alternatives
            .iter()
            .flat_map(|relation| self.universe.candidates(relation))
            .any(|id| self.chosen.contains_key(&id))
    }

    fn disturbs(&self, id: Id) -> bool {
        self.conflicts.between(self.universe, id, &self.chosen)
    }

    fn missing(&self, package: Id, clause: &Clause<'_>) -> Missing {
        Missing { package, reason: Reason::unmet(self.universe, clause) }
    }
}
