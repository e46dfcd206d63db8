//! What a root of small packages holds, file by file.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod lab;

use std::fs;

use galley_bases::Variant;
use galley_sandbox::{Exit, Root};
use galley_testkit::archive::{Archive, field, put};
use lab::{Deb, Lab, control};

/// A package with what real ones have.
fn tool() -> Deb {
    let data = Archive::new()
        .directory("./")
        .directory("./bin/")
        .file("./bin/tool", "#!/bin/sh\n")
        .directory("./etc/")
        .file("./etc/tool.conf", "old = true\n")
        .directory("./usr/")
        .directory("./usr/share/")
        .directory("./usr/share/doc/")
        .directory("./usr/share/doc/tool/")
        .file("./usr/share/doc/tool/changelog", "long")
        .file("./usr/share/doc/tool/copyright", "free")
        .directory("./usr/share/man/")
        .file("./usr/share/man/tool.1", "long")
        .hard_link("./bin/tool2", "./bin/tool");
    let control = Archive::new()
        .file("./control", control("tool"))
        .file("./conffiles", "/etc/tool.conf\n")
        .file("./md5sums", "00000000000000000000000000000000  bin/tool\n")
        .file(
            "./triggers",
            "interest-noawait /usr/share/tools # a comment\ninterest tools\nactivate ldconfig\n",
        )
        .edited(b'0', "./preinst", "", "#!/bin/sh\n", |header| put(header, field::MODE, b"0000755"));
    Deb::of(control.end(), data.end())
}

#[test]
fn the_database_is_what_dpkg_would_have_written() {
    let lab = Lab::new();
    let seen = std::sync::Mutex::new(Vec::new());
    let script = |process: &galley_sandbox::Process| {
        let Root::Directory(root) = &process.root else { return Exit::Code(9) };
        let Ok(status) = fs::read_to_string(root.join("var/lib/dpkg/status")) else { return Exit::Code(8) };
        let mut seen = seen.lock().unwrap();
        seen.push(status);
        seen.extend(process.args.iter().skip(4).map(|arg| arg.to_string_lossy().into_owned()));
        fs::write(root.join("var/lib/made"), "by a script").map_or(Exit::Code(7), |()| Exit::Code(0))
    };
    let deb = lab.deb("tool", &tool().bytes());
    let root = lab.configured(Variant::Slim, vec![deb.clone()], script).unwrap();
    assert_eq!(
        *seen.lock().unwrap(),
        [
            "Package: tool\nStatus: install ok unpacked\nVersion: 1.0\nArchitecture: amd64\nDescription: a test\n\
             Conffiles:\n /etc/tool.conf 6a01a3df8ef3d3d1b3a4d0f0b7b5e3a1\n\n"
                .replace("6a01a3df8ef3d3d1b3a4d0f0b7b5e3a1", &md5_of("old = true\n"))
                .as_str(),
            "tool",
            "--"
        ]
    );
    // Paths as the package has them, those that are left out too: dpkg lists them all.
    assert_eq!(
        lab.read(&root, "var/lib/dpkg/info/tool.list"),
        "/.\n/bin\n/bin/tool\n/etc\n/etc/tool.conf\n/usr\n/usr/share\n/usr/share/doc\n/usr/share/doc/tool\n\
         /usr/share/doc/tool/changelog\n/usr/share/doc/tool/copyright\n/usr/share/man\n/usr/share/man/tool.1\n/bin/tool2\n"
    );
    assert_eq!(lab.read(&root, "var/lib/dpkg/triggers/File"), "/usr/share/tools tool/noawait\n");
    assert_eq!(lab.read(&root, "var/lib/dpkg/triggers/tools"), "tool\n");
    let paths = lab.paths(&root);
    for there in [
        "/bin",
        "/usr/bin/tool",
        "/usr/bin/tool2",
        "/usr/share/doc/tool/copyright",
        "/usr/share/man",
        "/var/lib/made",
    ] {
        assert!(paths.iter().any(|path| path == there), "{there} is missing in {paths:?}");
    }
    for gone in ["/usr/share/doc/tool/changelog", "/usr/share/man/tool.1"] {
        assert!(!paths.iter().any(|path| path == gone), "{gone}");
    }
    // Everything that was made now has the date of the newest file of the packages.
    let diff = lab.store.diff(root.snapshot.layer).unwrap();
    for (path, change) in &*diff {
        let galley_image::Change::Put { entry, .. } = change else { panic!("{path:?} is deleted") };
        assert!(entry.mtime.seconds <= 1, "{path:?} is dated {:?}", entry.mtime);
    }
    // It is not made twice.
    let again = lab.configured(Variant::Slim, vec![deb], |_| Exit::Code(1)).unwrap();
    assert!(again.cached && again.snapshot.id == root.snapshot.id && again.config == root.config);
}

