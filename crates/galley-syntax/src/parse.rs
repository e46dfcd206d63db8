//! From bytes to [`Parsed`]: lines are grouped into instructions here; what an instruction says is read below.
//!
//! Line rules are docker's: a comment or blank line inside a continuation is dropped, here-document bodies follow the
//! logical line that announces them, and directives stand only at the very top.

mod args;
mod files;
mod flags;
mod heredocs;
mod instruction;
mod json;
mod onbuild;
mod pairs;
mod process;
mod top;

pub use top::parse_check;

use crate::Parsed;
use crate::ast::{Instruction, InstructionKind};
use crate::comment::Comment;
use crate::diagnostic::{Diagnostic, Safety};
use crate::directive::Directives;
use crate::layout::{self, Line, LineKind, RawLine};
use crate::source_text::{SourceText, SourceTextBuilder};
use crate::span::{Span, offset};

/// The longest physical line docker reads, in bytes, the line end not counted.
const LONGEST_LINE: usize = 65_535;

/// Parses a Dockerfile. Takes any bytes, and never fails: see [`Parsed::diagnostics`].
#[must_use]
pub fn parse(bytes: &[u8]) -> Parsed {
    let mut parser = Parser::new(bytes);
    parser.run();
    let structure = structure_diagnostics(&parser.instructions, bytes);
    parser.diagnostics.extend(structure);
    parser.finish()
}

/// Parses instructions that do not make a whole file, such as the ONBUILD triggers of an image: as [`parse`], but
/// without directives and without asking for a FROM.
#[must_use]
pub fn parse_fragment(bytes: &[u8]) -> Parsed {
    let mut parser = Parser::new(bytes);
    parser.top = false;
    parser.run();
    parser.finish()
}

/// What a file must have as a whole: an instruction, and a FROM before all but ARG.
fn structure_diagnostics(instructions: &[Instruction], source: &[u8]) -> Vec<Diagnostic> {
    let Some(first) = instructions.first() else {
        let all = Span::from_range(0..source.len());
        return vec![
            Diagnostic::error("empty-dockerfile", all, "the file has no instructions")
                .help("a Dockerfile starts with a base: `FROM image`"),
        ];
    };
    let from = instructions.iter().position(|i| i.keyword.value.eq_ignore_ascii_case("FROM"));
    let before = instructions.get(..from.unwrap_or(instructions.len())).unwrap_or_default();
    let mut found: Vec<Diagnostic> = before
        .iter()
        .filter(|i| !matches!(i.kind, InstructionKind::Arg(_) | InstructionKind::Invalid))
        .map(|i| {
            let name = i.kind.name();
            Diagnostic::error(
                "instruction-before-from",
                i.span,
                format!("{name} stands before the first FROM"),
            )
            .help("only ARG may come before FROM; move this line below it")
        })
        .collect();
    if from.is_none() && found.is_empty() {
        found.push(
            Diagnostic::error(
                "missing-from",
                first.span,
                "the file has no FROM, so there is nothing to build",
            )
            .help("add a base: `FROM image`, or `FROM scratch` for an empty one"),
        );
    }
    found
}

/// The state of a parse.
struct Parser<'s> {
    source: &'s [u8],
    raw: Vec<RawLine>,
    /// The next raw line.
    at: usize,
    /// True until the first line that is no directive.
    top: bool,
    lines: Vec<Line>,
    comments: Vec<Comment>,
    directives: Directives,
    instructions: Vec<Instruction>,
    diagnostics: Vec<Diagnostic>,
}

impl<'s> Parser<'s> {
    fn new(source: &'s [u8]) -> Self {
        Self {
            source,
            raw: Vec::new(),
            at: 0,
            top: true,
            lines: Vec::new(),
            comments: Vec::new(),
            directives: Directives::default(),
            instructions: Vec::new(),
            diagnostics: Vec::new(),
        }
    }

    fn run(&mut self) {
        if u32::try_from(self.source.len()).is_err() {
            let start = Span::at(0);
            let problem = Diagnostic::error("file-too-large", start, "the file is larger than 4 GiB");
            self.diagnostics.push(problem.help("is this a Dockerfile?"));
            return;
        }
        self.raw = layout::split_lines(self.source);
        while let Some(line) = self.raw.get(self.at).copied() {
            self.at += 1;
            self.check_line(line);
            if self.top {
                self.top = self.directive_line(line);
                if self.top {
                    continue;
                }
            }
            self.line_between(line);
        }
    }

    fn finish(mut self) -> Parsed {
        self.diagnostics.sort_by_key(|diagnostic| diagnostic.span);
        Parsed {
            directives: self.directives,
            instructions: self.instructions,
            diagnostics: self.diagnostics,
            lines: self.lines,
            source: self.source.to_vec(),
        }
    }

    fn check_line(&mut self, line: RawLine) {
        let len = line.content.len();
        if len > LONGEST_LINE {
            let text = format!("this line has {len} bytes; a Dockerfile's line may have {LONGEST_LINE}");
            self.diagnostics.push(
                Diagnostic::error("line-too-long", line.content, text)
                    .help("break it with a continuation, or COPY the data from a file"),
            );
        }
    }

