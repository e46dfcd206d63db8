//! Lowering: a parsed Dockerfile and the options of a build to the stages that the target needs.

mod from;
pub(crate) mod refuse;

use std::collections::BTreeMap;

use galley_image::Platform;
use galley_syntax::directive::CheckDirective;
use galley_syntax::suggest;
use galley_syntax::{Diagnostic, InstructionKind, LineIndex, Parsed, Span};

use crate::findings::Findings;
use crate::op::Network;
use crate::scope::{Expander, Scope};
use crate::stages::{Resolved, Stage, Stages, names};

/// What a build says about its Dockerfile.
#[derive(Clone, Debug)]
pub struct LowerOptions {
    /// The stages to build, by name or number; none means the last one.
    pub targets: Vec<String>,
    /// `--build-arg`, values known.
    pub build_args: BTreeMap<String, String>,
    /// `--build-context`: the names, and what each of them is.
    pub named_contexts: BTreeMap<String, NamedContextKind>,
    /// `--platform`: what is built for.
    pub platform: Platform,
    /// What is built on; processes of other platforms cannot run.
    pub build_platform: Platform,
    /// `--label`: set on the targets, over the Dockerfile's.
    pub labels: BTreeMap<String, String>,
    /// `--network`: what `RUN --network=default` means.
    pub network: Network,
}

impl LowerOptions {
    /// Options of a plain build for `platform` on the same platform: the last stage, no arguments, no contexts.
    #[must_use]
    pub fn new(platform: Platform) -> Self {
        Self {
            targets: Vec::new(),
            build_args: BTreeMap::new(),
            named_contexts: BTreeMap::new(),
            build_platform: platform.clone(),
            platform,
            labels: BTreeMap::new(),
            network: Network::Host,
        }
    }
}

/// What a named context is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NamedContextKind {
    /// Files of a directory.
    Directory,
    /// An image: `docker-image://`, `oci-layout://`.
    Image,
}

/// Lowers a Dockerfile.
///
/// # Errors
/// The parser's findings if there are errors among them; else everything that is wrong with the stages' names and bases, and everything
/// that the targets need and that galley does not build. Each has a span.
pub fn lower(parsed: &Parsed, options: &LowerOptions) -> Result<Stages, Vec<Diagnostic>> {
    if parsed.has_errors() {
        return Err(parsed.diagnostics.clone());
    }
    let mut findings = Findings::from_warnings(parsed.diagnostics.clone());
    findings.extend(parsed.directives.check.as_ref().and_then(unchecked));
    let escape = parsed.directives.escape;
    let globals = globals(parsed, options, &mut findings);
    let list = stages(parsed, &globals, options);
    findings.extend(duplicate_names(&list));
    let targets = targets(&list, options, &mut findings);
    let lines = LineIndex::new(parsed.source());
    let mut stages =
        Stages { list, targets, globals, options: options.clone(), lines, escape, warnings: Vec::new() };
    refuse_unsupported(&stages, &mut findings);
    stages.warnings = findings.into_result()?;
    Ok(stages)
}

/// A warning where checks should fail the build: there are none to do it.
fn unchecked(check: &CheckDirective) -> Option<Diagnostic> {
    let text = "galley has no build checks yet, so `error=true` does not fail the build";
    check.error.then(|| Diagnostic::warning("check-error", check.span, text))
}

/// The scope before the first FROM.
fn globals(parsed: &Parsed, options: &LowerOptions, findings: &mut Findings) -> Scope {
    let mut scope = Scope::global(options);
    let mut expander = Expander { escape: parsed.directives.escape, globals: None, findings };
    for instruction in &parsed.instructions {
        match &instruction.kind {
            InstructionKind::From(_) => break,
            InstructionKind::Arg(arg) => {
                for declaration in &arg.args {
                    scope.declare(declaration, options, |_| None, &mut expander);
                }
            }
            _ => {}
        }
    }
    scope
}

fn stages(parsed: &Parsed, globals: &Scope, options: &LowerOptions) -> Vec<Stage> {
    let escape = parsed.directives.escape;
    let mut stages: Vec<Stage> = Vec::new();
    for instruction in &parsed.instructions {
        if let InstructionKind::From(base) = &instruction.kind {
            let stage = from::stage(instruction, base, &stages, globals, escape, options);
            stages.push(stage);
        } else if let Some(stage) = stages.last_mut().filter(|stage| !stage.replaced) {
            stage.instructions.push(instruction.clone());
        }
    }
    stages
}

fn duplicate_names(stages: &[Stage]) -> Vec<Diagnostic> {
    let mut first: BTreeMap<&str, &Stage> = BTreeMap::new();
    let mut found = Vec::new();
    for stage in stages {
        let Some(name) = stage.name.as_deref() else { continue };
        if let Some(earlier) = first.get(name) {
            let text = format!("a second stage is called `{name}`");
            let warning = Diagnostic::warning("duplicate-stage-name", stage.from, text);
            found.push(warning.label(earlier.from, "the first one").help("give it another name"));
        }
        first.entry(name).or_insert(stage);
    }
    found
}

/// The stages that were asked for. A name or number on the command line stands nowhere in the file, so errors point at
/// the last FROM.
fn targets(stages: &[Stage], options: &LowerOptions, findings: &mut Findings) -> Vec<usize> {
    let Some(last) = stages.last() else {
        let text = "the file has no stage to build";
        findings
            .push(Diagnostic::error("missing-from", Span::default(), text).help("add a base: `FROM image`"));
        return Vec::new();
    };
    if options.targets.is_empty() {
        return vec![last.index];
    }
    let mut found = Vec::new();
    for target in &options.targets {
        let number = || target.parse().ok().filter(|index| *index < stages.len());
        match names::find_by_name(stages, target).or_else(number) {
            Some(index) if found.contains(&index) => {}
            Some(index) => found.push(index),
            None => findings.push(unknown_target(target, stages, last.from)),
        }
    }
    found
}

fn unknown_target(target: &str, stages: &[Stage], span: Span) -> Diagnostic {
    let names: Vec<&str> = stages.iter().filter_map(|stage| stage.name.as_deref()).collect();
    let error = Diagnostic::error("unknown-target", span, format!("there is no stage `{target}` to build"));
    match (suggest::did_you_mean(target, names.iter().copied()), names.as_slice()) {
        (Some(help), _) => error.help(help),
        (None, []) => error
            .help(format!("no stage has a name; use a number from 0 to {}", stages.len().saturating_sub(1))),
        (None, names) => error.help(format!("the stages are {}", names.join(", "))),
    }
}

/// Reports what the needed stages have that galley does not build, and circles of stages.
fn refuse_unsupported(stages: &Stages, findings: &mut Findings) {
    let nothing = Resolved::default();
    let reach = stages.reach(&nothing);
    for stage in reach.order.iter().filter_map(|index| stages.stage(*index)) {
        for step in stages.steps(stage, &nothing).0 {
            let build = &stages.options.build_platform;
            refuse::instruction(&step.instruction, step.escape, &stage.platform, build, findings);
        }
    }
    findings.merge(reach.findings);
}
