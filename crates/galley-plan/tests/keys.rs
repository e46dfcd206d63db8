//! Keys are pinned: a change of the encoding throws away every user's cache, so it must be meant. And they keep apart what
//! differs.

#![allow(clippy::unwrap_used, reason = "in a test, an unwrap is an assertion")]

use galley_image::{ChainId, DiffId, Digest, Platform, TreeDigest};
use galley_plan::{
    CacheKey, CacheSharing, ContextSource, Copy, CopySource, ImageSource, InlineFile, InputKey, KeyEncoder,
    Mkdir, MountKind, Network, Op, Run, RunMount, Script, SecretEnv, Unpack, content_key, definition_key,
};
use galley_syntax::Span;
use galley_syntax::mode::{self, Mode};
use proptest::prelude::*;

fn linux() -> Platform {
    Platform::new("linux", "amd64", None)
}

fn key(op: &Op) -> CacheKey {
    content_key(op, &linux(), Some(CacheKey([7; 32])), &[InputKey::Content(TreeDigest([9; 32]))])
}

fn text(text: &str) -> String {
    text.to_owned()
}

fn run() -> Run {
    let mount = |target: &str, kind| RunMount { target: text(target), kind, span: Span::at(3) };
    Run {
        args: ["/bin/sh", "-c", "make"].map(text).to_vec(),
        env: vec![(text("PATH"), text("/bin")), (text("A"), text("b"))],
        cwd: text("/app"),
        user: text("app"),
        network: Network::None,
        mounts: vec![
            mount("/a", MountKind::Bind { source: 0, path: text("/"), writable: true }),
            mount(
                "/c",
                MountKind::Cache {
                    id: text("/c"),
                    sharing: CacheSharing::Locked,
                    source: Some((0, text("/x"))),
                    mode: 0o755,
                    uid: 1,
                    gid: 2,
                    read_only: false,
                },
            ),
            mount("/s", MountKind::Secret { id: text("s"), required: true, mode: 0o400, uid: 0, gid: 0 }),
            mount("/t", MountKind::Tmpfs { size: Some(4096) }),
        ],
        secret_env: vec![SecretEnv {
            name: text("TOKEN"),
            id: text("t"),
            required: false,
            span: Span::at(0),
        }],
        script: Some(Script { path: text("/dev/pipes/EOF"), content: text("#!/bin/sh\n") }),
        proxies: vec![(text("HTTP_PROXY"), text("http://proxy"))],
    }
}

fn copy() -> Copy {
    Copy {
        sources: vec![CopySource { source: 0, pattern: text("src") }],
        dest: text("/app/"),
        chown: Some(text("1000:1000")),
        chmod: Some(Mode::Octal(0o644)),
        exclude: vec![text("*.md")],
        parents: true,
        link: false,
        unpack: Unpack::Auto,
    }
}

fn image() -> Op {
    let chain = ChainId::of(&[DiffId(Digest::of(b"layer"))]);
    let reference = "node:20".parse().unwrap();
    Op::Image(ImageSource { reference, chain, platform: linux() })
}

#[test]
fn every_operation_keeps_its_key() {
    let inline = InlineFile { name: text("EOF"), content: b"x\n".to_vec(), mode: 0o644 };
    for (op, pinned) in [
        (image(), "adf3806f5b453e03dbec81d199460b0d7ba84c7a76df5afc0ca1bb3e8e8f3e6a"),
        (
            Op::Context(ContextSource { name: text("data") }),
            "b33555baf00af705d451d924db08737a17329d3bf17620db85576db8c62478cc",
        ),
        (Op::Inline(vec![inline]), "b3947ef97d3b28b9ae4998b9d754a46aa06edfa706502ac83066fc9435de4a3e"),
        (Op::Run(run()), "d1b310f2eb1c7ddc0f4d0a88e60b8d662f5b9991317f20c7b1fd9c22498d5f4c"),
        (Op::Copy(copy()), "df1036ac76754129c0da3ae32bdef2528a265437c51a262c237403f1bcc05970"),
        (
            Op::Mkdir(Mkdir { path: text("/app"), owner: text("app") }),
            "782452cac13724fab975c6c9caf16f13e9fd9c7b2a2fd16c4669a353300847f7",
        ),
        (Op::Merge, "78af55a1b07542c1bcf7ed5943bd1d1b9387b0d0a518aab32072c66def9c33a8"),
    ] {
        assert_eq!(
            key(&op).to_string(),
            pinned,
            "the key of {op:?} changed: raise its version, or undo the change"
        );
    }
    let definition = definition_key(&Op::Run(run()), &linux(), None, &[CacheKey([1; 32])]).unwrap();
    assert_eq!(definition.to_string(), "bdc4f4af430b6667804676d83580ed86fec4fa3967885b71106f91193d58499c");
}

#[test]
fn a_context_has_no_definition() {
    assert_eq!(
        definition_key(&Op::Context(ContextSource { name: String::new() }), &linux(), None, &[]),
        None
    );
}

