//! Mounts that a step asks for.

use std::fs;
use std::os::unix::fs::symlink;

use galley_sandbox::{Exit, Mount, MountKind, Scratch, UserIds, userns};

use crate::lab::Lab;

fn file(target: &str, content: &str) -> Mount {
    let kind = MountKind::File { content: content.into(), mode: 0o400, uid: 0, gid: 0, read_only: true };
    Mount { target: target.into(), kind }
}

fn bind(source: impl Into<std::path::PathBuf>, target: &str, read_only: bool) -> Mount {
    let kind = MountKind::Bind { source: source.into(), subpath: "".into(), read_only, recursive: false };
    Mount { target: target.into(), kind }
}

#[test]
fn a_secret_is_in_memory_with_its_owner_and_mode() {
    let lab = Lab::new();
    let mut process = lab.shell(
        "cat /run/secrets/token; stat -c '%a %u %g' /run/secrets/token; stat -f -c %T /run/secrets/token; \
         (echo x >/run/secrets/token) 2>/dev/null || echo refused; echo >/touched",
    );
    let kind = MountKind::File { content: "s3cret\n".into(), mode: 0o440, uid: 7, gid: 8, read_only: true };
    process.mounts = vec![Mount { target: "/run/secrets/token".into(), kind }];
    assert_eq!(lab.run(&process).out(), "s3cret\n440 7 8\ntmpfs\nrefused");
    assert_eq!(lab.upper(), ["touched"]);
}

#[test]
fn files_stand_where_the_image_has_links() {
    let mut lab = Lab::new();
    let layer = lab.make("layer");
    fs::create_dir(layer.join("etc")).unwrap();
    symlink("../run/resolve/stub.conf", layer.join("etc/resolv.conf")).unwrap();
    symlink("/../../../../etc/passwd", layer.join("etc/hosts")).unwrap();
    lab.layers = vec![layer];
    let mut process =
        lab.shell("cat /etc/resolv.conf /etc/hosts; readlink /etc/resolv.conf; ls -l /run/resolve | wc -l");
    process.mounts = vec![file("/etc/resolv.conf", "nameserver\n"), file("/etc/hosts", "localhost\n")];
    assert_eq!(lab.run(&process).out(), "nameserver\nlocalhost\n../run/resolve/stub.conf\n2");
    assert_eq!(lab.upper(), [""; 0]);
    assert!(fs::read_to_string("/etc/passwd").unwrap().contains("root"));
}

#[test]
fn what_is_mounted_below_dev_finds_a_place_there() {
    let lab = Lab::new();
    let mut process = lab.shell("/dev/pipes/run; ls /dev/deep/er; test -c /dev/null && echo null");
    let kind = MountKind::File {
        content: "#!/bin/sh\necho ran\n".into(),
        mode: 0o755,
        uid: 0,
        gid: 0,
        read_only: true,
    };
    let tmpfs = MountKind::Tmpfs { size: None, mode: 0o700 };
    process.mounts = vec![
        Mount { target: "/dev/pipes/run".into(), kind },
        Mount { target: "/dev/deep/er".into(), kind: tmpfs.clone() },
    ];
    assert_eq!(lab.run(&process).out(), "ran\nnull");
    assert_eq!(lab.upper(), [""; 0]);
    process.mounts = vec![Mount { target: "/dev/shm/below".into(), kind: tmpfs }];
    assert!(lab.try_run(&process, &galley_sandbox::Cancel::new()).is_err());
}

#[test]
fn stubs_do_not_show_up_beside_what_the_step_writes() {
    let lab = Lab::new();
    let mut process = lab.shell("stat -c %a /tmp /etc; echo mine >/etc/mine; echo t >/tmp/t");
    process.mounts = vec![file("/etc/resolv.conf", "x"), file("/tmp/deep/er/file", "y")];
    assert_eq!(lab.run(&process).out(), "1777\n755");
    assert_eq!(lab.upper(), ["etc", "etc/mine", "tmp", "tmp/t"]);
    let plan = lab.plan(&process);
    let stubs: Vec<_> = plan.stubs().iter().map(|stub| stub.path.to_str().unwrap()).collect();
    assert_eq!(
        stubs,
        ["/proc", "/sys", "/dev", "/etc/resolv.conf", "/tmp/deep", "/tmp/deep/er", "/tmp/deep/er/file"]
    );
}

#[test]
fn a_bind_mount_is_live_and_may_be_read_only() {
    let lab = Lab::new();
    let cache = lab.make("cache");
    fs::write(cache.join("old"), "old").unwrap();
    let mut process = lab.shell(
        "cat /cache/old; echo new >/cache/new; (echo x >/frozen/x) 2>/dev/null || echo refused; cat /one",
    );
    process.mounts = vec![
        bind(&cache, "/cache", false),
        bind(&cache, "/frozen", true),
        bind(cache.join("old"), "/one", true),
    ];
    assert_eq!(lab.run(&process).out(), "oldrefused\nold");
    assert_eq!(fs::read_to_string(cache.join("new")).unwrap(), "new\n");
    assert_eq!(lab.upper(), [""; 0]);
}

