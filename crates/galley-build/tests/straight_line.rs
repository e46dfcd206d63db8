//! The whole line on this machine's kernel: a Dockerfile on `scratch` with a busybox from the context, built, rebuilt and run.

#![allow(clippy::unwrap_used, reason = "in a test, an unwrap is an assertion")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Mutex;

use galley_build::build::{Built, build};
use galley_build::container::{RunRequest, run};
use galley_build::error::BuildError;
use galley_build::events::{Event, Events, NoEvents, Outcome, Reuse};
use galley_build::host_files::HostFiles;
use galley_build::request::{BuildRequest, CachePolicy, ContextSource, NetworkMode, Secret};
use galley_build::site::Site;
use galley_build::world::World;
use galley_image::Platform;
use galley_registry::MemoryImages;
use galley_sandbox::{Cancel, Exit, Io, LinuxSandbox, Output, Stdin};
use galley_store::{OpenOptions, Snapshotter, Store};

const BUSYBOX: &str = "/bin/busybox";

const DOCKERFILE: &str = r#"FROM scratch AS tools
COPY busybox /bin/
RUN ["/bin/busybox", "--install", "-s", "/bin"]
FROM tools AS builder
WORKDIR /src
COPY input.txt ./
RUN --mount=type=cache,target=/cache tr a-z A-Z < input.txt > output.txt && date > /cache/stamp
FROM tools
COPY --from=builder /src/output.txt /srv/
USER 1000
CMD ["cat", "/srv/output.txt"]
"#;

/// Takes all events.
#[derive(Default)]
struct Recorder(Mutex<Vec<Event>>);

impl Events for Recorder {
    fn event(&self, event: &Event) {
        self.0.lock().unwrap().push(event.clone());
    }
}

impl Recorder {
    fn count(&self, wanted: impl Fn(&Event) -> bool) -> usize {
        self.0.lock().unwrap().iter().filter(|event| wanted(event)).count()
    }

    fn ran(&self) -> usize {
        self.count(|event| matches!(event, Event::Finished { outcome: Outcome::Done { .. }, .. }))
    }
}

/// One machine: a store, a sandbox, a context directory.
struct Machine {
    directory: tempfile::TempDir,
    store: Store,
    sandbox: LinuxSandbox,
}

impl Machine {
    fn new(snapshotter: Snapshotter) -> Self {
        assert!(
            Path::new(BUSYBOX).exists(),
            "this test needs Debian's busybox-static: apt-get install busybox-static"
        );
        let directory = tempfile::tempdir().unwrap();
        let context = directory.path().join("context");
        fs::create_dir(&context).unwrap();
        fs::copy(BUSYBOX, context.join("busybox")).unwrap();
        fs::write(context.join("input.txt"), "hello\n").unwrap();
        let root = directory.path().join("store");
        let options = OpenOptions { create: true, snapshotter: Some(snapshotter), ..OpenOptions::default() };
        let store = Store::open(&root, &options).unwrap();
        let sandbox = LinuxSandbox::probe(&root).unwrap();
        Self { directory, store, sandbox }
    }

    fn overlay() -> Self {
        Self::new(Snapshotter::Overlay { userxattr: false })
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.directory.path().join("context").join(name), text).unwrap();
    }

    fn with_world<T>(&self, use_world: impl FnOnce(&World<'_>) -> T) -> T {
        let images = MemoryImages::default();
        let (site, host_files, cancel) = (Site::default(), HostFiles::default(), Cancel::new());
        use_world(&World {
            store: &self.store,
            images: &images,
            sandbox: &self.sandbox,
            site: &site,
            host_files: &host_files,
            cancel: &cancel,
            threads: 2,
            now: 1_700_000_000,
        })
    }

    fn request(&self, dockerfile: &str) -> BuildRequest {
        BuildRequest {
            dockerfile: dockerfile.as_bytes().to_vec(),
            dockerfile_name: "/project/Dockerfile".into(),
            context: ContextSource::Directory(self.directory.path().join("context")),
            ignore: None,
            target: None,
            build_args: BTreeMap::new(),
            named_contexts: BTreeMap::new(),
            labels: BTreeMap::new(),
            secrets: BTreeMap::new(),
            network: NetworkMode::None,
            platform: Platform::host(),
            cache: CachePolicy::Use,
            pull: false,
            bases: Default::default(),
            source_date_epoch: None,
            tags: vec!["test/app".parse().unwrap()],
            outputs: Vec::new(),
            store_image: false,
        }
    }

    fn build(&self, request: &BuildRequest) -> (Result<Built, BuildError>, Recorder) {
        let recorder = Recorder::default();
        let built = self.with_world(|world| build(request, world, &recorder));
        (built, recorder)
    }

    /// What the image prints, and how it ends.
    fn output(&self) -> (String, Exit) {
        let lease = self.store.lease().unwrap();
        let image = self.store.image(&"test/app".parse().unwrap(), &lease).unwrap().unwrap();
        let request = RunRequest {
            image,
            args: Vec::new(),
            entrypoint: None,
            env: Vec::new(),
            volumes: Vec::new(),
            workdir: None,
            user: None,
            network: NetworkMode::None,
            init: true,
            terminal: false,
            read_only: false,
        };
        let mut text = Vec::new();
        let mut take = |_, bytes: &[u8]| text.extend_from_slice(bytes);
        let io = Io { stdin: Stdin::Null, output: Output::Callback(&mut take) };
        let exit = self.with_world(|world| run(&request, world, &NoEvents, io)).unwrap();
        (String::from_utf8(text).unwrap(), exit)
    }
}

