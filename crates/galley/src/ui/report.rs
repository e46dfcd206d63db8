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

/// Findings about the Dockerfile, one after another.
pub fn diagnostics(findings: &[Diagnostic], source: &Source, color: bool) -> String {
    let shown: Vec<String> =
        findings.iter().map(|finding| diagnostics::diagnostic(finding, file(source), color)).collect();
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
        problem => (problem.to_string(), None),
    };
    let failed = diagnostics::FailedStep { span, message: &message, code, output: &step.output };
    diagnostics::failed_step(&failed, file(source), color)
}

fn file(source: &Source) -> SourceFile<'_> {
    SourceFile { name: &source.shown, bytes: &source.dockerfile }
}
