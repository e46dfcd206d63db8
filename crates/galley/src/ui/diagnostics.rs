//! What is wrong, shown in the Dockerfile's own lines: findings about the text, and steps that failed.

use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level, Patch, Renderer, Snippet};
use galley_syntax::{Diagnostic, Severity, Span};

/// The file that a message is about.
#[derive(Clone, Copy, Debug)]
pub struct SourceFile<'a> {
    /// The name that is shown.
    pub name: &'a str,
    /// Its bytes.
    pub bytes: &'a [u8],
}

/// A step that ran and failed.
#[derive(Clone, Copy, Debug)]
pub struct FailedStep<'a> {
    /// The instruction's bytes in the Dockerfile.
    pub span: Span,
    /// What went wrong, in one sentence.
    pub message: &'a str,
    /// The exit code, as a shell shows it, where there is one.
    pub code: Option<i32>,
    /// The last lines of its output.
    pub output: &'a [String],
}

/// One diagnostic with the lines it is about, its help and its first fix. Ends with a line break.
pub fn diagnostic(diagnostic: &Diagnostic, file: SourceFile<'_>, color: bool) -> String {
    let text = Text::new(file);
    let primary = AnnotationKind::Primary.span(text.range(diagnostic.span));
    let context = diagnostic
        .labels
        .iter()
        .map(|label| AnnotationKind::Context.span(text.range(label.span)).label(label.message.as_str()));
    let snippet = text.snippet().annotation(primary).annotations(context);
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Note => Level::NOTE,
    };
    let title = level.primary_title(diagnostic.message.as_str()).id(diagnostic.code);
    let help = diagnostic.help.iter().map(|help| Level::HELP.message(help.as_str()));
    let mut report = vec![title.element(snippet).elements(help)];
    if let Some(fix) = diagnostic.fixes.first() {
        let patches =
            fix.edits.iter().map(|edit| Patch::new(text.range(edit.span), edit.replacement.as_str()));
        let patched = Snippet::source(text.shown.as_str()).path(text.name).patches(patches);
        report.push(Level::HELP.secondary_title(fix.title.as_str()).element(patched));
    }
    render(&report, color)
}

/// A failed step: its lines, its last output, its exit code and what that means. Ends with a line break.
pub fn failed_step(step: &FailedStep<'_>, file: SourceFile<'_>, color: bool) -> String {
    let text = Text::new(file);
    let annotation = AnnotationKind::Primary.span(text.range(step.span));
    let mut group = Level::ERROR.primary_title(step.message).element(text.snippet().annotation(annotation));
    if let Some(meaning) = step.code.and_then(exit_meaning) {
        group = group.element(Level::HELP.message(meaning));
    }
    let mut shown = render(&[group], color);
    if !step.output.is_empty() {
        shown.push_str("last output:\n");
        for line in step.output {
            shown.push_str("  │ ");
            shown.push_str(line);
            shown.push('\n');
        }
    }
    shown
}

/// An error without a place in a file. Ends with a line break.
pub fn plain_error(message: &str, color: bool) -> String {
    render(&[Group::with_title(Level::ERROR.primary_title(message))], color)
}

/// What people mean by an exit code of a shell: POSIX `sh`, "Exit Status", and signal(7) for codes above 128.
pub fn exit_meaning(code: i32) -> Option<&'static str> {
    Some(match code {
        126 => {
            "exit code 126: the command was found but cannot be executed; check its mode bits and its #! line"
        }
        127 => {
            "exit code 127: a command was not found; install it in an earlier step, or check its name and PATH"
        }
        129 => "exit code 129: killed by SIGHUP",
        130 => "exit code 130: interrupted (SIGINT)",
        132 => {
            "exit code 132: an instruction that this processor does not have (SIGILL); was it built for another one?"
        }
        134 => "exit code 134: the program gave up by itself (SIGABRT)",
        135 => "exit code 135: a bus error (SIGBUS); a full disk or /dev/shm is a usual cause",
        136 => "exit code 136: an arithmetic error (SIGFPE)",
        137 => "exit code 137: killed (SIGKILL); the usual cause is that the machine ran out of memory",
        139 => "exit code 139: the program crashed (SIGSEGV)",
        141 => "exit code 141: wrote to a pipe that nobody reads (SIGPIPE)",
        143 => "exit code 143: asked to stop (SIGTERM)",
        159 => "exit code 159: a system call was refused (SIGSYS)",
        _ => return None,
    })
}

fn render(report: &[Group<'_>], color: bool) -> String {
    let renderer = if color { Renderer::styled() } else { Renderer::plain() };
    let mut shown = renderer.render(report);
    shown.push('\n');
    shown
}

/// A file's text with every offset as in its bytes: what is not UTF-8 is shown as `?`, byte for byte.
struct Text<'a> {
    name: &'a str,
    shown: String,
}

impl<'a> Text<'a> {
    fn new(file: SourceFile<'a>) -> Self {
        let mut shown = String::with_capacity(file.bytes.len());
        for chunk in file.bytes.utf8_chunks() {
            shown.push_str(chunk.valid());
            shown.extend(chunk.invalid().iter().map(|_| '?'));
        }
        Self { name: file.name, shown }
    }

    fn snippet<T: Clone>(&self) -> Snippet<'_, T> {
        Snippet::source(self.shown.as_str()).path(self.name)
    }

    /// A span as a range that the renderer accepts: inside the text, between characters, without the last line end.
    fn range(&self, span: Span) -> Range<usize> {
        let start = self.shown.floor_char_boundary(span.range().start.min(self.shown.len()));
        let end = self.shown.ceil_char_boundary(span.range().end.clamp(start, self.shown.len()));
        let covered = self.shown.get(start..end).unwrap_or("");
        start..start + covered.trim_end_matches(['\n', '\r']).len()
    }
}
