//! What a root has that is never configured: the few files that maintainer scripts would have made.

use galley_store::StoreError;

use super::certificates::{BUNDLE, bundle};
use super::database::UnpackedPackage;
use super::place::Placer;
use super::tree::Outcome;

const PASSWD: &str = "root:x:0:0:root:/root:/sbin/nologin\nnobody:x:65534:65534:nobody:/nonexistent:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin\n";
const GROUP: &str = "root:x:0:\ntty:x:5:\nstaff:x:50:\nnonroot:x:65532:\nnobody:x:65534:\n";

/// The user and group of images that need no root.
pub const NONROOT: u32 = 65532;

/// Writes accounts, the bundle of certificates, name service and what scanners read: a paragraph for each package in
/// `var/lib/dpkg/status.d`.
///
/// # Errors
/// [`StoreError`].
pub fn write(
    packages: &[UnpackedPackage<'_>],
    outcome: &Outcome,
    placer: &mut Placer<'_>,
) -> Result<(), StoreError> {
    placer.file("etc/passwd", 0o644, PASSWD.as_bytes())?;
    placer.file("etc/group", 0o644, GROUP.as_bytes())?;
    placer.file("etc/nsswitch.conf", 0o644, b"hosts: files dns\n")?;
    placer.directory("root", 0o700, 0)?;
    placer.directory("home/nonroot", 0o700, NONROOT)?;
    placer.directory("tmp", 0o1777, 0)?;
    let has = |path: &str| {
        packages.iter().any(|package| package.names.iter().any(|name| name.as_bytes() == path.as_bytes()))
    };
    // base-files has this link since Debian 13 only.
    if has("usr/lib/os-release") && !has("etc/os-release") {
        placer.symlink("etc/os-release", "../usr/lib/os-release")?;
    }
    if let Some(bundle) = bundle(&outcome.certificates) {
        placer.file(BUNDLE, 0o644, &bundle)?;
    }
    for package in packages {
        let place = format!("var/lib/dpkg/status.d/{}", package.control.name);
        placer.file(&place, 0o644, package.control.paragraph.as_bytes())?;
        if let Some((_, md5sums)) = package.control.files.get("md5sums") {
            placer.file(&format!("{place}.md5sums"), 0o644, md5sums)?;
        }
    }
    Ok(())
}
