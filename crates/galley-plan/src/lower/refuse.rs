//! What the language has and galley does not build: refused with a place before anything runs, never ignored.

use galley_image::Platform;
use galley_syntax::ast::{AddInstruction, CopySource, RunInstruction, SecurityMode, Word};
use galley_syntax::mode::Mode;
use galley_syntax::mount::MountKey;
use galley_syntax::{Diagnostic, Instruction, InstructionKind, Span, mode};

use crate::findings::Findings;
use crate::scope::{Expander, Scope};

/// Refuses what can be seen without knowing any variable; [`crate::plan()`] asks again with all of them.
pub(super) fn instruction(
    instruction: &Instruction,
    escape: char,
    platform: &Platform,
    build: &Platform,
    findings: &mut Findings,
) {
    match &instruction.kind {
        InstructionKind::Run(run) => {
            findings.extend(privileges(run));
            findings.extend(foreign_platform(instruction.keyword.span, platform, build));
            findings.extend(run.mounts.iter().filter_map(|mount| {
                let kind = mount.options.iter().rfind(|option| option.key.value == MountKey::Type)?;
                let is_ssh = kind.value.as_ref()?.as_str().eq_ignore_ascii_case("ssh");
                is_ssh.then(|| ssh(mount.span))
            }));
        }
        InstructionKind::Copy(copy) => {
            let mut constant = Constant { escape, findings };
            if let Some((text, span)) = copy.chmod.as_ref().and_then(|word| constant.value(word)) {
                findings.extend(self::mode(&text, span).err());
            }
        }
        InstructionKind::Add(add) => add_instruction(add, escape, findings),
        _ => {}
    }
}

fn add_instruction(add: &AddInstruction, escape: char, findings: &mut Findings) {
    let mut constant = Constant { escape, findings };
    let mode = add.chmod.as_ref().and_then(|word| constant.value(word));
    let paths = add.sources.iter().filter_map(|source| match source {
        CopySource::Path(word) => Some(word),
        CopySource::Heredoc { .. } => None,
    });
    let sources: Vec<(String, Span)> = paths.filter_map(|word| constant.value(word)).collect();
    findings.extend(mode.and_then(|(text, span)| self::mode(&text, span).err()));
    findings.extend(sources.iter().filter_map(|(text, span)| remote(text, *span)));
}

/// Expands words that hold no variable.
struct Constant<'f> {
    escape: char,
    findings: &'f mut Findings,
}

impl Constant<'_> {
    fn value(&mut self, word: &Word) -> Option<(String, Span)> {
        if word.has_variable() {
            return None;
        }
        let mut expander = Expander { escape: self.escape, globals: None, findings: self.findings };
        Some((expander.text(word, &Scope::default())?, word.span()))
    }
}

/// `RUN --security=insecure` and `RUN --device`.
pub(crate) fn privileges(run: &RunInstruction) -> Vec<Diagnostic> {
    let insecure = run.security.as_ref().filter(|mode| mode.value == SecurityMode::Insecure).map(|mode| {
        unsupported(mode.span, "galley does not run steps without its sandbox")
            .help("delete `--security=insecure`, or do this part outside the build")
    });
    let devices = run.devices.iter().map(|device| {
        unsupported(device.span, format!("galley does not give steps devices such as `{}`", device.value))
            .help("delete `--device`, or do this part outside the build")
    });
    insecure.into_iter().chain(devices).collect()
}

/// A process of another platform.
pub(crate) fn foreign_platform(span: Span, platform: &Platform, build: &Platform) -> Option<Diagnostic> {
    let runs = |platform: &Platform| build.accepts(platform);
    // An x86-64 kernel runs 32-bit programs of its family too.
    let narrower = build.architecture == "amd64" && platform.architecture == "386" && build.os == platform.os;
    (!runs(platform) && !narrower).then(|| {
        unsupported(
            span,
            format!("this stage is for {platform}, but only programs for {build} run on this machine"),
        )
        .help("write `FROM --platform=$BUILDPLATFORM` where the stage can cross-compile")
    })
}

/// `RUN --mount=type=ssh`.
pub(crate) fn ssh(span: Span) -> Diagnostic {
    unsupported(span, "galley does not give steps an SSH agent")
        .help("hand a key in with `--mount=type=secret`, or fetch the sources before the build")
}

/// A source of ADD that is not a local file: a URL or a git repository.
pub(crate) fn remote(text: &str, span: Span) -> Option<Diagnostic> {
    let what = if is_git(text) {
        "git repositories"
    } else if is_http(text) {
        "files from the network"
    } else {
        return None;
    };
    Some(
        unsupported(span, format!("galley does not ADD {what} yet"))
            .help("fetch it in a RUN step that checks its digest, or before the build and COPY it"),
    )
}

/// What `--chmod` says.
///
/// # Errors
/// For what is no mode.
pub(crate) fn mode(text: &str, span: Span) -> Result<Mode, Diagnostic> {
    mode::parse(text).map_err(|error| {
        Diagnostic::error("invalid-mode", span, error.to_string())
            .help("write octal digits, such as `--chmod=0644`, or changes, such as `--chmod=u=rwX,go=rX`")
    })
}

/// Whether a source of ADD or COPY is a URL.
pub(crate) fn is_http(text: &str) -> bool {
    let starts =
        |prefix: &str| text.get(..prefix.len()).is_some_and(|head| head.eq_ignore_ascii_case(prefix));
    starts("http://") || starts("https://")
}

/// Whether a source of ADD is a git repository: `git@host:path`, `git://`, `ssh://`, or a URL whose path ends in `.git`.
pub(crate) fn is_git(text: &str) -> bool {
    let path = text.split(['#', '?']).next().unwrap_or(text);
    let scp = path.split_once('@').is_some_and(|(user, rest)| {
        let is_name = |text: &str| {
            !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
        };
        is_name(user) && rest.split_once(':').is_some_and(|(host, path)| is_name(host) && !path.is_empty())
    });
    text.starts_with("git://") || text.starts_with("ssh://") || scp || is_http(text) && path.ends_with(".git")
}

fn unsupported(span: Span, message: impl Into<String>) -> Diagnostic {
    Diagnostic::error("unsupported", span, message)
}
