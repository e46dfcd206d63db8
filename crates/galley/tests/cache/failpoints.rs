//! Killed at every transition of the store, by process and by machine: the store is whole, and the next build is right.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use galley_store::{FAIL_POINTS, Snapshotter};

use crate::machine::{KINDS, Machine, succeed, wait_for};

/// Comes by every fail point but those of pruning: a stage whose written file is copied (its digest is learned), a linked copy
/// (stacked), a cache mount.
const DOCKERFILE: &str = r#"FROM scratch AS base
COPY --from=tools busybox /bin/
SHELL ["/bin/busybox", "sh", "-c"]
FROM base AS builder
WORKDIR /src
COPY input.txt ./
RUN --mount=type=cache,target=/cache tr a-z A-Z < input.txt > output.txt && echo > /cache/stamp
FROM base
COPY --from=builder /src/output.txt /srv/
COPY --link extra.txt /opt/
CMD ["/bin/busybox", "cat", "/srv/output.txt"]
"#;

/// What is on the machine when the process dies at a fail point, and which process that is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scenario {
    /// A build that makes the store.
    FirstStore,
    /// The first build in a store.
    FirstBuild,
    /// A prune of everything.
    Prune,
}

fn scenario(point: &str) -> Scenario {
    match point {
        "create-directories" | "create-schema" | "create-format" => Scenario::FirstStore,
        _ if point.starts_with("prune-") => Scenario::Prune,
        _ => Scenario::FirstBuild,
    }
}

/// Waits until the context lies still: a file that changed just now comes into no stat cache.
fn settle(context: &Path) {
    let changed = fs::metadata(context.join("extra.txt")).unwrap().ctime();
    wait_for("the clock", || {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        (i64::try_from(now).unwrap() > changed + 3).then_some(())
    });
}

/// What is built: one context for all machines, and the id that the image must have.
struct Project {
    context: Machine,
    id: String,
}

impl Project {
    fn new() -> Option<Self> {
        let context = Machine::new(KINDS[0])?;
        context.write("input.txt", "hello\n");
        context.write("extra.txt", "more\n");
        settle(&context.path("context"));
        let mut project = Self { context, id: String::new() };
        succeed(&mut project.build(&project.context));
        project.id = project.context.image_id();
        Some(project)
    }

    /// A build of the project in the store of `machine`.
    fn build(&self, machine: &Machine) -> Command {
        let dest = format!("type=oci,dest={}", machine.path("app.oci").display());
        let context = self.context.path("context");
        machine.build_with(&context, DOCKERFILE, &["--reproducible", "-o", &dest])
    }

    fn killed_at(&self, point: &str, kind: Snapshotter, boot: Option<&str>) {
        let scenario = scenario(point);
        let when = format!("{point}, {kind}, boot {boot:?}");
        let machine = match scenario {
            Scenario::FirstStore => Machine::without_store(kind),
            Scenario::FirstBuild | Scenario::Prune => Machine::new(kind),
        };
        let machine = machine.expect("it could be made before");
        let mut doomed = if scenario == Scenario::Prune {
            succeed(&mut self.build(&machine));
            succeed(&mut machine.galley(&["rmi", "app"]));
            machine.galley(&["prune"])
        } else {
            self.build(&machine)
        };
        let status = doomed.env("GALLEY_FAILPOINT", point).stderr(Stdio::null()).status().unwrap();
        assert_eq!(status.signal(), Some(9), "{when}: it never came by");
        if scenario != Scenario::FirstStore {
            assert_eq!(machine.open(boot).check(true).unwrap(), [], "{when}");
        }
        succeed(&mut self.build(&machine));
        machine.assert_swept(&when);
        machine.assert_whole(&when);
        assert_eq!(machine.image_id(), self.id, "{when}");
        assert_eq!(machine.printed(), "HELLO\n", "{when}");
        machine.prune(&when);
        assert_eq!(machine.printed(), "HELLO\n", "{when}: after a prune");
    }
}

#[test]
fn killed_at_every_transition_the_next_build_is_right() {
    let Some(project) = Project::new() else { return };
    for point in FAIL_POINTS {
        project.killed_at(point, KINDS[0], None);
        if scenario(point) != Scenario::FirstStore {
            project.killed_at(point, KINDS[1], None);
        }
    }
}

#[test]
fn stopped_with_the_machine_at_every_transition_the_next_build_is_right() {
    let Some(project) = Project::new() else { return };
    for point in FAIL_POINTS.iter().filter(|point| scenario(point) != Scenario::FirstStore) {
        project.killed_at(point, KINDS[0], Some("the boot after"));
    }
}