fn both(test: impl Fn(Machine)) {
    test(Machine::overlay());
    test(Machine::new(Snapshotter::Copy));
}

#[test]
fn a_multi_stage_file_builds_into_an_image_that_runs() {
    both(|machine| {
        let (built, events) = machine.build(&machine.request(DOCKERFILE));
        let built = built.unwrap();
        assert!(events.ran() >= 5, "{:?}", events.0);
        assert_eq!(machine.output(), ("HELLO\n".into(), Exit::Code(0)));
        assert_eq!(built.config.config.user, "1000");
        assert_eq!(built.config.rootfs.diff_ids.len(), 3, "the builder's layers are not served");
    });
}

#[test]
fn a_rebuild_runs_nothing_and_gives_the_same_image() {
    both(|machine| {
        let request = machine.request(DOCKERFILE);
        let first = machine.build(&request).0.unwrap();
        let (second, events) = machine.build(&request);
        assert_eq!(events.ran(), 0, "{:?}", events.0);
        assert_eq!(second.unwrap().id, first.id);
    });
}

#[test]
fn an_edit_reruns_what_reads_it_and_says_why() {
    let machine = Machine::overlay();
    let request = machine.request(DOCKERFILE);
    machine.build(&request).0.unwrap();
    machine.write("input.txt", "world\n");
    let (built, events) = machine.build(&request);
    let why = built.unwrap().why.unwrap();
    assert!(why.contains("/src/input.txt") && why.contains("changed"), "{why}");
    assert_eq!(events.ran(), 3, "{:?}", events.0);
    assert_eq!(machine.output().0, "WORLD\n");
}

#[test]
fn a_stage_that_comes_out_the_same_stops_the_wave() {
    let machine = Machine::overlay();
    let request = machine.request(DOCKERFILE);
    let first = machine.build(&request).0.unwrap();
    // In upper case it is the same.
    machine.write("input.txt", "HELLO\n");
    let (second, events) = machine.build(&request);
    assert_eq!(second.unwrap().id, first.id);
    let by_content = events.count(|event| matches!(event, Event::Cached { why: Reuse::SameContent, .. }));
    assert_eq!((events.ran(), by_content), (2, 1), "{:?}", events.0);
    // The base of the changed step is found by its identity first and by its files later: that is told once.
    for step in 0..8 {
        let told = events.count(|event| matches!(event, Event::Cached { step: id, .. } if id.0 == step));
        assert!(told <= 1, "{:?}", events.0);
    }
}

#[test]
fn a_failed_step_says_its_line_and_what_it_wrote() {
    let machine = Machine::overlay();
    let dockerfile = "FROM scratch\nCOPY busybox /bin/\nRUN [\"/bin/busybox\", \"sh\", \"-c\", \"echo gone wrong; exit 7\"]\n";
    let (built, _) = machine.build(&machine.request(dockerfile));
    let Err(BuildError::Step(step)) = built else { panic!("{built:?}") };
    assert_eq!((step.line, step.output.as_slice()), (3, &["gone wrong".to_owned()][..]));
    assert!(step.problem.to_string().contains("exit code 7"), "{}", step.problem);
}

#[test]
fn secrets_are_seen_masked_and_kept_out() {
    let machine = Machine::overlay();
    let start = "FROM scratch\nCOPY busybox /bin/\n";
    let mount = "RUN --mount=type=secret,id=token,required=true [\"/bin/busybox\", \"cat\", \"/run/secrets/token\"]\n";
    let (built, _) = machine.build(&machine.request(&format!("{start}{mount}")));
    assert!(built.unwrap_err().to_string().contains("--secret id=token"));

    let mut request = machine.request(&format!("{start}{mount}"));
    request.secrets.insert("token".into(), Secret { value: b"correct-horse\n".to_vec() });
    let (built, events) = machine.build(&request);
    built.unwrap();
    let mut shown = Vec::new();
    for event in events.0.lock().unwrap().iter() {
        if let Event::Output { bytes, .. } = event {
            shown.extend_from_slice(bytes);
        }
    }
    assert_eq!(String::from_utf8(shown).unwrap(), "***\n");

    let copy =
        "RUN --mount=type=secret,id=token [\"/bin/busybox\", \"cp\", \"/run/secrets/token\", \"/leak\"]\n";
    request.dockerfile = format!("{start}{copy}").into_bytes();
    let error = machine.build(&request).0.unwrap_err().to_string();
    assert!(error.contains("/leak") && error.contains("token"), "{error}");
}

#[test]
fn a_copy_that_finds_nothing_fails_before_anything_runs() {
    let machine = Machine::overlay();
    let (built, events) =
        machine.build(&machine.request("FROM scratch\nCOPY busybox /bin/\nCOPY inputt.txt /\n"));
    let error = built.unwrap_err().to_string();
    assert!(error.contains("inputt.txt") && error.contains("line 3"), "{error}");
    assert_eq!(events.ran(), 0);
}
