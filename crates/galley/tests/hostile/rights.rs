//! What a plain user may not do or read.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use galley_testkit::archive::{Archive, field, put};
use galley_testkit::user::PlainUser;

use crate::lab::{Ended, GALLEY, Lab, ended};

/// A lab that belongs to the user, and a galley that the user may run.
struct Place {
    lab: Lab,
    user: PlainUser,
    galley: tempfile::TempDir,
}

impl Place {
    fn new() -> Option<Self> {
        let user = PlainUser::with_subordinate_ids()?;
        let galley = tempfile::tempdir().unwrap();
        fs::set_permissions(galley.path(), fs::Permissions::from_mode(0o755)).unwrap();
        fs::copy(GALLEY, galley.path().join("galley")).unwrap();
        let lab = Lab::new();
        fs::set_permissions(lab.path(), fs::Permissions::from_mode(0o755)).unwrap();
        user.give(lab.path()).unwrap();
        Some(Self { lab, user, galley })
    }

    fn run(&self, arguments: &[&str]) -> Ended {
        let mut galley = self.user.command(self.galley.path().join("galley"));
        galley.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        galley.env("HOME", self.lab.path()).current_dir(self.lab.path());
        ended(&galley.arg("--store").arg(&self.lab.store).args(arguments).output().unwrap())
    }

    fn build(&self, dockerfile: &str) -> Ended {
        fs::write(self.lab.path().join("Dockerfile"), dockerfile).unwrap();
        self.run(&["build", "-q", "-f", "Dockerfile", "context"])
    }
}

#[test]
fn files_that_cannot_be_read_are_named() {
    let Some(place) = Place::new() else { return };
    let context = place.lab.context();
    fs::write(context.join("readable"), "x").unwrap();
    fs::write(context.join("closed"), "x").unwrap();
    // Root's own, and nobody else's.
    fs::set_permissions(context.join("closed"), fs::Permissions::from_mode(0o600)).unwrap();
    let help =
        "Permission denied (os error 13); let the user who builds read it, or list it in .dockerignore";
    let failed = place.build("FROM scratch\nCOPY . /\n");
    failed.failed_with("cannot read context/closed in the build context");
    failed.failed_with(help);
    failed.failed_with("2 | COPY . /");
    place.build("FROM scratch\nCOPY readable /\n").succeeded();
    fs::write(context.join(".dockerignore"), "closed\n").unwrap();
    place.build("FROM scratch\nCOPY . /\n").succeeded();

    fs::create_dir(context.join("private")).unwrap();
    fs::set_permissions(context.join("private"), fs::Permissions::from_mode(0o700)).unwrap();
    let failed = place.build("FROM scratch\nCOPY readable /\n");
    failed.failed_with("cannot open the directory context/private in the build context");
    failed.failed_with(help);
    fs::write(context.join(".dockerignore"), "closed\nprivate\n").unwrap();
    place.build("FROM scratch\nCOPY . /\n").succeeded();
    assert_eq!(place.run(&["store", "check"]).stdout, "the store is whole\n");
}

#[test]
fn device_nodes_are_made_by_root_alone() {
    let Some(place) = Place::new() else { return };
    let device = Archive::new().edited(b'3', "null", "", "", |header| {
        put(header, field::MAJOR, b"0000001");
        put(header, field::MINOR, b"0000003");
    });
    let image = crate::lab::docker_archive("devices", &[device.clone().end()]);
    fs::write(place.lab.path().join("image.tar"), image).unwrap();
    fs::write(place.lab.context().join("devices.tar"), device.end()).unwrap();
    place.run(&["load", "-i", "image.tar"]).succeeded();
    // A base is taken as it can be, as docker does without root; what the user adds is not changed behind their back.
    fs::write(place.lab.path().join("Dockerfile"), "FROM scratch\nCOPY --from=devices / /\n").unwrap();
    let built = place.run(&["build", "--progress", "plain", "-f", "Dockerfile", "context"]);
    built.succeeded();
    let left_out = "the device node `/null` was left out, since only the machine's root may make any";
    assert!(built.stderr.contains(left_out), "{built:?}");
    let refused = "cannot make the device node `/null`: only the machine's root may; run galley as root";
    place.build("FROM scratch\nADD devices.tar /\n").failed_with(refused);
    assert_eq!(place.run(&["store", "check"]).stdout, "the store is whole\n");
}

#[test]
fn files_of_layers_are_out_of_reach_for_others() {
    let lab = Lab::new();
    fs::write(lab.context().join("tool"), "x").unwrap();
    fs::set_permissions(lab.context().join("tool"), fs::Permissions::from_mode(0o4755)).unwrap();
    lab.build("FROM scratch\nCOPY tool /\n", &["-t", "tool"]).succeeded();
    let listed = lab.run(&["ls", "tool"]);
    assert!(listed.stdout.starts_with("-rwsr-xr-x"), "{listed:?}");
    // A set-user-id program of an image is root's only in the image.
    let layers = fs::metadata(lab.store.join("layers")).unwrap();
    assert_eq!(layers.mode() & 0o7777, 0o700);
}

#[test]
fn sockets_are_left_out() {
    let lab = Lab::new();
    fs::create_dir(lab.context().join("run")).unwrap();
    fs::write(lab.context().join("run/file"), "x").unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(lab.context().join("run/socket")).unwrap();
    lab.build("FROM scratch\nCOPY run /run\n", &["-t", "app"]).succeeded();
    let listed = lab.run(&["ls", "app", "run"]);
    assert!(listed.stdout.contains("file") && !listed.stdout.contains("socket"), "{listed:?}");
    lab.build("FROM scratch\nCOPY run/socket /\n", &[]).failed_with(
        "`run/socket` matches nothing in the build context; it is a socket, which no image can hold",
    );
}
