//! COPY and ADD.

use super::flags::{FlagKind, Flags, Known};
use super::heredocs;
use super::instruction::{Parts, Reader};
use crate::ast::{AddInstruction, CopyInstruction, CopySource, InstructionKind, Word};
use crate::diagnostic::Diagnostic;
use crate::heredoc::Heredoc;
use crate::mode;

const COPY_FLAGS: Known = &[
    ("from", FlagKind::Value),
    ("chown", FlagKind::Value),
    ("chmod", FlagKind::Value),
    ("link", FlagKind::Switch),
    ("parents", FlagKind::Switch),
    ("exclude", FlagKind::List),
];

const ADD_FLAGS: Known = &[
    ("chown", FlagKind::Value),
    ("chmod", FlagKind::Value),
    ("link", FlagKind::Switch),
    ("exclude", FlagKind::List),
    ("checksum", FlagKind::Value),
    ("keep-git-dir", FlagKind::Switch),
    ("unpack", FlagKind::Switch),
];

impl Reader<'_> {
    pub(super) fn copy(&mut self, parts: &Parts<'_>) -> Option<InstructionKind> {
        let flags = Flags::check(parts.flags, parts.keyword, COPY_FLAGS, self.diagnostics);
        let from = flags.value("from").cloned();
        if let Some(word) = from.as_ref().filter(|word| word.has_variable()) {
            self.report(
                Diagnostic::error("variable-in-from", word.span(), "`--from` does not expand variables")
                    .help("give the image a stage name (`FROM image:$TAG AS name`) and copy `--from=name`"),
            );
        }
        let (sources, dest) = self.sources_and_dest(parts)?;
        Some(InstructionKind::Copy(CopyInstruction {
            from,
            chown: flags.value("chown").cloned(),
            chmod: self.chmod(&flags),
            link: flags.switch("link").unwrap_or(false),
            parents: flags.switch("parents").unwrap_or(false),
            exclude: flags.list("exclude").cloned().collect(),
            sources,
            dest,
        }))
    }

    pub(super) fn add(&mut self, parts: &Parts<'_>) -> Option<InstructionKind> {
        let flags = Flags::check(parts.flags, parts.keyword, ADD_FLAGS, self.diagnostics);
        let (sources, dest) = self.sources_and_dest(parts)?;
        Some(InstructionKind::Add(AddInstruction {
            chown: flags.value("chown").cloned(),
            chmod: self.chmod(&flags),
            link: flags.switch("link").unwrap_or(false),
            exclude: flags.list("exclude").cloned().collect(),
            checksum: flags.value("checksum").cloned(),
            keep_git_dir: flags.switch("keep-git-dir").unwrap_or(false),
            unpack: flags.switch("unpack"),
            sources,
            dest,
        }))
    }

    /// `--chmod`, checked at once where no variable stands in it.
    fn chmod(&mut self, flags: &Flags<'_>) -> Option<Word> {
        let word = flags.value("chmod")?;
        if !word.has_variable()
            && let Err(error) = mode::parse(word.as_str())
        {
            self.report(
                Diagnostic::error("invalid-mode", word.span(), error.to_string())
                    .help("write octal digits such as `755`, or symbols such as `u=rwX,go=rX`"),
            );
        }
        Some(word.clone())
    }

    fn sources_and_dest(&mut self, parts: &Parts<'_>) -> Option<(Vec<CopySource>, Word)> {
        let mut words = self.words_or_strings(parts)?;
        let dest = words.pop();
        let (Some(dest), false) = (dest, words.is_empty()) else {
            let span = parts.keyword_span.to(parts.args.span());
            let text = format!("{} needs at least one source and a destination", parts.keyword);
            let example = format!("write `{} source destination`", parts.keyword);
            self.report(Diagnostic::error("missing-arguments", span, text).help(example));
            return None;
        };
        if heredocs::operator(&dest.0).is_some() {
            let text = "a here-document cannot be the destination";
            self.report(
                Diagnostic::error("heredoc-as-destination", dest.span(), text)
                    .help(format!("write the file's path after it: `{} <<EOF /path`", parts.keyword)),
            );
            return None;
        }
        let mut sources = Vec::new();
        for word in words {
            let inside = |heredoc: &Heredoc| heredoc.operator.contains(word.span());
            match parts.heredocs.iter().position(inside) {
                // `<< EOF` is two words, but one source.
                Some(heredoc) if sources.last() == Some(&CopySource::Heredoc { heredoc }) => {}
                Some(heredoc) => sources.push(CopySource::Heredoc { heredoc }),
                None => sources.push(CopySource::Path(word)),
            }
        }
        Some((sources, dest))
    }
}
