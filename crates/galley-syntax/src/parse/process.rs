//! RUN, CMD, ENTRYPOINT, SHELL and HEALTHCHECK.

use std::time::Duration;

use super::flags::{FlagKind, Flags, Known};
use super::instruction::{Parts, Reader};
use super::{args, heredocs, json};
use crate::ast::{
    Command, HealthcheckCommand, HealthcheckInstruction, InstructionKind, NetworkMode, RunCommand,
    RunInstruction, SecurityMode, Word,
};
use crate::diagnostic::{Diagnostic, Safety};
use crate::duration;
use crate::mount;
use crate::source_text::{SourceText, SourceTextBuilder};
use crate::span::Spanned;
use crate::suggest;

const RUN_FLAGS: Known = &[
    ("mount", FlagKind::List),
    ("network", FlagKind::Value),
    ("security", FlagKind::Value),
    ("device", FlagKind::List),
];

const HEALTHCHECK_FLAGS: Known = &[
    ("interval", FlagKind::Value),
    ("timeout", FlagKind::Value),
    ("start-period", FlagKind::Value),
    ("start-interval", FlagKind::Value),
    ("retries", FlagKind::Value),
];

impl Reader<'_> {
    pub(super) fn run(&mut self, parts: &Parts<'_>) -> Option<InstructionKind> {
        let flags = Flags::check(parts.flags, parts.keyword, RUN_FLAGS, self.diagnostics);
        let mounts = flags.list("mount").map(|word| mount::parse(word, self.diagnostics)).collect();
        let network = flags.value("network").and_then(|word| {
            let known =
                [("default", NetworkMode::Default), ("none", NetworkMode::None), ("host", NetworkMode::Host)];
            self.choice("network", word, &known)
        });
        let security = flags.value("security").and_then(|word| {
            let known = [("sandbox", SecurityMode::Sandbox), ("insecure", SecurityMode::Insecure)];
            self.choice("security", word, &known)
        });
        let devices =
            flags.list("device").map(|word| Spanned::new(word.as_str().to_owned(), word.span())).collect();
        let command = self.run_command(parts)?;
        Some(InstructionKind::Run(RunInstruction { mounts, network, security, devices, command }))
    }

    /// A flag's value that is one of a few words.
    fn choice<T: Copy>(&mut self, flag: &str, word: &Word, known: &[(&str, T)]) -> Option<Spanned<T>> {
        let text = word.as_str();
        if let Some((_, value)) = known.iter().find(|(name, _)| *name == text) {
            return Some(Spanned::new(*value, word.span()));
        }
        let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
        let help = suggest::did_you_mean(text, names.iter().copied())
            .unwrap_or_else(|| format!("write one of {}", names.join(", ")));
        let message = format!("`{text}` is no value of `--{flag}`");
        self.report(Diagnostic::error("invalid-flag-value", word.span(), message).help(help));
        None
    }

    fn run_command(&mut self, parts: &Parts<'_>) -> Option<RunCommand> {
        if parts.args.is_empty() {
            self.missing_arguments(parts, "a command");
            return None;
        }
        match self.command(parts)? {
            Command::Exec(argv) if argv.is_empty() => {
                self.missing_arguments(parts, "a command");
                None
            }
            Command::Exec(argv) => Some(RunCommand::Exec(argv)),
            Command::Shell(line) => Some(with_heredocs(line, parts)),
        }
    }

    /// Shell or exec form.
    pub(super) fn command(&mut self, parts: &Parts<'_>) -> Option<Command> {
        match json::strings(&parts.args) {
            json::ExecForm::Array(strings) => Some(Command::Exec(spanned(strings))),
            json::ExecForm::NotStrings => {
                self.not_strings(parts);
                None
            }
            json::ExecForm::NotJson => {
                self.hint_exec_form(parts);
                if parts.args.is_empty() {
                    self.empty_command(parts);
                }
                Some(Command::Shell(parts.args.clone()))
            }
        }
    }

    fn empty_command(&mut self, parts: &Parts<'_>) {
        let text = format!("{} without a command starts a shell with an empty one", parts.keyword);
        self.report(
            Diagnostic::warning("empty-command", parts.keyword_span, text)
                .help(format!("write `{} []` to reset an inherited command", parts.keyword)),
        );
    }

    /// Warns of a shell form that was probably meant as exec form.
    fn hint_exec_form(&mut self, parts: &Parts<'_>) {
        let Some(array) = json::intended(&parts.args) else { return };
        let text = "this is not a JSON array, so it is taken as shell form and `[` as a command";
        self.report(
            Diagnostic::warning("invalid-exec-form", parts.args.span(), text)
                .help(format!("exec form is `{} {array}`, with double quotes and commas", parts.keyword))
                .fix(format!("write `{array}`"), Safety::Unsafe, parts.args.span(), array.clone()),
        );
    }

    pub(super) fn shell(&mut self, parts: &Parts<'_>) -> Option<InstructionKind> {
        match json::strings(&parts.args) {
            json::ExecForm::Array(strings) if !strings.is_empty() => {
                Some(InstructionKind::Shell(spanned(strings)))
            }
            json::ExecForm::NotStrings => {
                self.not_strings(parts);
                None
            }
            _ => {
                let span = parts.keyword_span.to(parts.args.span());
                self.report(
                    Diagnostic::error("shell-not-json", span, "SHELL takes a JSON array and nothing else")
                        .help("write `SHELL [\"/bin/bash\", \"-o\", \"pipefail\", \"-c\"]`"),
                );
                None
            }
        }
    }

    pub(super) fn healthcheck(&mut self, parts: &Parts<'_>) -> Option<InstructionKind> {
        let flags = Flags::check(parts.flags, parts.keyword, HEALTHCHECK_FLAGS, self.diagnostics);
        let (form, rest) = args::split_keyword(&parts.args);
        match form.as_str().to_ascii_uppercase().as_str() {
            "" => {
                self.missing_arguments(parts, "`CMD command` or `NONE`");
                None
            }
            "NONE" if rest.is_empty() && parts.flags.is_empty() => {
                Some(InstructionKind::Healthcheck(HealthcheckInstruction::None))
            }
            "NONE" => {
                let text = "HEALTHCHECK NONE takes neither flags nor arguments";
                let problem = Diagnostic::error("healthcheck-none", parts.args.span(), text);
                self.report(problem.help("delete the rest of the line"));
                None
            }
            "CMD" => self.healthcheck_command(parts, &flags, rest),
            other => {
                let text = format!("HEALTHCHECK cannot be followed by `{}`", form.as_str());
                let help = suggest::did_you_mean(other, ["CMD", "NONE"])
                    .unwrap_or_else(|| "write `HEALTHCHECK CMD command` or `HEALTHCHECK NONE`".into());
                self.report(Diagnostic::error("healthcheck-form", form.span(), text).help(help));
                None
            }
        }
    }

    fn healthcheck_command(
        &mut self,
        parts: &Parts<'_>,
        flags: &Flags<'_>,
        rest: SourceText,
    ) -> Option<InstructionKind> {
        let missing = matches!(json::strings(&rest), json::ExecForm::Array(argv) if argv.is_empty());
        if rest.is_empty() || missing {
            let problem =
                Diagnostic::error("missing-arguments", parts.args.span(), "HEALTHCHECK CMD has no command");
            self.report(problem.help("write the command after CMD, or `HEALTHCHECK NONE`"));
            return None;
        }
        let inner = Parts { args: rest, ..*parts };
        let command = self.command(&inner)?;
        Some(InstructionKind::Healthcheck(HealthcheckInstruction::Cmd(HealthcheckCommand {
            command,
            interval: self.time(flags, "interval"),
            timeout: self.time(flags, "timeout"),
            start_period: self.time(flags, "start-period"),
            start_interval: self.time(flags, "start-interval"),
            retries: self.retries(flags),
        })))
    }

    fn time(&mut self, flags: &Flags<'_>, name: &str) -> Option<Spanned<Duration>> {
        const SHORTEST: Duration = Duration::from_millis(1);
        let word = flags.value(name)?;
        let problem = match duration::parse(word.as_str()) {
            Ok(time) if time.is_zero() || time >= SHORTEST => return Some(Spanned::new(time, word.span())),
            Ok(_) => format!("`--{name}` must be at least 1ms"),
            Err(error) => error.to_string(),
        };
        self.report(
            Diagnostic::error("invalid-duration", word.span(), problem)
                .help("write a number with a unit, such as `30s`, `1m30s` or `500ms`"),
        );
        None
    }

    fn retries(&mut self, flags: &Flags<'_>) -> Option<Spanned<u32>> {
        let word = flags.value("retries")?;
        let Ok(count) = word.as_str().parse::<u32>() else {
            let text = format!("`{}` is no number of retries", word.as_str());
            let problem = Diagnostic::error("invalid-flag-value", word.span(), text);
            self.report(problem.help("write a whole number, such as `--retries=3`"));
            return None;
        };
        Some(Spanned::new(count, word.span()))
    }
}

fn spanned(strings: Vec<SourceText>) -> Vec<Spanned<String>> {
    strings.into_iter().map(|text| Spanned::new(text.as_str().to_owned(), text.span())).collect()
}

/// What the shell gets: the here-document itself where it is all there is, else the line and the here-documents.
fn with_heredocs(line: SourceText, parts: &Parts<'_>) -> RunCommand {
    let Some(first) = parts.heredocs.first() else { return RunCommand::Shell(line) };
    if heredocs::operator(&line).is_some() {
        if first.body.as_str().starts_with("#!") {
            return RunCommand::Script { heredoc: 0 };
        }
        return RunCommand::Shell(first.body.clone());
    }
    RunCommand::Shell(append_heredocs(&line, parts))
}

/// The line, and each here-document as it stands in the file, so that a shell (or this parser) reads them again.
pub(super) fn append_heredocs(line: &SourceText, parts: &Parts<'_>) -> SourceText {
    let mut text = SourceTextBuilder::default();
    text.push_text(line, 0..line.len());
    for heredoc in parts.heredocs {
        text.push_synthetic("\n");
        text.push_text(&heredoc.raw, 0..heredoc.raw.len());
        text.push_synthetic(&heredoc.name.value);
    }
    text.finish(parts.span)
}
