//! The packages of a suite: a `Packages` index, read into values that borrow from its text.

mod condensed;

use std::collections::HashMap;

pub use condensed::{condense, read_condensed};

use super::deb822;
use super::dependency::{self, Constraint, Relation};
use super::version::compare;

/// How much a package belongs to a system; providers of a virtual package are preferred in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Priority {
    /// Nothing works without it.
    Required,
    /// Every Unix has it.
    Important,
    /// A small system has it.
    Standard,
    /// All else.
    #[default]
    Optional,
}

/// A package as an index has it. Fields that are missing are empty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Package<'a> {
    /// `libc6`
    pub name: &'a str,
    /// See deb-version(7).
    pub version: &'a str,
    /// `amd64` or `all`.
    pub architecture: &'a str,
    /// Whether every system has to have it.
    pub essential: bool,
    /// See there.
    pub priority: Priority,
    /// What must be configured before this is unpacked.
    pub pre_depends: &'a str,
    /// What it needs.
    pub depends: &'a str,
    /// Under which names it is there, too.
    pub provides: &'a str,
    /// What must not be there.
    pub conflicts: &'a str,
    /// What would not work any more.
    pub breaks: &'a str,
    /// Relative to the mirror.
    pub filename: &'a str,
    /// Bytes of the file.
    pub size: u64,
    /// Of the file.
    pub sha256: &'a str,
    /// Which of the caller's suites it is from, as [`read`] was told.
    pub suite: usize,
}

/// The packages of an index, each marked as being of `suite`. Paragraphs that name no package or no version are passed over.
pub fn read(text: &str, suite: usize) -> impl Iterator<Item = Package<'_>> {
    deb822::paragraphs(text).filter_map(move |paragraph| {
        let mut package = Package { suite, ..Package::default() };
        for field in paragraph.fields() {
            set(&mut package, field.name, field.value);
        }
        let whole = dependency::is_name(package.name) && !package.version.is_empty();
        whole.then_some(package)
    })
}

fn set<'a>(package: &mut Package<'a>, name: &str, value: &'a str) {
    match name {
        "Package" => package.name = value,
        "Version" => package.version = value,
        "Architecture" => package.architecture = value,
        "Essential" => package.essential = value == "yes",
        "Priority" => {
            package.priority = match value {
                "required" => Priority::Required,
                "important" => Priority::Important,
                "standard" => Priority::Standard,
                _ => Priority::Optional,
            }
        }
        "Pre-Depends" => package.pre_depends = value,
        "Depends" => package.depends = value,
        "Provides" => package.provides = value,
        "Conflicts" => package.conflicts = value,
        "Breaks" => package.breaks = value,
        "Filename" => package.filename = value,
        "Size" => package.size = value.parse().unwrap_or(0),
        "SHA256" => package.sha256 = value,
        _ => {}
    }
}

/// One candidate for each name, and who provides what.
#[derive(Debug)]
pub struct Universe<'a> {
    packages: Vec<Package<'a>>,
    by_name: HashMap<&'a str, usize>,
    providers: HashMap<&'a str, Vec<Provider<'a>>>,
    architecture: String,
}

/// That a package provides a name.
#[derive(Clone, Copy, Debug)]
struct Provider<'a> {
    package: usize,
    version: Option<&'a str>,
}

/// Room for the packages of Debian's `main`.
const USUAL: usize = 80_000;

/// An index into the packages of a [`Universe`].
pub(super) type Id = usize;

impl<'a> Universe<'a> {
    /// Of several versions the highest counts, and of equal ones the first; but where `pins` gives a version for a name, that one does.
    pub fn new(
        packages: impl Iterator<Item = Package<'a>>,
        architecture: &str,
        pins: &HashMap<&str, &str>,
    ) -> Self {
        let mut universe = Self {
            packages: Vec::with_capacity(USUAL),
            by_name: HashMap::with_capacity(USUAL),
            providers: HashMap::new(),
            architecture: architecture.into(),
        };
        for package in packages
            .filter(|package| matches!(package.architecture, "all") || package.architecture == architecture)
        {
            if pins.get(package.name).is_some_and(|pinned| compare(pinned, package.version).is_ne()) {
                continue;
            }
            match universe.by_name.get(package.name) {
                Some(&known) if compare(universe.packages[known].version, package.version).is_lt() => {
                    universe.packages[known] = package;
                }
                Some(_) => {}
                None => {
                    universe.by_name.insert(package.name, universe.packages.len());
                    universe.packages.push(package);
                }
            }
        }
        universe.find_providers();
        universe
    }

