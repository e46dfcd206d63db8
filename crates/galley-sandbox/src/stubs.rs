//! Mount points that an image lacks: planned purely, made for one step, and gone afterwards.
//!
//! A mount needs something to be mounted on. Where the image has no `/proc` or `/etc/resolv.conf`, a
//! stub is made: for an overlay in a topmost lower layer of its own, whose every directory repeats the
//! metadata of the merged image (else a `/tmp` would lose its 1777); for a plain directory in place.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Component, Path, PathBuf};

mod place;

pub use place::InPlaceStubs;

/// Symbolic links that one path may go through before it counts as a loop, as in the kernel.
const MAX_LINKS: usize = 40;

/// What a mount point has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StubKind {
    /// A directory.
    Directory,
    /// Anything but a directory; made as an empty regular file.
    File,
}

/// What the merged image has at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StubAncestor {
    /// Its type.
    pub kind: AncestorKind,
    /// Permission bits, including set-uid, set-gid and sticky (`0o7777`).
    pub mode: u32,
    /// Owner, as seen inside the sandbox.
    pub uid: u32,
    /// Group, as seen inside the sandbox.
    pub gid: u32,
    /// Time of the last modification.
    pub mtime: Timestamp,
    /// Extended attributes that the stub layer has to repeat, by full name.
    pub xattrs: Vec<(OsString, Vec<u8>)>,
}

/// Type of a path in the merged image, as far as mount points care.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AncestorKind {
    /// A directory.
    Directory,
    /// A symbolic link with this target.
    Symlink(PathBuf),
    /// Anything else.
    File,
}

/// A point in time since the epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timestamp {
    /// Whole seconds.
    pub seconds: i64,
    /// Nanoseconds on top, below 1,000,000,000.
    pub nanoseconds: u32,
}

/// A made-up mount point.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stub {
    /// Absolute path inside the root, without symbolic links.
    pub path: PathBuf,
    /// What it is.
    pub kind: StubKind,
}

/// Which stubs a step needs. Made by [`plan`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StubPlan {
    /// Parents before children.
    stubs: Vec<Stub>,
    /// Existing directories above the stubs, with the metadata to repeat. Absolute paths.
    ancestors: BTreeMap<PathBuf, StubAncestor>,
}

/// Why a mount point cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum StubError {
    /// The path is not absolute.
    #[error("the mount target {} is not absolute; write it from / on", path.display())]
    NotAbsolute {
        /// The target.
        path: PathBuf,
    },
    /// A component above the mount point is a file.
    #[error("cannot mount on {}: {} is a file in the image, not a directory; choose another target", path.display(), at.display())]
    NotADirectory {
        /// The target as it was asked for.
        path: PathBuf,
        /// The file in the way.
        at: PathBuf,
    },
    /// The image has something of the other kind there.
    #[error("cannot mount on {}: the image has a {has} there and the mount is a {wants}; choose another target", path.display())]
    WrongKind {
        /// The target as it was asked for.
        path: PathBuf,
        /// `file` or `directory`.
        has: &'static str,
        /// `file` or `directory`.
        wants: &'static str,
    },
    /// The path's symbolic links do not end.
    #[error("cannot mount on {}: more than {MAX_LINKS} symbolic links; the image's links loop", path.display())]
    TooManyLinks {
        /// The target as it was asked for.
        path: PathBuf,
    },
    /// A stub could not be made or removed.
    #[error("cannot {action} the mount point {} in {}: {source}", path.display(), directory.display())]
    Io {
        /// "make", "remove", ...
        action: &'static str,
        /// The stub, inside the root.
        path: PathBuf,
        /// The stub layer or root on the machine.
        directory: PathBuf,
        /// The kernel's answer.
        source: std::io::Error,
    },
}

/// Finds which of `mount_points` the image lacks.
///
/// `lookup` answers for absolute paths of the merged image (`/` and on), without following a link at the
/// end. Symbolic links are followed inside the root, also dangling ones, whose target becomes the stub.
///
/// # Errors
/// [`StubError`] when a mount point cannot be there.
pub fn plan(
    mount_points: &[(PathBuf, StubKind)],
    lookup: &dyn Fn(&Path) -> Option<StubAncestor>,
) -> Result<StubPlan, StubError> {
    let mut plan = StubPlan::default();
    // Short targets first: a mount point below another one is a stub in its tree, if the image lacks both.
    let mut mount_points: Vec<_> = mount_points.iter().collect();
    mount_points.sort_by_key(|(path, _)| path.components().count());
    for (path, kind) in mount_points {
        plan.add(path, *kind, lookup)?;
    }
    Ok(plan)
}

