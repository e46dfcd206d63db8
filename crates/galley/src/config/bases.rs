//! From `[bases]` tables to what names are bound to.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use galley_bases::{ArchiveOptions, RootSpec};
use galley_build::bases::{Base, BaseSource, Bases, Recipe, RecipeText};
use galley_image::Reference;
use galley_syntax::suggest;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};

use super::ConfigError;
use super::file::{ConfigFile, Place};
use crate::shipped;

/// `[bases]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BasesTable {
    /// `builtin`: which of the names that galley ships recipes for are bound to those.
    pub builtin: Option<Builtin>,
    /// `[bases."NAME"]`.
    pub names: BTreeMap<String, BaseTable>,
}

/// `[bases] builtin`.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(untagged, expecting = "expected true, false or a list of names, such as [\"golang:1.22\"]")]
pub enum Builtin {
    /// All or none.
    All(bool),
    /// These.
    Names(Vec<String>),
}

/// `[bases."NAME"]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BaseTable {
    /// `builtin:NAME`, or a Dockerfile or its directory.
    pub recipe: Option<String>,
    /// A root made of Debian packages.
    pub debian: Option<RootSpec>,
    /// The stage of the recipe.
    pub target: Option<String>,
    /// Build arguments for it.
    #[serde(default)]
    pub args: BTreeMap<String, String>,
    /// The version that it gives, where the image has no label that says so.
    pub provides: Option<String>,
    /// What is to be said in every build.
    pub note: Option<String>,
}

impl<'de> Deserialize<'de> for BasesTable {
    /// Names stand beside `builtin`. By hand, since an error in a table keeps its line so.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Table;
        impl<'de> Visitor<'de> for Table {
            type Value = BasesTable;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a table of names and what they are bound to")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<BasesTable, A::Error> {
                let mut table = BasesTable::default();
                while let Some(key) = map.next_key::<String>()? {
                    if key == "builtin" {
                        table.builtin = Some(map.next_value()?);
                    } else {
                        table.names.insert(key, map.next_value()?);
                    }
                }
                Ok(table)
            }
        }
        deserializer.deserialize_map(Table)
    }
}

/// A `[bases]` table and where it stood.
#[derive(Clone, Debug)]
pub struct PlacedBases {
    /// Where.
    pub place: Place,
    /// The table.
    pub table: BasesTable,
}

/// What `tables` bind, a later one over an earlier. Packages come from `archive`.
pub fn read(
    tables: &[PlacedBases],
    archive: impl FnOnce() -> Result<ArchiveOptions, ConfigError>,
) -> Result<Bases, ConfigError> {
    if tables.is_empty() {
        return Ok(Bases::default());
    }
    let archive = Arc::new(archive()?);
    let shipped = shipped(&archive)?;
    let mut bound: BTreeMap<Reference, Arc<Base>> = BTreeMap::new();
    for placed in tables {
        for (name, base) in builtin(placed, &shipped)? {
            bound.insert(name, base);
        }
    }
    // A name that somebody spells out goes before any list.
    for placed in tables {
        for (name, table) in &placed.table.names {
            let base = base(placed, name, table, &archive)?;
            bound.insert(base.name.clone(), Arc::new(base));
        }
    }
    Ok(Bases::new(bound.into_values(), shipped.into_values()))
}

/// The names that galley ships recipes for.
fn shipped(archive: &Arc<ArchiveOptions>) -> Result<BTreeMap<Reference, Arc<Base>>, ConfigError> {
    let path = Path::new(shipped::BINDINGS_NAME);
    let table = ConfigFile::parse(path, shipped::BINDINGS)?.bases.unwrap_or_default();
    let placed = PlacedBases { place: Place::project(path), table };
    let base = |(name, table): (&String, &BaseTable)| {
        let base = base(&placed, name, table, archive)?;
        Ok((base.name.clone(), Arc::new(base)))
    };
    placed.table.names.iter().map(base).collect()
}