    /// A line that is not inside an instruction: blank, a comment, or the start of one.
    fn line_between(&mut self, line: RawLine) {
        let trimmed = layout::trim(self.source, line.content);
        if trimmed.is_empty() {
            self.comments.clear();
            self.keep(line, LineKind::Blank, None);
        } else if trimmed.of(self.source).starts_with(b"#") {
            let comment = self.comment(trimmed);
            self.late_directive(&comment);
            self.comments.push(comment);
            self.keep(line, LineKind::Comment, None);
        } else {
            let comments = std::mem::take(&mut self.comments);
            self.instruction(line, comments);
        }
    }

    fn keep(&mut self, line: RawLine, kind: LineKind, instruction: Option<usize>) {
        self.lines.push(Line { span: line.full, kind, instruction });
    }

    fn comment(&self, span: Span) -> Comment {
        let mut text = SourceTextBuilder::default();
        let inner = layout::trim(self.source, Span::new(span.start + 1, span.end));
        text.push_bytes(self.source, inner);
        Comment { span, text: text.finish(inner) }
    }

    /// Reads an instruction that starts on `first`: its logical line, its here-documents, its meaning.
    fn instruction(&mut self, first: RawLine, comments: Vec<Comment>) {
        let (text, end) = self.logical_line(first);
        let heredocs = self.heredocs(&text);
        let end = heredocs.last().map_or(end, |heredoc| heredoc.terminator.end);
        let escape = self.directives.escape;
        let mut reader = instruction::Reader { escape, diagnostics: &mut self.diagnostics };
        let instruction = reader.read(&text, end, heredocs, comments);
        self.instructions.push(instruction);
    }

    /// Joins the lines of one instruction. Returns the text, trimmed, and the end of its last line.
    fn logical_line(&mut self, first: RawLine) -> (SourceText, u32) {
        let index = Some(self.instructions.len());
        let escape = u8::try_from(self.directives.escape).unwrap_or(b'\\');
        let mut text = SourceTextBuilder::default();
        let mut clean = true;
        let mut content = layout::trim_start(self.source, first.content);
        let start = content.start;
        let mut end = content.end;
        self.keep(first, LineKind::Instruction, index);
        while let Some(mark) = layout::continuation(self.source, content, escape) {
            clean &= text.push_bytes(self.source, Span::new(content.start, mark.start));
            let Some(line) = self.continuation_line(index) else {
                content = Span::at(end);
                break;
            };
            content = line.content;
            end = content.end;
        }
        clean &= text.push_bytes(self.source, content);
        if !clean {
            self.report_not_utf8(Span::new(start, end));
        }
        let text = text.finish(Span::new(start, end)).trim();
        let end = layout::trim(self.source, Span::new(start, end)).end;
        (text, end)
    }

    /// The next line that belongs to the instruction's text; comments and blank lines in front of it are passed over.
    fn continuation_line(&mut self, instruction: Option<usize>) -> Option<RawLine> {
        let mut blanks: Option<Span> = None;
        let found = loop {
            let Some(line) = self.raw.get(self.at).copied() else { break None };
            self.at += 1;
            self.check_line(line);
            let trimmed = layout::trim(self.source, line.content);
            if trimmed.is_empty() {
                blanks = Some(blanks.map_or(line.full, |span| span.to(line.full)));
                self.keep(line, LineKind::ContinuationBlank, instruction);
            } else if trimmed.of(self.source).starts_with(b"#") {
                self.keep(line, LineKind::ContinuationComment, instruction);
            } else {
                self.keep(line, LineKind::Continuation, instruction);
                break Some(line);
            }
        };
        if let Some(span) = blanks {
            self.report_blank_continuation(span, found.is_some());
        }
        found
    }

    fn report_blank_continuation(&mut self, span: Span, goes_on: bool) {
        let mut problem = Diagnostic::warning(
            "no-empty-continuation",
            span,
            "an empty line after a continuation does not end the instruction",
        )
        .help("delete the empty line, or the continuation character before it");
        // Without a following line, or with comments between, deleting the hull would take more than blank lines.
        if goes_on && span.of(self.source).iter().all(|byte| layout::is_space(*byte)) {
            problem = problem.fix("delete the empty line", Safety::Safe, span, "");
        }
        self.diagnostics.push(problem);
    }

    fn report_not_utf8(&mut self, span: Span) {
        let bytes = span.of(self.source);
        let bad = bytes.utf8_chunks().next().map_or(0, |chunk| chunk.valid().len());
        let at = span.start + offset(bad);
        self.diagnostics.push(
            Diagnostic::error(
                "not-utf8",
                Span::new(at, (at + 1).min(span.end)),
                "this byte is not UTF-8 text",
            )
            .help("save the file as UTF-8; COPY binary data from a file"),
        );
    }
}
