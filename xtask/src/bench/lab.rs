//! Where the bench works: a scratch directory, the base image's context, the builders, and the contexts that the cases write.

use std::fs::{self, File, Permissions};
use std::io::{BufWriter, Write};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;

use super::race::{Entrant, Samples, race};
use super::{Builder, PLAIN_USER, Tool};
use crate::Result;

/// The only program in the base image, a static one.
const BUSYBOX: &str = "/bin/busybox";

const BASE_DOCKERFILE: &str = "\
FROM scratch
ENV PATH=/bin
COPY busybox /bin/busybox
RUN [\"/bin/busybox\", \"--install\", \"-s\", \"/bin\"]
";

/// Everything a case needs.
pub(super) struct Lab {
    scratch: TempDir,
    /// Galley first, then the peers there are.
    pub(super) builders: Vec<Builder>,
    /// Galley as a plain user, or why not.
    pub(super) plain: std::result::Result<Builder, String>,
    rounds: usize,
}

impl Lab {
    /// Prepares a scratch directory and lets every builder build the base image. `peers` is a directory with their programs.
    ///
    /// # Errors
    /// No static busybox, or a builder that cannot build the base.
    pub(super) fn new(galley: &Path, peers: Option<&Path>, rounds: usize) -> Result<Lab> {
        let scratch = tempfile::Builder::new().prefix("galley-bench-").tempdir()?;
        let root = scratch.path().to_owned();
        // The plain user reads the contexts and the binary.
        fs::set_permissions(&root, Permissions::from_mode(0o755))?;
        let base = root.join("base");
        fs::create_dir(&base)?;
        fs::write(base.join("Dockerfile"), BASE_DOCKERFILE)?;
        fs::copy(BUSYBOX, base.join("busybox"))
            .map_err(|error| format!("{BUSYBOX}: {error}; the bench needs Debian's busybox-static"))?;
        let program = root.join("galley");
        fs::copy(galley, &program).map_err(|error| format!("{}: {error}", galley.display()))?;

        let home = |name: &str| -> Result<PathBuf> {
            let home = root.join(name);
            fs::create_dir(&home)?;
            Ok(home)
        };
        let mut builders = vec![Builder::new(Tool::Galley, program.clone(), &home("root")?, &base)?];
        if let Some(peers) = peers {
            for (tool, name) in [(Tool::BuildKit, "docker"), (Tool::Buildah, "buildah")] {
                if peers.join(name).exists() {
                    builders.push(Builder::new(tool, peers.join(name), &root, &base)?);
                }
            }
        }
        let plain = home("user").and_then(|home| {
            chown(&home, Some(PLAIN_USER), Some(PLAIN_USER))?;
            Builder::new(Tool::GalleyAsUser, program, &home, &base)
        });
        Ok(Lab { scratch, builders, plain: plain.map_err(|error| error.to_string()), rounds })
    }

    /// A path in the scratch directory.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    /// A context with a Dockerfile in it, made once: `fill` writes the rest of it.
    pub(super) fn context(
        &self,
        name: &str,
        dockerfile: &str,
        fill: impl FnOnce(&Path) -> Result<()>,
    ) -> Result<PathBuf> {
        let context = self.path(name);
        if !context.exists() {
            fs::create_dir(&context)?;
            fs::write(context.join("Dockerfile"), dockerfile)?;
            fill(&context)?;
            self.settle();
        }
        Ok(context)
    }

    /// Waits until the files written just now are old enough for a stat cache to trust them.
    pub(super) fn settle(&self) {
        std::thread::sleep(Duration::from_millis(2100));
    }

    /// Runs a race of `scale` times as many rounds as were asked for; see `race`.
    pub(super) fn race(&self, entrants: &[Entrant<'_>], scale: usize, divide: u32) -> Vec<Samples> {
        race(entrants, self.rounds * scale, divide, &self.path("log"))
    }
}

/// Writes `count` small files, 100 to a directory; no two are the same.
pub(super) fn small_files(root: &Path, count: usize) -> Result<()> {
    for index in 0..count {
        let directory = root.join(format!("d{:03}", index / 100));
        if index % 100 == 0 {
            fs::create_dir(&directory)?;
        }
        let text = format!("file {index}\n").repeat(10 + index % 50);
        fs::write(directory.join(format!("f{:02}.txt", index % 100)), text)?;
    }
    Ok(())
}

/// Writes `size` bytes that do not compress and are the same each time.
pub(super) fn big_file(path: &Path, size: usize) -> Result<()> {
    let mut file = BufWriter::with_capacity(1 << 20, File::create(path)?);
    // xorshift64: Marsaglia, "Xorshift RNGs", 2003.
    let mut state: u64 = 0x9e37_79b9_7f4a_7c15;
    for _ in 0..size / 8 {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        file.write_all(&state.to_le_bytes())?;
    }
    file.flush()?;
    Ok(())
}
