//! FROM: which base a stage has.

use galley_image::Platform;
use galley_syntax::ast::FromInstruction;
use galley_syntax::suggest;
use galley_syntax::{Diagnostic, Instruction, Span};

use super::LowerOptions;
use crate::findings::Findings;
use crate::scope::{Expander, Scope};
use crate::stages::{Source, Stage, names};

/// Lowers one FROM. What is wrong with it is kept in the stage, since a stage that nobody needs may be wrong.
pub(super) fn stage(
    instruction: &Instruction,
    from: &FromInstruction,
    earlier: &[Stage],
    globals: &Scope,
    escape: char,
    options: &LowerOptions,
) -> Stage {
    let mut findings = Findings::default();
    let mut expander = Expander { escape, globals: None, findings: &mut findings };
    let platform = platform(from, globals, &mut expander, options);
    let name = from.alias.as_ref().map(|alias| alias.name.clone());
    let replacement = name.as_ref().and_then(|name| names::named_context(name, &platform, options));
    let replaced = replacement.is_some();
    let base = replacement.unwrap_or_else(|| {
        expander
            .text(&from.image, globals)
            .and_then(|text| base(&text, from.image.span(), earlier, &platform, options, expander.findings))
            .unwrap_or(Source::Empty)
    });
    let problems = match findings.into_result() {
        Ok(warnings) => warnings,
        Err(all) => all,
    };
    Stage {
        index: earlier.len(),
        name,
        from: instruction.span,
        image: from.image.span(),
        base,
        replaced,
        platform,
        instructions: Vec::new(),
        problems,
    }
}

fn platform(
    from: &FromInstruction,
    globals: &Scope,
    expander: &mut Expander<'_>,
    options: &LowerOptions,
) -> Platform {
    let Some(word) = &from.platform else { return options.platform.clone() };
    let Some(text) = expander.text(word, globals) else { return options.platform.clone() };
    match text.parse() {
        Ok(platform) => platform,
        Err(error) => {
            let problem = Diagnostic::error("invalid-platform", word.span(), format!("{error}"));
            expander.findings.push(if text.is_empty() {
                problem.help("`--platform` came out empty: set the argument in it, or delete the flag")
            } else {
                problem
            });
            options.platform.clone()
        }
    }
}

fn base(
    text: &str,
    span: Span,
    earlier: &[Stage],
    platform: &Platform,
    options: &LowerOptions,
    findings: &mut Findings,
) -> Option<Source> {
    if text.is_empty() {
        let empty = Diagnostic::error("empty-base", span, "the base's name came out empty");
        findings.push(empty.help(
            "set the argument with `--build-arg`, or give it a default above the first FROM: `ARG NAME=value`",
        ));
        return None;
    }
    if let Some(source) = names::named_context(text, platform, options) {
        return Some(source);
    }
    if text == names::SCRATCH {
        return Some(Source::Empty);
    }
    if let Some(index) = names::find_by_name(earlier, text) {
        return Some(Source::Stage(index));
    }
    let known = earlier.iter().filter_map(|stage| stage.name.as_deref());
    match names::image(text, span, platform) {
        Ok(source) => {
            findings.extend(names::slip(text, span, known));
            Some(source)
        }
        Err(error) => {
            findings.push(match suggest::did_you_mean(text, known) {
                Some(help) => error.help(help),
                None => error,
            });
            None
        }
    }
}