#[test]
fn a_part_of_a_source_is_found_with_the_source_as_the_root() {
    let lab = Lab::new();
    let source = lab.make("source");
    fs::create_dir(source.join("real")).unwrap();
    fs::write(source.join("real/file"), "inside").unwrap();
    symlink("/real", source.join("link")).unwrap();
    let mut process = lab.shell("cat /m/file");
    let kind = MountKind::Bind { source, subpath: "link".into(), read_only: true, recursive: false };
    process.mounts = vec![Mount { target: "/m".into(), kind }];
    assert_eq!(lab.run(&process).out(), "inside");
}

#[test]
fn writes_to_an_overlay_bind_are_thrown_away() {
    let lab = Lab::new();
    for (layer, name) in [("low", "a"), ("high", "b")] {
        let directory = lab.make(&format!("{layer}/sub"));
        fs::write(directory.join(name), name).unwrap();
    }
    let scratch = Scratch { upper: lab.make("scratch-upper"), work: lab.make("scratch-work") };
    let lowers = vec![lab.path("high"), lab.path("low")];
    let overlay = |scratch, subpath: &str| MountKind::OverlayBind {
        lowers: lowers.clone(),
        scratch,
        subpath: subpath.into(),
        userxattr: userns::in_user_namespace(),
    };
    let mut process = lab.shell(
        "cat /w/a /w/b; echo; echo x >/w/new; ls /w; (echo x >/r/sub/x) 2>/dev/null || echo refused; \
         (echo x >/p/x) 2>/dev/null || echo refused; ls /r/sub /p/",
    );
    process.mounts = vec![
        Mount { target: "/w".into(), kind: overlay(Some(scratch), "/sub") },
        Mount { target: "/r".into(), kind: overlay(None, "") },
        Mount { target: "/p".into(), kind: overlay(None, "sub") },
    ];
    assert_eq!(lab.run(&process).out(), "ab\na\nb\nnew\nrefused\nrefused\n/p/:\na\nb\n\n/r/sub:\na\nb");
    assert!(!lab.path("high/sub/new").exists() && lab.path("scratch-upper/sub/new").exists());
    assert_eq!(lab.upper(), [""; 0]);
}

#[test]
fn a_single_layer_can_be_bound_too() {
    let lab = Lab::new();
    fs::write(lab.make("only").join("f"), "f").unwrap();
    let kind = MountKind::OverlayBind {
        lowers: vec![lab.path("only")],
        scratch: None,
        subpath: "".into(),
        userxattr: userns::in_user_namespace(),
    };
    let mut process = lab.shell("cat /m/f; (echo x >/m/x) 2>/dev/null || echo refused");
    process.mounts = vec![Mount { target: "/m".into(), kind }];
    assert_eq!(lab.run(&process).out(), "frefused");
}

#[test]
fn a_tmpfs_has_its_size_and_mode() {
    let lab = Lab::new();
    let mut process = lab.shell(
        "stat -c %a /t; stat -f -c %T /t; head -c 2000000 /dev/zero >/t/x 2>/dev/null || echo full; echo x >/t/y",
    );
    let kind = MountKind::Tmpfs { size: Some(1 << 20), mode: 0o1777 };
    process.mounts = vec![Mount { target: "/t".into(), kind }];
    assert_eq!(lab.run(&process).stdout, "1777\ntmpfs\nfull\n");
    assert_eq!(lab.upper(), [""; 0]);
}

#[test]
fn mounts_nest_whatever_their_order() {
    let lab = Lab::new();
    let mut process = lab.shell("cat /a/b/file; ls /a");
    let tmpfs = Mount { target: "/a".into(), kind: MountKind::Tmpfs { size: None, mode: 0o755 } };
    // The tmpfs hides the stub of the file: the conductor's plan cannot help there.
    process.mounts = vec![file("/a/b/file", "x"), tmpfs];
    let error = lab.try_run(&process, &galley_sandbox::Cancel::new()).unwrap_err();
    assert!(error.to_string().contains("/a/b/file"), "{error}");

    let cache = lab.make("cache");
    fs::create_dir(cache.join("b")).unwrap();
    fs::write(cache.join("b/file"), "").unwrap();
    process.mounts = vec![file("/a/b/file", "x"), bind(cache, "/a", false)];
    fs::remove_dir_all(lab.path("upper")).unwrap();
    lab.make("upper");
    assert_eq!(lab.run(&process).out(), "xb");
}

#[test]
fn a_secret_for_a_user_is_read_by_that_user_alone() {
    let lab = Lab::new();
    let mut process = lab.shell("cat /s; cat /root-only");
    process.user = UserIds { uid: 1000, gid: 1000, groups: vec![] };
    let kind =
        MountKind::File { content: "mine\n".into(), mode: 0o400, uid: 1000, gid: 1000, read_only: true };
    process.mounts = vec![Mount { target: "/s".into(), kind }, file("/root-only", "no")];
    let done = lab.run(&process);
    assert_eq!((done.exit, done.stdout.as_str()), (Exit::Code(1), "mine\n"));
}