/// The shipped bases that a table asks for; it is the one that binds them.
fn builtin(
    placed: &PlacedBases,
    shipped: &BTreeMap<Reference, Arc<Base>>,
) -> Result<Vec<(Reference, Arc<Base>)>, ConfigError> {
    let by_table = |(name, base): (&Reference, &Arc<Base>)| {
        let (bound_by, config) = (placed.place.shown(), placed.place.absolute());
        (name.clone(), Arc::new(Base { bound_by, config, ..Base::clone(base) }))
    };
    match &placed.table.builtin {
        None | Some(Builtin::All(false)) => Ok(Vec::new()),
        Some(Builtin::All(true)) => Ok(shipped.iter().map(by_table).collect()),
        Some(Builtin::Names(names)) => {
            let find = |name: &String| {
                let found = shipped.get_key_value(&reference(placed, name)?);
                found.map(by_table).ok_or_else(|| {
                    let known: Vec<String> = shipped.keys().map(Reference::familiar).collect();
                    let known: Vec<&str> = known.iter().map(String::as_str).collect();
                    wrong(placed, name, format!("galley ships no such base; {}", nearest(name, &known)))
                })
            };
            names.iter().map(find).collect()
        }
    }
}

fn nearest(word: &str, known: &[&str]) -> String {
    let hint = suggest::did_you_mean(word, known.iter().copied());
    hint.unwrap_or_else(|| format!("it has {}", known.join(", ")))
}

fn base(
    placed: &PlacedBases,
    name: &str,
    table: &BaseTable,
    archive: &Arc<ArchiveOptions>,
) -> Result<Base, ConfigError> {
    let source = match (&table.recipe, &table.debian) {
        (Some(recipe), None) => BaseSource::Recipe(Recipe {
            text: text(placed, name, recipe)?,
            target: table.target.clone(),
            args: table.args.clone(),
        }),
        (None, Some(_)) if table.target.is_some() || !table.args.is_empty() => {
            let problem =
                "`target` and `args` are for a recipe, and packages have neither stages nor arguments";
            return Err(wrong(placed, name, problem.into()));
        }
        (None, Some(spec)) => BaseSource::Packages { spec: spec.clone(), archive: Arc::clone(archive) },
        _ => {
            let problem = "say one thing that it is bound to: recipe = \"DIRECTORY\", recipe = \"builtin:NAME\", \
                           or debian = { suite = \"bookworm\", variant = \"slim\" }";
            return Err(wrong(placed, name, problem.into()));
        }
    };
    Ok(Base {
        name: reference(placed, name)?,
        source,
        bound_by: placed.place.shown(),
        config: placed.place.absolute(),
        provides: table.provides.clone(),
        note: table.note.clone(),
    })
}

fn reference(placed: &PlacedBases, name: &str) -> Result<Reference, ConfigError> {
    let reference: Reference =
        name.parse().map_err(|error: galley_image::ReferenceError| wrong(placed, name, error.to_string()))?;
    if reference.digest().is_some() {
        let problem = "a name with a digest says exactly which image it is, so it cannot be bound to another";
        return Err(wrong(placed, name, problem.into()));
    }
    Ok(reference)
}

fn text(placed: &PlacedBases, name: &str, recipe: &str) -> Result<RecipeText, ConfigError> {
    if let Some(shipped) = recipe.strip_prefix("builtin:") {
        if let Some((name, dockerfile)) = shipped::RECIPES.iter().find(|(known, _)| *known == shipped) {
            return Ok(RecipeText::Shipped { name, dockerfile });
        }
        let known = shipped::RECIPES.map(|(known, _)| known);
        let problem = format!("galley ships no recipe `{shipped}`; {}", nearest(shipped, &known));
        return Err(wrong(placed, name, problem));
    }
    let path = placed.place.locate("bases", Path::new(recipe))?;
    let dockerfile = if path.is_dir() { path.join("Dockerfile") } else { path };
    if !dockerfile.is_file() {
        let problem = format!("there is no recipe at {}", dockerfile.display());
        return Err(wrong(placed, name, problem));
    }
    let shown = dockerfile.strip_prefix(".").map_or_else(|_| dockerfile.clone(), PathBuf::from);
    Ok(RecipeText::File { shown: shown.display().to_string(), dockerfile })
}

fn wrong(placed: &PlacedBases, name: &str, problem: String) -> ConfigError {
    ConfigError::Base { config: placed.place.file.clone(), name: name.into(), problem }
}
