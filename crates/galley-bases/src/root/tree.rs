//! Several packages become one tree.
//!
//! Packages arrive interleaved, in no order that could be relied on, so nothing here depends on it: a directory of several
//! packages is as `base-files` has it, else as the first by name has it; a file of two packages belongs to the one that says it
//! replaces the other; and nothing is ever put through a symbolic link, but for the links of the merged `/usr`.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, Read};

use galley_image::{Entry, Kind, Mtime, TreePath};
use galley_store::{LayerWriter, StoreError};
use md5::{Digest as _, Md5};

use super::certificates::is_certificate;
use super::control::Control;
use super::error::DebProblem;
use super::exclude::Rules;
use super::stream::Content;

/// What is wrong while a package is put into the tree.
#[derive(Debug)]
pub enum TreeError {
    /// With the package.
    Package(Box<DebProblem>),
    /// With the store, or the package's archive while the store reads it.
    Store(StoreError),
}

impl<P: Into<DebProblem>> From<P> for TreeError {
    fn from(problem: P) -> Self {
        Self::Package(Box::new(problem.into()))
    }
}

/// The tree in the making.
pub struct MergedTree<'a> {
    writer: LayerWriter,
    controls: &'a [Control],
    rules: &'a Rules,
    conffiles: Vec<std::collections::BTreeSet<TreePath>>,
    /// Everything that is no directory, and whose it is.
    files: HashMap<TreePath, (usize, &'static str)>,
    /// The directories, each as its first owner has it; `None` for those that are only implied.
    directories: BTreeMap<TreePath, (usize, Option<Entry>)>,
    /// What came out, beside the files.
    outcome: Outcome,
}

/// What is known when all packages are in the tree.
#[derive(Debug, Default)]
pub struct Outcome {
    /// MD5 of configuration files, by package and path.
    pub conffiles: BTreeMap<(usize, TreePath), String>,
    /// Files that another package's took the place of.
    pub replaced: Vec<(usize, TreePath)>,
    /// Certificates of authorities.
    pub certificates: BTreeMap<TreePath, Vec<u8>>,
    /// The newest time of a file: the date of the whole root.
    pub newest: i64,
}

impl<'a> MergedTree<'a> {
    /// An empty tree that `writer` writes.
    #[must_use]
    pub fn new(writer: LayerWriter, controls: &'a [Control], rules: &'a Rules) -> Self {
        Self {
            writer,
            controls,
            rules,
            conffiles: controls.iter().map(Control::conffiles).collect(),
            files: HashMap::new(),
            directories: BTreeMap::new(),
            outcome: Outcome::default(),
        }
    }

    /// Puts an entry of package `index`.
    ///
    /// # Errors
    /// [`TreeError`].
    pub fn put(
        &mut self,
        index: usize,
        path: &TreePath,
        entry: Entry,
        mut content: Content,
    ) -> Result<(), TreeError> {
        self.outcome.newest = self.outcome.newest.max(entry.mtime.seconds);
        if is_certificate(path) && self.rules.exclude(path) {
            let mut bytes = Vec::new();
            content.read_to_end(&mut bytes).map_err(|error| DebProblem::DataArchive(error.to_string()))?;
            self.outcome.certificates.insert(path.clone(), bytes);
            return Ok(());
        }
        let place = merged(path);
        match &entry.kind {
            Kind::Directory => return self.directory(index, &place, entry),
            Kind::CharDevice { .. } | Kind::BlockDevice { .. } => {
                return Err(DebProblem::Device(path.display()).into());
            }
            // A package may bring the link of the merged /usr itself.
            Kind::Symlink(target) if is_alias(path) && **target == *usr(path).as_bytes() => return Ok(()),
            _ => {}
        }
        let what = if matches!(entry.kind, Kind::Symlink(_)) { "a symbolic link" } else { "a file" };
        if !self.claim(index, path, &place, what)? {
            return io::copy(&mut content, &mut io::sink())
                .map(drop)
                .map_err(|error| DebProblem::DataArchive(error.to_string()).into());
        }
        if entry.file().is_none() {
            return self.writer.put_special(&place, &entry).map_err(TreeError::Store);
        }
        if !self.conffiles[index].contains(path) {
            return self.writer.put_file(&place, &entry, &mut content).map(drop).map_err(TreeError::Store);
        }
        let mut hashed = Hashed { content, hash: Md5::new() };
        self.writer.put_file(&place, &entry, &mut hashed).map_err(TreeError::Store)?;
        let hash = hashed.hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        self.outcome.conffiles.insert((index, path.clone()), hash);
        Ok(())
    }

    /// Makes `path` another name of `target`, a file of the same package.
    ///
    /// # Errors
    /// [`TreeError`].
    pub fn hard_link(&mut self, index: usize, path: &TreePath, target: &TreePath) -> Result<(), TreeError> {
        let (place, to) = (merged(path), merged(target));
        if self.files.get(&to).is_none_or(|(owner, _)| *owner != index) {
            return Err(DebProblem::HardLink { path: path.display(), target: target.display() }.into());
        }
        if self.claim(index, path, &place, "a file")? {
            self.writer.put_hardlink(&place, &to).map_err(TreeError::Store)?;
        }
        Ok(())
    }