fn md5_of(text: &str) -> String {
    use md5::{Digest as _, Md5};
    Md5::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn a_script_that_fails_leaves_nothing() {
    let lab = Lab::new();
    let deb = lab.deb("tool", &tool().bytes());
    let error = lab.configured(Variant::Minbase, vec![deb], |_| Exit::Code(3)).unwrap_err().to_string();
    assert!(error.starts_with("configuring the packages ended with exit code 3"), "{error}");
    assert_eq!(lab.leftovers(), 0);
}

#[test]
fn packages_that_divert_files_are_left_to_dpkg() {
    let lab = Lab::new();
    let control = Archive::new()
        .file("./control", control("diverting"))
        .file("./preinst", "#!/bin/sh\ndpkg-divert --add /bin/tool\n");
    let diverting = Deb::of(control.end(), Archive::new().file("./bin/other", "x").end());
    let debs = vec![lab.deb("diverting", &diverting.bytes()), lab.deb("tool", &tool().bytes())];
    let script = |process: &galley_sandbox::Process| {
        let args: Vec<_> = process.args.iter().skip(4).map(|arg| arg.to_string_lossy()).collect();
        Exit::Code(i32::from(args != ["tool", "--", "/mnt/diverting.deb"] || process.mounts.len() != 1))
    };
    let root = lab.configured(Variant::Minbase, debs, script).unwrap();
    assert!(!lab.read(&root, "var/lib/dpkg/status").contains("diverting"));
    assert!(!lab.paths(&root).iter().any(|path| path == "/usr/bin/other"));
}

#[test]
fn distroless_is_made_of_few_files() {
    let lab = Lab::new();
    let certificates = Archive::new()
        .file("./usr/share/ca-certificates/b.crt", "B")
        .file("./usr/share/ca-certificates/a.crt", "A\n")
        .file("./usr/lib/os-release", "ID=test\n");
    let debs = || {
        let certificates = Deb::new("ca-certificates", certificates.clone());
        vec![lab.deb("tool", &tool().bytes()), lab.deb("ca-certificates", &certificates.bytes())]
    };
    let root = lab.root(Variant::Distroless, debs()).unwrap();
    assert_eq!(lab.read(&root, "etc/ssl/certs/ca-certificates.crt"), "A\nB\n");
    assert_eq!(lab.read(&root, "var/lib/dpkg/status.d/tool"), control("tool"));
    assert!(lab.read(&root, "var/lib/dpkg/status.d/tool.md5sums").ends_with("bin/tool\n"));
    let tree = lab.store.tree(Some(root.snapshot.id)).unwrap();
    let mode = |path: &str| {
        let entry = &tree.get(&galley_image::TreePath::clean(path.as_bytes()).unwrap()).unwrap().entry;
        (entry.mode, entry.uid, entry.gid)
    };
    assert_eq!(mode("tmp"), (0o1777, 0, 0));
    assert_eq!(mode("home/nonroot"), (0o700, 65532, 65532));
    assert_eq!(mode("root"), (0o700, 0, 0));
    let paths = lab.paths(&root);
    assert!(!paths.iter().any(|path| path.ends_with(".crt") && path.starts_with("/usr/share")), "{paths:?}");
    assert!(!paths.iter().any(|path| path == "/var/lib/dpkg/status"));
    assert_eq!(root.config.config.env[1], "SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt");
    // The same packages, in another order and another store: the same layer, and the same image.
    let other = Lab::new();
    let again = other.root(Variant::Distroless, debs().into_iter().rev().collect()).unwrap();
    assert_eq!((again.diff_id, again.config), (root.diff_id, root.config));
}
