//! Root file systems: overlays of few and many layers, plain directories, stubs.

use std::fs;
use std::os::unix::fs::MetadataExt;

use galley_sandbox::{Cancel, Exit, LinuxSandbox, Root, userns};

use crate::lab::{Lab, ancestor, copy_of_base};

#[test]
fn writes_land_in_the_upper_directory_and_nothing_else_does() {
    let lab = Lab::new();
    lab.sh("echo hello >/etc/motd; mkdir -p /srv/www; rm /etc/passwd; echo x >/tmp/x");
    assert_eq!(lab.upper(), ["etc", "etc/motd", "etc/passwd", "srv", "srv/www", "tmp", "tmp/x"]);
    assert_eq!(fs::read_to_string(lab.path("upper/etc/motd")).unwrap(), "hello\n");
    // A whiteout: character device 0/0.
    assert_eq!(fs::symlink_metadata(lab.path("upper/etc/passwd")).unwrap().rdev(), 0);
    assert_eq!(fs::metadata(lab.path("upper/tmp")).unwrap().mode() & 0o7777, 0o1777);
}

#[test]
fn a_step_that_writes_nothing_leaves_nothing() {
    let lab = Lab::new();
    assert_eq!(lab.sh("ls /proc /dev /sys >/dev/null").exit, Exit::Code(0));
    assert_eq!(lab.upper(), [""; 0]);
}

#[test]
fn the_topmost_layer_wins() {
    let mut lab = Lab::new();
    for (name, text) in [("one", "1"), ("two", "2")] {
        fs::write(lab.make(name).join("file"), text).unwrap();
    }
    lab.layers = vec![lab.path("two"), lab.path("one")];
    assert_eq!(lab.sh("cat /file").out(), "2");
}

#[test]
fn three_hundred_layers_are_fine() {
    let mut lab = Lab::new();
    // Long names: the old way of mounting has one page for all of them.
    for index in 0..300 {
        let layer = lab.make(&format!("layer-with-a-rather-long-name-as-digests-have-them-{index:064}"));
        fs::write(layer.join(format!("file{index}")), "").unwrap();
        lab.layers.push(layer);
    }
    assert_eq!(lab.sh("ls /file* | wc -l; echo x >/new").out(), "300");
    assert_eq!(lab.upper(), ["new"]);
}

#[test]
fn too_many_layers_are_refused_in_words() {
    let mut lab = Lab::new();
    lab.layers = (0..600).map(|_| lab.path("upper")).collect();
    let error = lab.run_bare(&lab.shell("true"), &Cancel::new()).unwrap_err();
    assert!(error.to_string().contains("602 layers"), "{error}");
}

#[test]
fn the_old_mount_call_does_as_well() {
    let mut lab = Lab::new();
    lab.sandbox = LinuxSandbox::probe(lab.directory.path()).unwrap().with_legacy_overlay();
    for index in 0..60 {
        fs::write(lab.make(&format!("layer{index}")).join(format!("file{index}")), "").unwrap();
        lab.layers.push(lab.path(&format!("layer{index}")));
    }
    assert_eq!(lab.sh("ls /file* | wc -l; echo x >/new; rm /etc/passwd").out(), "60");
    assert_eq!(lab.upper(), ["etc", "etc/passwd", "new"]);
}

#[test]
fn paths_with_strange_bytes_are_layers_too() {
    let mut lab = Lab::new();
    let layer = lab.make("a:b,c\\d e=\u{fc}");
    fs::write(layer.join("here"), "yes").unwrap();
    lab.layers = vec![layer];
    assert_eq!(lab.sh("cat /here").out(), "yes");
}

#[test]
fn a_read_only_overlay_takes_no_writes() {
    let lab = Lab::new();
    let mut process = lab.shell("cat /etc/passwd >/dev/null; echo x >/x");
    let plan = lab.plan(&process);
    plan.create_layer(&lab.path("stubs")).unwrap();
    if let Root::Overlay { lowers, userxattr, .. } = process.root {
        process.root = Root::ReadOnlyOverlay { lowers, userxattr };
    }
    let done = lab.run_bare(&process, &Cancel::new()).unwrap();
    assert!(done.stderr.contains("Read-only file system"), "{done:?}");
}

#[test]
fn a_root_can_be_read_only_with_writable_mounts() {
    let lab = Lab::new();
    let mut process = lab.shell("echo x >/dev/shm/x && echo written; echo x >/x");
    process.read_only = true;
    let done = lab.run(&process);
    assert_eq!(done.stdout, "written\n");
    assert!(done.stderr.contains("Read-only file system"), "{done:?}");
}

#[test]
fn a_plain_directory_is_written_in_place_and_the_stubs_go_again() {
    let lab = Lab::new();
    let root = lab.make("root");
    copy_of_base(&root);
    let times = |path: &str| {
        let metadata = fs::metadata(root.join(path)).unwrap();
        (metadata.mtime(), metadata.mtime_nsec())
    };
    let before = times("etc");
    let mut process = lab.shell("echo new >/srv; cat /proc/self/comm");
    process.root = Root::Directory(root.clone());
    let mut points = process.mount_points();
    points.push(("/etc/resolv.conf".into(), galley_sandbox::stubs::StubKind::File));
    let lookup = |path: &std::path::Path| ancestor(&root.join(path.strip_prefix("/").unwrap()));
    let plan = galley_sandbox::stubs::plan(&points, &lookup).unwrap();
    assert_eq!(plan.stubs().len(), 4);
    let placed = plan.create_in_place(&root).unwrap();
    let done = lab.run_bare(&process, &Cancel::new()).unwrap();
    assert_eq!(done.out(), "cat");
    assert_eq!(placed.remove().unwrap(), []);
    let mut names: Vec<_> = fs::read_dir(&root).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["bin", "etc", "root", "run", "srv", "tmp"]);
    assert_eq!(times("etc"), before);
}

#[test]
fn stubs_that_the_step_fills_stay() {
    let lab = Lab::new();
    let root = lab.make("root");
    copy_of_base(&root);
    let points = [("/data/cache".into(), galley_sandbox::stubs::StubKind::Directory)];
    let lookup = |path: &std::path::Path| ancestor(&root.join(path.strip_prefix("/").unwrap()));
    let plan = galley_sandbox::stubs::plan(&points, &lookup).unwrap();
    let placed = plan.create_in_place(&root).unwrap();
    fs::write(root.join("data/own"), "").unwrap();
    let kept: Vec<_> = placed.remove().unwrap().into_iter().map(|stub| stub.path).collect();
    assert_eq!(kept, [std::path::PathBuf::from("/data")]);
    assert!(!root.join("data/cache").exists());
}

#[test]
fn the_capability_line_says_where_we_are() {
    use galley_sandbox::Sandbox;
    let lab = Lab::new();
    let abilities = lab.sandbox.capabilities();
    assert!(abilities.overlay && abilities.proc && abilities.pivot && abilities.network_none);
    assert!(abilities.can_run());
    let expected =
        if userns::in_user_namespace() { "user namespace with subordinate ids (65537)" } else { "root" };
    assert_eq!(abilities.level(), expected);
}
