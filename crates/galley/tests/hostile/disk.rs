//! A full disk, which is a small one: a tmpfs of 32 MiB in a mount namespace of the test's own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use galley_testkit::machine;
use galley_testkit::server::Server;

use crate::lab::Lab;
use crate::registry::Image;

/// Where the small disk is, in the process that has it.
const SMALL_DISK: &str = "GALLEY_TEST_SMALL_DISK";

const MIB: usize = 1 << 20;
const HELP: &str = "free some with `galley prune`, or choose another disk with `--store`";

/// Runs `test` in a process that has a small disk, which nobody else sees and which is gone with it.
fn on_small_disk(name: &str, test: impl Fn(&Path)) {
    if let Some(disk) = std::env::var_os(SMALL_DISK) {
        return test(Path::new(&disk));
    }
    if !rustix::process::geteuid().is_root() && !machine::cannot_run("it mounts a small disk as root") {
        return;
    }
    let disk = tempfile::tempdir().unwrap();
    let script = "mount -t tmpfs -o size=32m small \"$1\" && exec \"$2\" --exact \"$3\" --nocapture";
    let output = Command::new("unshare")
        .args(["--mount", "--propagation", "private", "sh", "-c", script, "sh"])
        .arg(disk.path())
        .arg(std::env::current_exe().unwrap())
        .arg(format!("disk::{name}"))
        .env(SMALL_DISK, disk.path())
        .output()
        .unwrap();
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

/// A lab whose store is on the small disk.
fn small_lab(disk: &Path) -> Lab {
    let mut lab = Lab::new();
    lab.store = disk.join("store");
    lab
}

/// Takes what is left of the disk but `rest` bytes.
fn fill(disk: &Path, rest: usize) -> PathBuf {
    let filler = disk.join("filler");
    let free = || {
        let disk = rustix::fs::statvfs(disk).unwrap();
        usize::try_from(disk.f_bavail * disk.f_frsize).unwrap()
    };
    fs::write(&filler, vec![b'x'; free() - rest]).unwrap();
    assert!(free() <= rest);
    filler
}

#[test]
fn copy() {
    on_small_disk("copy", |disk| {
        let lab = small_lab(disk);
        fs::write(lab.context().join("big"), vec![1; 40 * MIB]).unwrap();
        fs::write(lab.context().join("small"), "x").unwrap();
        let failed = lab.build("FROM scratch\nCOPY small /\nCOPY big /\n", &[]);
        failed.failed_with("no space left in the store for /big");
        failed.failed_with(HELP);
        failed.failed_with("3 | COPY big /");
        lab.assert_sound("COPY", 1);
        // What was finished is kept, and there is room again.
        fs::write(lab.context().join("big"), vec![1; 4 * MIB]).unwrap();
        lab.build("FROM scratch\nCOPY small /\nCOPY big /\n", &[]).succeeded();
        lab.assert_sound("COPY", 2);
    });
}

#[test]
fn add() {
    on_small_disk("add", |disk| {
        let lab = small_lab(disk);
        let archive = galley_testkit::archive::Archive::new().file("big", vec![1; 40 * MIB]).end();
        fs::write(lab.context().join("a.tar"), archive).unwrap();
        let failed = lab.build("FROM scratch\nADD a.tar /\n", &[]);
        failed.failed_with("no space left in the store for /big");
        failed.failed_with(HELP);
        lab.assert_sound("ADD", 0);
    });
}

#[test]
fn run() {
    on_small_disk("run", |disk| {
        let Some(base) = Lab::with_base() else { return };
        let tar = base.path().join("base.tar");
        base.run(&["save".as_ref(), "base".as_ref(), "-o".as_ref(), tar.as_os_str()]).succeeded();
        let lab = small_lab(disk);
        lab.run(&["load".as_ref(), "-i".as_ref(), tar.as_os_str()]).succeeded();
        let step = |mib: usize| {
            format!(
                "FROM base\nRUN [\"/bin/busybox\", \"dd\", \"if=/dev/zero\", \"of=/x\", \"bs=1M\", \"count={mib}\"]\n"
            )
        };
        let failed = lab.build(step(60), &[]);
        failed.failed_with("failed with exit code 1, and the disk of the store");
        failed.failed_with(&format!("is full: {HELP}"));
        failed.failed_with("No space left on device");
        lab.assert_sound("RUN", 1);
        lab.build(step(2), &[]).succeeded();
        lab.assert_sound("RUN", 2);
    });
}

#[test]
fn pull() {
    on_small_disk("pull", |disk| {
        let lab = small_lab(disk);
        let image = Image::of_noise(10 * MIB);
        let server = Server::start(move |asked| image.honest(asked));
        let dockerfile =
            format!("FROM {}/app:1 AS base\nFROM scratch\nCOPY --from=base /noise /\n", server.address);
        lab.run(&["prune"]).succeeded();
        // Not even the blob fits; then it does, and its files do not.
        for rest in [6 * MIB, 15 * MIB] {
            let filler = fill(disk, rest);
            let failed = lab.build(&dockerfile, &[]);
            failed.failed_with("no space left in the store for");
            failed.failed_with(HELP);
            lab.assert_sound("pull", 0);
            fs::remove_file(filler).unwrap();
        }
        lab.build(&dockerfile, &[]).succeeded();
        lab.assert_sound("pull", 2);
    });
}

#[test]
fn load() {
    on_small_disk("load", |disk| {
        let lab = small_lab(disk);
        let image = Image::of_noise(10 * MIB);
        fs::write(lab.path().join("image.tar"), crate::lab::docker_archive("big", &[image.layer])).unwrap();
        let tar = lab.path().join("image.tar");
        let load = || lab.run(&["load".as_ref(), "-i".as_ref(), tar.as_os_str()]);
        let filler = fill(disk, 12 * MIB);
        let failed = load();
        failed.failed_with("no space left in the store for");
        failed.failed_with(HELP);
        lab.assert_sound("load", 0);
        fs::remove_file(filler).unwrap();
        load().succeeded();
    });
}

#[test]
fn save_and_outputs() {
    on_small_disk("save_and_outputs", |disk| {
        let lab = small_lab(disk);
        fs::write(lab.context().join("noise"), Image::of_noise(6 * MIB).layer).unwrap();
        lab.build("FROM scratch\nCOPY noise /\n", &["-t", "app"]).succeeded();
        // The packed layer goes into the store.
        let filler = fill(disk, 2 * MIB);
        let elsewhere = lab.path().join("app.tar");
        let save = |to: &Path| lab.run(&["save".as_ref(), "app".as_ref(), "-o".as_ref(), to.as_os_str()]);
        let failed = save(&elsewhere);
        failed.failed_with("no space left in the store for");
        assert!(!elsewhere.exists());
        fs::remove_file(filler).unwrap();
        save(&elsewhere).succeeded();
        // The archive goes to a disk that is full.
        let filler = fill(disk, 2 * MIB);
        let here = disk.join("app.tar");
        save(&here).failed_with(&format!("cannot write {}: No space left on device", here.display()));
        let output = format!("type=tar,dest={}", here.display());
        lab.build("FROM scratch\nCOPY noise /\n", &["-o", &output]).failed_with("cannot write");
        let left: Vec<_> = fs::read_dir(disk).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left.len(), 2, "{left:?}");
        fs::remove_file(filler).unwrap();
        save(&here).succeeded();
        lab.assert_sound("save", 1);
    });
}

#[test]
fn a_disk_without_a_byte_left_can_be_pruned() {
    on_small_disk("a_disk_without_a_byte_left_can_be_pruned", |disk| {
        let lab = small_lab(disk);
        fs::write(lab.context().join("file"), vec![1; 4 * MIB]).unwrap();
        lab.build("FROM scratch\nCOPY file /\n", &[]).succeeded();
        lab.run(&["rmi", "-f", lab.run(&["images", "-q"]).stdout.trim()]).succeeded();
        let filler = fill(disk, 0);
        let failed = lab.build("FROM scratch\nCOPY file /other\n", &[]);
        failed.failed_with("no space left in the store for");
        failed.failed_with(HELP);
        // As the message says.
        let pruned = lab.run(&["prune"]);
        pruned.succeeded();
        assert!(pruned.stdout.contains("1 layer"), "{pruned:?}");
        lab.build("FROM scratch\nCOPY <<EOF /other\nx\nEOF\n", &[]).succeeded();
        fs::remove_file(filler).unwrap();
        lab.build("FROM scratch\nCOPY file /other\n", &[]).succeeded();
        // The pruned layer is its manifest.
        lab.assert_sound("prune", 3);
    });
}