    fn find_providers(&mut self) {
        for (id, package) in
            self.packages.iter().enumerate().filter(|(_, package)| !package.provides.is_empty())
        {
            // What cannot be read provides nothing.
            for clause in dependency::parse(package.provides).unwrap_or_default() {
                let Some(relation) = clause.alternatives.first() else { continue };
                let version = relation.constraint.map(|constraint| constraint.version);
                self.providers.entry(relation.name).or_default().push(Provider { package: id, version });
            }
        }
        for providers in self.providers.values_mut() {
            let rank = |provider: &Provider<'_>| {
                let package = &self.packages[provider.package];
                (!package.essential, package.priority, package.name)
            };
            providers.sort_by(|a, b| rank(a).cmp(&rank(b)));
        }
    }

    pub(super) fn package(&self, id: Id) -> &Package<'a> {
        &self.packages[id]
    }

    /// All names of real packages.
    pub fn names(&self) -> impl Iterator<Item = &'a str> {
        self.packages.iter().map(|package| package.name)
    }

    pub(super) fn ids(&self) -> std::ops::Range<Id> {
        0..self.packages.len()
    }

    /// The real package of this name.
    pub(super) fn real(&self, name: &str) -> Option<Id> {
        self.by_name.get(name).copied()
    }

    /// What meets a relation: the package itself, then who provides it, the more important ones first.
    pub(super) fn candidates(&self, relation: &Relation<'_>) -> impl Iterator<Item = Id> {
        let counts = relation.means(&self.architecture) && relation.holds_on(&self.architecture);
        let constraint = relation.constraint;
        let real = self.real(relation.name).filter(|id| admits(constraint, Some(self.packages[*id].version)));
        let provided = self.providers.get(relation.name).into_iter().flatten();
        let provided = provided.filter(move |provider| admits(constraint, provider.version));
        real.into_iter().chain(provided.map(|provider| provider.package)).filter(move |_| counts)
    }

    /// Whether a relation can be left out on this architecture.
    pub(super) fn is_void(&self, relation: &Relation<'_>) -> bool {
        !relation.holds_on(&self.architecture)
    }
}

/// A name that is provided without a version meets no constraint (policy 7.5).
fn admits(constraint: Option<Constraint<'_>>, version: Option<&str>) -> bool {
    constraint.is_none_or(|constraint| version.is_some_and(|version| constraint.admits(version)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "Package: a\nVersion: 1\nArchitecture: amd64\nMaintainer: nobody\nPriority: optional\nDepends: b,\n c\nDescription: x\n more\nSize: 12\n\n\
        Package: a\nVersion: 2\nArchitecture: amd64\nEssential: yes\n\n\
        Package: a\nVersion: 3\nArchitecture: arm64\n\n\
        Package: no version\nVersion: 1\n\nPackage: v\n\n\
        Package: p\nVersion: 1\nArchitecture: all\nProvides: a (= 7), w\nPriority: required\n\n\
        Package: o\nVersion: 1\nArchitecture: all\nProvides: w\n";

    fn names<'a>(universe: &Universe<'a>, relation: &'a str) -> Vec<&'a str> {
        let clauses = dependency::parse(relation).unwrap();
        universe.candidates(&clauses[0].alternatives[0]).map(|id| universe.package(id).name).collect()
    }

    #[test]
    fn condensed_it_reads_the_same() {
        let condensed = condense(TEXT);
        let mut all: Vec<_> = read(TEXT, 3).collect();
        assert_eq!((all[0].size, all[0].depends), (12, "b,\n c"));
        all[0].depends = "b, c";
        assert_eq!(read_condensed(&condensed, 3).collect::<Vec<_>>(), all);
        assert!(!condensed.contains("nobody") && !condensed.contains("more"));
    }

    #[test]
    fn broken_lines_are_passed_over() {
        assert_eq!(read_condensed("a\t1\n\nb\t1\tall\t\t\t\t\t\t\t\t\t\t\tmany\n", 0).count(), 0);
    }

    #[test]
    fn the_highest_version_counts_and_a_pin_before_it() {
        let universe = Universe::new(read(TEXT, 0), "amd64", &HashMap::new());
        assert_eq!(universe.package(universe.real("a").unwrap()).version, "2");
        let pinned = Universe::new(read(TEXT, 0), "amd64", &HashMap::from([("a", "1")]));
        assert_eq!(pinned.package(pinned.real("a").unwrap()).version, "1");
        let other = Universe::new(read(TEXT, 0), "arm64", &HashMap::new());
        assert_eq!(other.package(other.real("a").unwrap()).version, "3");
    }

    #[test]
    fn candidates_are_the_package_and_its_providers() {
        let universe = Universe::new(read(TEXT, 0), "amd64", &HashMap::new());
        for (relation, found) in [
            ("a", vec!["a", "p"]),
            ("a (>= 3)", vec!["p"]),
            ("a (<< 3)", vec!["a"]),
            ("w", vec!["p", "o"]),
            ("w (>= 0)", vec![]),
            ("a:any", vec!["a", "p"]),
            ("a:i386", vec![]),
            ("nothing", vec![]),
        ] {
            assert_eq!(names(&universe, relation), found, "{relation}");
        }
    }
}