#[test]
fn what_never_decides_a_result_never_enters() {
    let with = |change: &dyn Fn(&mut Run)| {
        let mut changed = run();
        change(&mut changed);
        key(&Op::Run(changed))
    };
    let same = key(&Op::Run(run()));
    assert_eq!(with(&|run| run.proxies.clear()), same);
    assert_eq!(with(&|run| run.env.reverse()), same);
    assert_eq!(with(&|run| run.mounts[0].span = Span::at(99)), same);
    assert_eq!(with(&|run| run.secret_env[0].span = Span::at(99)), same);
    let Op::Image(mut named) = image() else { unreachable!() };
    named.reference = "debian:12".parse().unwrap();
    assert_eq!(key(&Op::Image(named)), key(&image()));
}

#[test]
fn every_field_decides() {
    let changes: [&dyn Fn(&mut Run); 15] = [
        &|run| run.args.push(String::new()),
        &|run| run.env[1].1.clear(),
        &|run| run.env[1].0.push('A'),
        &|run| run.cwd.push('x'),
        &|run| run.user.clear(),
        &|run| run.network = Network::Host,
        &|run| run.mounts[0].target.push('x'),
        &|run| run.mounts[0].kind = MountKind::Bind { source: 0, path: text("/"), writable: false },
        &|run| run.mounts[0].kind = MountKind::Bind { source: 1, path: text("/"), writable: true },
        &|run| run.mounts[3].kind = MountKind::Tmpfs { size: None },
        &|run| drop(run.mounts.pop()),
        &|run| run.secret_env[0].required = true,
        &|run| run.secret_env[0].id.push('x'),
        &|run| run.script = None,
        &|run| run.secret_env.clear(),
    ];
    let mut keys = vec![key(&Op::Run(run()))];
    for change in changes {
        let mut changed = run();
        change(&mut changed);
        keys.push(key(&Op::Run(changed)));
    }
    let changes: [&dyn Fn(&mut Copy); 12] = [
        &|_| {},
        &|copy| copy.sources[0].pattern.push('/'),
        &|copy| copy.dest = text("/app"),
        &|copy| copy.chown = None,
        &|copy| copy.chmod = Some(Mode::Octal(0o600)),
        &|copy| copy.chmod = mode::parse("u+x").ok(),
        &|copy| copy.chmod = mode::parse("g+x").ok(),
        &|copy| copy.chmod = None,
        &|copy| copy.exclude.clear(),
        &|copy| copy.parents = false,
        &|copy| copy.link = true,
        &|copy| copy.unpack = Unpack::Never,
    ];
    for change in changes {
        let mut changed = copy();
        change(&mut changed);
        keys.push(key(&Op::Copy(changed)));
    }
    let count = keys.len();
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), count);
}

#[test]
fn inputs_and_platform_decide() {
    let op = Op::Merge;
    let (a, b) = (CacheKey([1; 32]), CacheKey([2; 32]));
    let arm = Platform::new("linux", "arm64", None);
    let content = |key: CacheKey| InputKey::Content(TreeDigest(key.0));
    let mut keys = vec![
        definition_key(&op, &linux(), None, &[a]).unwrap(),
        definition_key(&op, &linux(), Some(a), &[]).unwrap(),
        definition_key(&op, &linux(), Some(a), &[a]).unwrap(),
        definition_key(&op, &linux(), Some(a), &[b]).unwrap(),
        definition_key(&op, &linux(), Some(a), &[a, b]).unwrap(),
        definition_key(&op, &linux(), Some(a), &[b, a]).unwrap(),
        definition_key(&op, &arm, Some(a), &[b]).unwrap(),
        content_key(&op, &linux(), Some(a), &[InputKey::Made(b)]),
        content_key(&op, &linux(), Some(a), &[content(b)]),
    ];
    let count = keys.len();
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), count);
}

fn encoded(lists: &[Vec<String>]) -> CacheKey {
    let mut encoder = KeyEncoder::new("galley test");
    encoder.list(lists, |encoder, list| encoder.list(list, |encoder, text| encoder.text(text)));
    encoder.finish()
}

proptest! {
    /// Bytes never move from one field into the next: equal keys mean equal fields.
    #[test]
    fn fields_keep_their_borders(
        a in proptest::collection::vec(proptest::collection::vec("[ab]{0,2}", 0..3), 0..3),
        b in proptest::collection::vec(proptest::collection::vec("[ab]{0,2}", 0..3), 0..3),
    ) {
        prop_assert_eq!(encoded(&a) == encoded(&b), a == b);
    }

    #[test]
    fn arguments_and_environment_keep_their_borders(
        a in proptest::collection::vec("[=a]{0,2}", 1..4), at in 0usize..4,
    ) {
        let split = |at: usize| {
            let (args, rest) = a.split_at(at.min(a.len()));
            let env = rest.iter().map(|name| (name.clone(), String::new())).collect();
            key(&Op::Run(Run { args: args.to_vec(), env, ..run() }))
        };
        prop_assert_eq!(split(at) == split(0), at.min(a.len()) == 0);
    }
}
