//! The lines under a vertex or stage of the text form: every value that the plan holds and that differs from its default.

use galley_image::{Healthcheck, ImageConfig};

use super::short;
use crate::op::{CacheSharing, Copy, MountKind, Network, Op, Run, RunMount, SecretEnv, Unpack};
use crate::plan::Vertex;

/// What a vertex does. `source` names the vertex of a source.
pub(super) fn of(vertex: &Vertex, source: &dyn Fn(usize) -> String) -> Vec<String> {
    match &vertex.op {
        Op::Image(image) => {
            let chain = image.chain.map_or("no layers".to_owned(), |chain| short(chain.0.as_bytes()));
            vec![format!("{} {} layers {chain}", image.reference, image.platform)]
        }
        Op::Context(_) => Vec::new(),
        Op::Inline(files) => files
            .iter()
            .map(|file| {
                format!(
                    "file {} {:04o} {}",
                    file.name,
                    file.mode,
                    shown(&String::from_utf8_lossy(&file.content))
                )
            })
            .collect(),
        Op::Run(run) => run_lines(run, source),
        Op::Copy(copy) => copy_lines(copy, source),
        Op::Mkdir(mkdir) => {
            let owner =
                if mkdir.owner.is_empty() { String::new() } else { format!(" owner {}", mkdir.owner) };
            vec![format!("directory {}{owner}", mkdir.path)]
        }
        Op::Merge => vec![format!("layer of {}", source(0))],
    }
}

fn run_lines(run: &Run, source: &dyn Fn(usize) -> String) -> Vec<String> {
    let mut lines: Vec<String> = run.args.iter().map(|arg| format!("arg {}", shown(arg))).collect();
    lines.extend(run.env.iter().map(|(name, value)| format!("env {name}={}", shown(value))));
    lines.push(format!("cwd {}", run.cwd));
    if !run.user.is_empty() {
        lines.push(format!("user {}", run.user));
    }
    if run.network == Network::None {
        lines.push("network none".to_owned());
    }
    lines.extend(run.mounts.iter().map(|mount| mount_line(mount, source)));
    lines.extend(run.secret_env.iter().map(secret_env_line));
    if let Some(script) = &run.script {
        lines.push(format!("script {} {}", script.path, shown(&script.content)));
    }
    lines.extend(run.proxies.iter().map(|(name, value)| format!("proxy {name}={}", shown(value))));
    lines
}

fn mount_line(mount: &RunMount, source: &dyn Fn(usize) -> String) -> String {
    let target = &mount.target;
    match &mount.kind {
        MountKind::Bind { source: index, path, writable } => {
            let mode = if *writable { "rw" } else { "ro" };
            format!("mount {target} bind {}:{path} {mode}", source(*index))
        }
        MountKind::Cache { id, sharing, source: filled, mode, uid, gid, read_only } => {
            let sharing = match sharing {
                CacheSharing::Shared => "shared",
                CacheSharing::Private => "private",
                CacheSharing::Locked => "locked",
            };
            let from = filled
                .as_ref()
                .map_or(String::new(), |(index, path)| format!(" from {}:{path}", source(*index)));
            let access = if *read_only { " ro" } else { "" };
            format!("mount {target} cache {id} {sharing} {mode:04o} {uid}:{gid}{from}{access}")
        }
        MountKind::Tmpfs { size } => {
            let size = size.map_or(String::new(), |size| format!(" {size} bytes"));
            format!("mount {target} tmpfs{size}")
        }
        MountKind::Secret { id, required, mode, uid, gid } => {
            let required = if *required { " required" } else { "" };
            format!("mount {target} secret {id} {mode:04o} {uid}:{gid}{required}")
        }
    }
}

fn secret_env_line(secret: &SecretEnv) -> String {
    let required = if secret.required { " required" } else { "" };
    format!("env {} secret {}{required}", secret.name, secret.id)
}

fn copy_lines(copy: &Copy, source: &dyn Fn(usize) -> String) -> Vec<String> {
    let mut lines: Vec<String> = copy
        .sources
        .iter()
        .map(|from| format!("copy {} {} -> {}", source(from.source), shown(&from.pattern), copy.dest))
        .collect();
    lines.extend(copy.chown.as_ref().map(|owner| format!("chown {owner}")));
    lines.extend(copy.chmod.as_ref().map(|mode| format!("chmod {mode}")));
    lines.extend(copy.exclude.iter().map(|pattern| format!("exclude {}", shown(pattern))));
    lines.extend(copy.parents.then(|| "parents".to_owned()));
    lines.extend(copy.link.then(|| "link".to_owned()));
    lines.extend(match copy.unpack {
        Unpack::Never => None,
        Unpack::Auto => Some("unpack archives".to_owned()),
        Unpack::Always => Some("unpack, and fail on what is no archive".to_owned()),
    });
    lines
}

/// What an image says about itself.
pub(super) fn config(image: &ImageConfig) -> Vec<String> {
    let config = &image.config;
    let list = |items: &[String]| items.iter().map(|item| format!("{item:?}")).collect::<Vec<_>>().join(", ");
    let mut lines = Vec::new();
    lines.extend(image.author.as_ref().map(|author| format!("author {}", shown(author))));
    lines.extend((!config.user.is_empty()).then(|| format!("user {}", config.user)));
    lines.extend(config.exposed_ports.keys().map(|port| format!("port {port}")));
    lines.extend(config.env.iter().map(|variable| format!("env {}", shown(variable))));
    lines.extend(config.entrypoint.as_ref().map(|args| format!("entrypoint [{}]", list(args))));
    lines.extend(config.cmd.as_ref().map(|args| format!("cmd [{}]", list(args))));
    lines.extend(config.healthcheck.as_ref().map(healthcheck));
    lines.extend(config.volumes.keys().map(|path| format!("volume {}", shown(path))));
    lines.extend((!config.working_dir.is_empty()).then(|| format!("workdir {}", config.working_dir)));
    lines.extend(config.on_build.iter().map(|trigger| format!("onbuild {}", shown(trigger))));
    lines.extend(config.labels.iter().map(|(name, value)| format!("label {name}={}", shown(value))));
    lines.extend(config.stop_signal.as_ref().map(|signal| format!("stop signal {signal}")));
    lines.extend(config.shell.as_ref().map(|shell| format!("shell [{}]", list(shell))));
    lines
}

fn healthcheck(check: &Healthcheck) -> String {
    let mut text = format!("healthcheck {}", check.test.join(" "));
    for (name, value) in [
        ("interval", check.interval),
        ("timeout", check.timeout),
        ("start-period", check.start_period),
        ("start-interval", check.start_interval),
    ] {
        if value != 0 {
            text.push_str(&format!(" {name}={value}ns"));
        }
    }
    if check.retries != 0 {
        text.push_str(&format!(" retries={}", check.retries));
    }
    text
}

/// A value on one line.
pub(super) fn shown(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\n', "\\n").replace('\r', "\\r")
}
