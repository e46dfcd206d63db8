//! A failed build in the words and lines of its Dockerfile.

use galley_build::error::{BuildError, FailedStep, StepProblem};
use galley_sandbox::Exit;
use galley_syntax::Diagnostic;

use super::diagnostics::{self, SourceFile};
use crate::request::source::Source;

/// The text of a failed build. Ends with a line break.
pub fn build_error(error: &BuildError, source: &Source, color: bool) -> String {
    match error {
        BuildError::Dockerfile(findings) => diagnostics(findings, source, color),
        BuildError::Step(step) => failed_step(step, source, color),
        BuildError::Image { reference, span, source: problem } => {
            let message = format!("cannot get the image {reference}: {problem}");
            diagnostics::failed_step(
                &diagnostics::FailedStep { span: *span, message: &message, code: None, output: &[] },
                file(source),
                color,
            )
        }
        other => diagnostics::plain_error(&other.to_string(), color),
    }
}

/// More findings than this are counted and not shown: a file that is no Dockerfile has one in every line.
const MOST_SHOWN: usize = 20;

/// Findings about the Dockerfile, one after another, errors first where there are too many.
pub fn diagnostics(findings: &[Diagnostic], source: &Source, color: bool) -> String {
    let mut findings: Vec<&Diagnostic> = findings.iter().collect();
    let hidden = findings.len().saturating_sub(MOST_SHOWN);
    if hidden > 0 {
        findings.sort_by_key(|finding| !finding.is_error());
        findings.truncate(MOST_SHOWN);
    }
    let shown = findings.iter().map(|finding| diagnostics::diagnostic(finding, file(source), color));
    let mut shown: Vec<String> = shown.collect();
    if hidden > 0 {
        shown.push(format!("and {hidden} more like these; is {} a Dockerfile?\n", source.shown));
    }
    shown.join("\n")
}

fn failed_step(step: &FailedStep, source: &Source, color: bool) -> String {
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
    diagnostics::failed_step(&failed, file(source), color)
}

fn file(source: &Source) -> SourceFile<'_> {
    SourceFile { name: &source.shown, bytes: &source.dockerfile }
}
