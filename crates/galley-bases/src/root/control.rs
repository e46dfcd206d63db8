//! The control archive of a package: its paragraph, its scripts, and the lists beside them (deb(5), deb-control(5)).

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::Path;

use galley_image::layer_tar::{LayerSink, ReadError, Whiteouts, read};
use galley_image::{Entry, TreePath};

use super::deb::{DebError, with_control};
use super::error::DebProblem;
use crate::archive::deb822::paragraphs;
use crate::archive::dependency::{self, Relation};

/// What a package says of itself.
#[derive(Clone, Debug)]
pub struct Control {
    /// `Package`.
    pub name: String,
    /// `Version`.
    pub version: String,
    /// `Architecture`.
    pub architecture: String,
    /// `Multi-Arch: same`: dpkg then keeps its files under `NAME:ARCHITECTURE`.
    pub multi_arch_same: bool,
    /// The paragraph as it stands in the package, with one line end at its end.
    pub paragraph: String,
    /// `Replaces`, as written.
    pub replaces: String,
    /// The other files of the archive by name, with their permission bits: `postinst`, `md5sums`, `conffiles`, `triggers`.
    pub files: BTreeMap<String, (u32, Vec<u8>)>,
}

impl Control {
    /// Reads the control archive of the package in `file`.
    ///
    /// # Errors
    /// [`DebProblem`].
    pub fn read(file: &Path) -> Result<Self, DebProblem> {
        let mut sink = Sink::default();
        with_control(file, |part| -> Result<(), DebProblem> {
            read(part, Whiteouts::Literal, &mut sink).map(drop).map_err(|error| match error {
                ReadError::Archive(error) => DebProblem::ControlArchive(error.to_string()),
                ReadError::Sink(problem) => problem,
            })
        })?;
        let (_, paragraph) = sink.files.remove("control").ok_or(DebProblem::NoControl)?;
        Self::new(paragraph, sink.files)
    }

    fn new(paragraph: Vec<u8>, files: BTreeMap<String, (u32, Vec<u8>)>) -> Result<Self, DebProblem> {
        let text = String::from_utf8(paragraph).map_err(|_| DebProblem::Control("it is not UTF-8".into()))?;
        let mut all = paragraphs(&text);
        let paragraph = all.next().ok_or(DebProblem::NoField("Package"))?;
        paragraph.check().map_err(|error| DebProblem::Control(error.to_string()))?;
        if all.next().is_some() {
            return Err(DebProblem::Control("it has more than one paragraph".into()));
        }
        let field = |name: &'static str| {
            let value = paragraph.get(name).map(str::to_owned);
            value.filter(|value| !value.is_empty()).ok_or(DebProblem::NoField(name))
        };
        let name = field("Package")?;
        // It becomes a part of file names.
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
        if !name.bytes().all(fits) || !name.starts_with(|c: char| c.is_ascii_alphanumeric()) {
            return Err(DebProblem::Control(format!("`{name}` is no name for a package")));
        }
        let architecture = field("Architecture")?;
        if !architecture.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
            return Err(DebProblem::Control(format!("`{architecture}` is no architecture")));
        }
        Ok(Self {
            version: field("Version")?,
            multi_arch_same: paragraph.get("Multi-Arch") == Some("same"),
            replaces: paragraph.get("Replaces").unwrap_or_default().to_owned(),
            paragraph: format!("{}\n", text.trim_matches('\n')),
            name,
            architecture,
            files,
        })
    }

    /// The name that dpkg's database files of the package begin with.
    #[must_use]
    pub fn database_name(&self) -> String {
        match self.multi_arch_same {
            true => format!("{}:{}", self.name, self.architecture),
            false => self.name.clone(),
        }
    }

    /// A file of the archive as text; empty where there is none.
    #[must_use]
    pub fn text(&self, name: &str) -> String {
        let bytes = self.files.get(name).map(|(_, bytes)| bytes.as_slice()).unwrap_or_default();
        String::from_utf8_lossy(bytes).into_owned()
    }

    /// The configuration files, as paths inside the root. Those marked to be removed are none of the package's any more.
    #[must_use]
    pub fn conffiles(&self) -> BTreeSet<TreePath> {
        let text = self.text("conffiles");
        let named = text.lines().map(str::trim).filter(|line| line.starts_with('/'));
        named.filter_map(|line| TreePath::strict(line.as_bytes()).ok()).collect()
    }

    /// Whether the package diverts files of others while it is unpacked, so that dpkg has to do it.
    #[must_use]
    pub fn diverts(&self) -> bool {
        self.text("preinst").contains("dpkg-divert")
    }

    /// Whether its files may take the place of those of `other`.
    #[must_use]
    pub fn replaces(&self, other: &Self) -> bool {
        let fits = |relation: &Relation<'_>| {
            relation.name == other.name
                && relation.constraint.is_none_or(|constraint| constraint.admits(&other.version))
        };
        let clauses = dependency::parse(&self.replaces).unwrap_or_default();
        clauses.iter().flat_map(|clause| &clause.alternatives).any(fits)
    }
}

impl From<DebError> for DebProblem {
    fn from(error: DebError) -> Self {
        Self::Container(error)
    }
}

#[derive(Default)]
struct Sink {
    files: BTreeMap<String, (u32, Vec<u8>)>,
}

impl LayerSink for Sink {
    type Error = DebProblem;

    fn put(&mut self, path: TreePath, entry: Entry, content: &mut dyn Read) -> Result<(), DebProblem> {
        if path.is_root() {
            return Ok(());
        }
        let fits = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
        let name =
            std::str::from_utf8(path.as_bytes()).ok().filter(|name| name.bytes().all(|byte| fits(&byte)));
        let (Some(name), Some(_)) = (name, entry.file()) else {
            return Err(DebProblem::Control(format!("{} has no place in a control archive", path.display())));
        };
        let mut bytes = Vec::new();
        content.read_to_end(&mut bytes).map_err(|error| DebProblem::ControlArchive(error.to_string()))?;
        self.files.insert(name.to_owned(), (entry.mode & 0o777, bytes));
        Ok(())
    }

    fn hard_link(&mut self, path: TreePath, _: TreePath) -> Result<(), DebProblem> {
        Err(DebProblem::Control(format!("{} is a hard link", path.display())))
    }

    fn whiteout(&mut self, _: TreePath) -> Result<(), DebProblem> {
        Ok(())
    }

    fn opaque(&mut self, _: TreePath) -> Result<(), DebProblem> {
        Ok(())
    }
}
