//! A process on a prepared layer, with the mount points that its image lacks. Build steps and `galley run` share it.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use galley_image::{Kind, Tree, TreePath};
use galley_sandbox::stubs::{self, AncestorKind, StubAncestor, StubError, StubKind, Timestamp};
use galley_sandbox::{Cancel, Exit, Io, Process, Root, Sandbox, SandboxError};
use galley_store::{Prepared, PreparedRoot};

/// Why a process could not be run on its root.
#[derive(Debug, thiserror::Error)]
pub enum RootedError {
    /// The sandbox.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    /// A mount point cannot be had.
    #[error(transparent)]
    Stub(#[from] StubError),
    /// The directory for stubs cannot be made.
    #[error("cannot make {path}: {source}")]
    Io {
        /// Which.
        path: String,
        /// The kernel's answer.
        source: std::io::Error,
    },
}

/// Runs `process`, whose root is replaced by `root`, the one of `prepared`; `tree` is what is merged below it. Returns how it ended, and the
/// stubs that are no part of the layer where they stayed empty.
///
/// # Errors
/// [`RootedError`] where the process could not be run at all.
pub fn run(
    sandbox: &dyn Sandbox,
    prepared: &Prepared,
    root: PreparedRoot,
    tree: &Tree,
    mut process: Process,
    io: Io<'_>,
    cancel: &Cancel,
) -> Result<(Exit, Vec<TreePath>), RootedError> {
    let mut points = process.mount_points();
    points.push((process.cwd.clone(), StubKind::Directory));
    let plan = stubs::plan(&points, &|path| ancestor(tree, path))?;
    let (mut lowers, upper, work, userxattr) = match root {
        PreparedRoot::Overlay { lowers, upper, work, userxattr } => (lowers, upper, work, userxattr),
        PreparedRoot::Directory(directory) => {
            let made = plan.create_in_place(&directory)?;
            process.root = Root::Directory(directory);
            let exit = sandbox.run(&process, io, cancel);
            made.remove()?;
            return Ok((exit?, Vec::new()));
        }
    };
    if !plan.is_empty() {
        let layer = prepared.scratch().join("stubs");
        std::fs::create_dir(&layer)
            .map_err(|source| RootedError::Io { path: layer.display().to_string(), source })?;
        plan.create_layer(&layer)?;
        lowers.insert(0, layer);
    }
    // A work directory is used once, so skipping its syncs costs nothing: the store syncs once a build.
    process.root = Root::Overlay { lowers, upper, work, userxattr, volatile: true };
    let exit = sandbox.run(&process, io, cancel)?;
    let paths = plan.stubs().iter().filter_map(|stub| TreePath::clean(stub.path.as_os_str().as_bytes()).ok());
    Ok((exit, paths.collect()))
}

/// What the merged image has at an absolute path.
fn ancestor(tree: &Tree, path: &Path) -> Option<StubAncestor> {
    let entry = &tree.get(&TreePath::clean(path.as_os_str().as_bytes()).ok()?)?.entry;
    Some(StubAncestor {
        kind: match &entry.kind {
            Kind::Directory => AncestorKind::Directory,
            Kind::Symlink(target) => AncestorKind::Symlink(Path::new(OsStr::from_bytes(target)).into()),
            _ => AncestorKind::File,
        },
        mode: entry.mode,
        uid: entry.uid,
        gid: entry.gid,
        mtime: Timestamp { seconds: entry.mtime.seconds, nanoseconds: entry.mtime.nanoseconds },
        xattrs: entry
            .xattrs
            .iter()
            .map(|(name, value)| (OsString::from_vec(name.to_vec()), value.to_vec()))
            .collect(),
    })
}