impl StubPlan {
    /// The stubs that will be made, parents before children. At commit, those of them that the step left
    /// empty are no part of the layer.
    pub fn stubs(&self) -> &[Stub] {
        &self.stubs
    }

    /// Whether the image has every mount point already.
    pub fn is_empty(&self) -> bool {
        self.stubs.is_empty()
    }

    fn add(
        &mut self,
        target: &Path,
        kind: StubKind,
        lookup: &dyn Fn(&Path) -> Option<StubAncestor>,
    ) -> Result<(), StubError> {
        let resolved = self.resolve(target, lookup)?;
        let here = self.stub_at(&resolved).or_else(|| {
            lookup(&resolved).map(|found| match found.kind {
                AncestorKind::Directory => StubKind::Directory,
                AncestorKind::Symlink(_) | AncestorKind::File => StubKind::File,
            })
        });
        match here {
            Some(has) if has == kind => Ok(()),
            Some(has) => {
                Err(StubError::WrongKind { path: target.into(), has: has.noun(), wants: kind.noun() })
            }
            None => {
                self.add_missing(&resolved, kind, lookup);
                Ok(())
            }
        }
    }

    fn add_missing(
        &mut self,
        resolved: &Path,
        kind: StubKind,
        lookup: &dyn Fn(&Path) -> Option<StubAncestor>,
    ) {
        let above: Vec<&Path> = resolved.ancestors().skip(1).collect();
        for directory in above.into_iter().rev() {
            if self.stub_at(directory).is_some() || self.ancestors.contains_key(directory) {
                continue;
            }
            match lookup(directory) {
                Some(found) => {
                    self.ancestors.insert(directory.into(), found);
                }
                None if directory.parent().is_none() => {}
                None => self.stubs.push(Stub { path: directory.into(), kind: StubKind::Directory }),
            }
        }
        self.stubs.push(Stub { path: resolved.into(), kind });
    }

    fn stub_at(&self, path: &Path) -> Option<StubKind> {
        self.stubs.iter().find(|stub| stub.path == path).map(|stub| stub.kind)
    }

    /// Follows symbolic links with `/` of the image as the root. Components that do not exist are kept.
    fn resolve(
        &self,
        target: &Path,
        lookup: &dyn Fn(&Path) -> Option<StubAncestor>,
    ) -> Result<PathBuf, StubError> {
        if !target.is_absolute() {
            return Err(StubError::NotAbsolute { path: target.into() });
        }
        let mut resolved = PathBuf::from("/");
        let mut rest = components_reversed(target);
        let mut links = 0;
        while let Some(name) = rest.pop() {
            if name == ".." {
                resolved.pop();
                continue;
            }
            let next = resolved.join(&name);
            let found = if self.stub_at(&next).is_some() { None } else { lookup(&next) };
            match found.map(|found| found.kind) {
                Some(AncestorKind::Symlink(link)) => {
                    links += 1;
                    if links > MAX_LINKS {
                        return Err(StubError::TooManyLinks { path: target.into() });
                    }
                    if link.is_absolute() {
                        resolved = PathBuf::from("/");
                    }
                    rest.extend(components_reversed(&link));
                }
                Some(AncestorKind::File) if !rest.is_empty() => {
                    return Err(StubError::NotADirectory { path: target.into(), at: next });
                }
                _ => resolved = next,
            }
        }
        Ok(resolved)
    }
}

impl StubKind {
    fn noun(self) -> &'static str {
        match self {
            Self::Directory => "directory",
            Self::File => "file",
        }
    }
}

fn components_reversed(path: &Path) -> Vec<OsString> {
    let name = |component| match component {
        Component::Normal(name) => Some(name),
        Component::ParentDir => Some(OsStr::new("..")),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    };
    path.components().rev().filter_map(name).map(OsStr::to_os_string).collect()
}