    /// The directories, and what was learnt. Files can be put into the writer afterwards.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn finish(mut self) -> Result<(LayerWriter, Outcome), StoreError> {
        let mut needed: Vec<TreePath> = self.files.keys().flat_map(TreePath::ancestors).collect();
        needed.sort();
        needed.dedup();
        for (path, (_, entry)) in &self.directories {
            let is_needed = || needed.binary_search(path).is_ok();
            if let Some(entry) = entry
                && (!self.rules.exclude(path) || self.rules.keeps_empty(path) || is_needed())
            {
                self.writer.put_directory(path, entry)?;
            }
        }
        let links = self.directories.keys().filter_map(unmerged).collect::<Vec<_>>();
        let mtime = Mtime { seconds: self.outcome.newest, nanoseconds: 0 };
        for link in links {
            let kind = Kind::Symlink(usr(&link).as_bytes().into());
            let entry = Entry { kind, mode: 0o777, ..Entry::directory(0o777, mtime) };
            self.writer.put_special(&link, &entry)?;
        }
        Ok((self.writer, self.outcome))
    }

    /// Of several packages' directories, the one of `base-files` counts, then that of the first package.
    fn directory(&mut self, index: usize, path: &TreePath, entry: Entry) -> Result<(), TreeError> {
        if let Some((owner, what)) = self.files.get(path) {
            return Err(self.through(path, path, what, *owner));
        }
        self.refuse_through(path)?;
        let rank = |index: usize| (self.controls[index].name != "base-files", index);
        match self.directories.get(path) {
            Some((owner, Some(_))) if rank(*owner) <= rank(index) => {}
            _ => {
                self.directories.insert(path.clone(), (index, Some(entry)));
            }
        }
        self.imply(index, path);
        Ok(())
    }

    /// Makes `place` the file of package `index`; `false` where another package's replaces it.
    fn claim(
        &mut self,
        index: usize,
        path: &TreePath,
        place: &TreePath,
        what: &'static str,
    ) -> Result<bool, TreeError> {
        if let Some((owner, _)) = self.directories.get(place) {
            return Err(self.through(path, place, "a directory", *owner));
        }
        self.refuse_through(place)?;
        if let Some((owner, _)) = self.files.get(place).copied().filter(|(owner, _)| *owner != index) {
            let (new, old) = (&self.controls[index], &self.controls[owner]);
            match (new.replaces(old), old.replaces(new)) {
                (true, _) => self.outcome.replaced.push((owner, path.clone())),
                (false, true) => {
                    self.outcome.replaced.push((index, path.clone()));
                    return Ok(false);
                }
                (false, false) => {
                    let other = old.name.clone();
                    return Err(DebProblem::Conflict { path: path.display(), other }.into());
                }
            }
        }
        self.files.insert(place.clone(), (index, what));
        self.imply(index, place);
        Ok(true)
    }

    /// Notes the directories above `path`, which now have to be ones.
    fn imply(&mut self, index: usize, path: &TreePath) {
        for above in path.ancestors() {
            self.directories.entry(above).or_insert((index, None));
        }
    }

    fn refuse_through(&self, path: &TreePath) -> Result<(), TreeError> {
        for above in path.ancestors() {
            if let Some((owner, what)) = self.files.get(&above) {
                return Err(self.through(path, &above, what, *owner));
            }
        }
        Ok(())
    }

    fn through(&self, path: &TreePath, at: &TreePath, what: &'static str, owner: usize) -> TreeError {
        let other = self.controls[owner].name.clone();
        DebProblem::Through { path: path.display(), at: at.display(), what, other }.into()
    }
}

/// Whether a name in the root directory is one of those that the merged `/usr` made links of.
fn is_alias(path: &TreePath) -> bool {
    matches!(path.as_bytes(), b"bin" | b"sbin" | b"lib" | b"lib32" | b"lib64" | b"libo32" | b"libx32")
}

/// Where the alias leads.
fn usr(alias: &TreePath) -> TreePath {
    TreePath::clean(b"usr").unwrap_or_default().join(alias.as_bytes())
}

/// Where a package's path lies with the merged `/usr`: `/bin/sh` is `/usr/bin/sh`.
#[must_use]
pub fn merged(path: &TreePath) -> TreePath {
    let first = path.components().next().and_then(|first| TreePath::clean(first).ok());
    match first.filter(is_alias) {
        Some(alias) => usr(&alias).join(path.below(&alias).unwrap_or_default()),
        None => path.clone(),
    }
}

/// The alias that leads to the directory `path`.
fn unmerged(path: &TreePath) -> Option<TreePath> {
    let alias = TreePath::clean(path.as_bytes().strip_prefix(b"usr/")?).ok()?;
    is_alias(&alias).then_some(alias)
}

struct Hashed {
    content: Content,
    hash: Md5,
}

impl Read for Hashed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.content.read(buffer)?;
        self.hash.update(&buffer[..count]);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_merged_usr() {
        let path = |text: &str| TreePath::clean(text.as_bytes()).unwrap();
        for (shipped, place) in [
            ("bin/sh", "usr/bin/sh"),
            ("bin", "usr/bin"),
            ("lib64/ld.so", "usr/lib64/ld.so"),
            ("library/x", "library/x"),
            ("usr/bin/sh", "usr/bin/sh"),
            ("opt/bin", "opt/bin"),
            ("", ""),
        ] {
            assert_eq!(merged(&path(shipped)), path(place), "{shipped}");
        }
        assert_eq!(unmerged(&path("usr/lib64")), Some(path("lib64")));
        assert_eq!((unmerged(&path("usr/share")), unmerged(&path("usr/lib/x"))), (None, None));
    }
}
