//! A failed build in the words and lines of its Dockerfile.

use galley_build::error::{BuildError, FailedStep, StepProblem};
use galley_sandbox::Exit;
use galley_syntax::Diagnostic;

use super::diagnostics::{self, SourceFile};
use crate::request::source::Source;

/// The text of a failed build. Ends with a line break.
pub fn build_error(error: &BuildError, source: &Source, color: bool) -> String {
    error_in(error, file(source), color)
}

/// The text of a bound base that cannot be made, which no file but the configuration asked for. Ends with a line break.
pub fn base_error(error: &BuildError, color: bool) -> String {
    let BuildError::Base(failed) = error else { return diagnostics::plain_error(&error.to_string(), color) };
    let heading = diagnostics::plain_error(&format!("the base {} cannot be made", failed.base), color);
    let recipe = SourceFile { name: &failed.recipe, bytes: &failed.dockerfile };
    format!("{heading}\n{}", error_in(&failed.problem, recipe, color))
}

/// The text of an error whose spans are in `file`.
fn error_in(error: &BuildError, file: SourceFile<'_>, color: bool) -> String {
    let at = |span, message: &str| {
        let place = diagnostics::FailedStep { span, message, code: None, output: &[] };
        diagnostics::failed_step(&place, file, color)
    };
    match error {
        BuildError::Dockerfile(findings) => findings_in(findings, file, color),
        BuildError::Step(step) => failed_step(step, file, color),
        BuildError::Image { reference, span, source: problem } => {
            at(*span, &format!("cannot get the image {reference}: {problem}"))
        }
        BuildError::BaseCycle { span, .. } | BuildError::BaseNotMade { span, .. } => {
            at(*span, &error.to_string())
        }
        BuildError::Base(failed) => {
            let asked = at(failed.span, &format!("the base {} cannot be made", failed.base));
            let recipe = SourceFile { name: &failed.recipe, bytes: &failed.dockerfile };
            format!("{asked}\n{}", error_in(&failed.problem, recipe, color))
        }
        other => diagnostics::plain_error(&other.to_string(), color),
    }
}

/// More findings than this are counted and not shown: a file that is no Dockerfile has one in every line.
const MOST_SHOWN: usize = 20;

/// Findings about the Dockerfile, one after another, errors first where there are too many.
pub fn diagnostics(findings: &[Diagnostic], source: &Source, color: bool) -> String {
    findings_in(findings, file(source), color)
}

fn findings_in(findings: &[Diagnostic], file: SourceFile<'_>, color: bool) -> String {
    let mut findings: Vec<&Diagnostic> = findings.iter().collect();
    let hidden = findings.len().saturating_sub(MOST_SHOWN);
    if hidden > 0 {
        findings.sort_by_key(|finding| !finding.is_error());
        findings.truncate(MOST_SHOWN);
    }
    let shown = findings.iter().map(|finding| diagnostics::diagnostic(finding, file, color));
    let mut shown: Vec<String> = shown.collect();
    if hidden > 0 {
        shown.push(format!("and {hidden} more like these; is {} a Dockerfile?\n", file.name));
    }
    shown.join("\n")
}

fn failed_step(step: &FailedStep, file: SourceFile<'_>, color: bool) -> String {
    let span = step.problem.span().unwrap_or(step.span);
    let (message, code) = match &step.problem {
        StepProblem::Exit(exit) => {
            let ended = match exit {
                Exit::Code(code) => format!("failed with exit code {code}"),
                Exit::Signal(signal) => format!("was ended by signal {signal}"),
            };
            (format!("{} {ended}", super::timeline::one_line(&step.label)), Some(exit.shell_code()))
        }
        problem @ StepProblem::OutOfSpace { .. } => {
            (format!("{} {problem}", super::timeline::one_line(&step.label)), None)
        }
        problem => (problem.to_string(), None),
    };
    let failed = diagnostics::FailedStep { span, message: &message, code, output: &step.output };
    diagnostics::failed_step(&failed, file, color)
}

fn file(source: &Source) -> SourceFile<'_> {
    SourceFile { name: &source.shown, bytes: &source.dockerfile }
}
