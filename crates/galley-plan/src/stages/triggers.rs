//! A stage's steps: the triggers (ONBUILD) that its base brings, then its own instructions.

use std::borrow::Cow;

use galley_syntax::{Diagnostic, Instruction, InstructionKind, Span, parse_fragment};

use super::{ImageNeed, Resolved, Source, Stage, Stages};

/// One instruction to execute in a stage.
#[derive(Clone, Debug)]
pub(crate) struct Step<'s> {
    pub(crate) instruction: Cow<'s, Instruction>,
    /// Where people are told it is.
    pub(crate) origin: Span,
    /// The escape character of the text that it was read from.
    pub(crate) escape: char,
    /// Its text stands in the configuration of an image and nowhere in the file; this says so.
    pub(crate) foreign: Option<String>,
}

impl Stages {
    /// The steps of a stage, and what is wrong with the triggers among them. Triggers of an image that has not been
    /// resolved are missing.
    pub(crate) fn steps<'s>(
        &'s self,
        stage: &'s Stage,
        resolved: &Resolved,
    ) -> (Vec<Step<'s>>, Vec<Diagnostic>) {
        let (mut steps, problems) = self.triggers(stage, resolved);
        steps.extend(stage.instructions.iter().map(|instruction| Step {
            instruction: Cow::Borrowed(instruction),
            origin: instruction.span,
            escape: self.escape,
            foreign: None,
        }));
        (steps, problems)
    }

    fn triggers<'s>(&'s self, stage: &'s Stage, resolved: &Resolved) -> (Vec<Step<'s>>, Vec<Diagnostic>) {
        if stage.replaced {
            return (Vec::new(), Vec::new());
        }
        match &stage.base {
            Source::Image(need) => foreign(need, stage, resolved),
            Source::Stage(index) => match self.stage(*index) {
                Some(Stage { replaced: true, base: Source::Image(need), .. }) => {
                    foreign(need, stage, resolved)
                }
                Some(base) => (self.own(base, stage.from), Vec::new()),
                None => (Vec::new(), Vec::new()),
            },
            Source::Empty | Source::Directory(_) => (Vec::new(), Vec::new()),
        }
    }

    /// The triggers that a stage of this file sets for stages based on it.
    fn own<'s>(&'s self, base: &'s Stage, origin: Span) -> Vec<Step<'s>> {
        let trigger = |instruction: &'s Instruction| match &instruction.kind {
            InstructionKind::Onbuild(onbuild) => Some(Step {
                instruction: Cow::Borrowed(onbuild.instruction.as_ref()),
                origin,
                escape: self.escape,
                foreign: None,
            }),
            _ => None,
        };
        base.instructions.iter().filter_map(trigger).collect()
    }
}

/// The triggers in an image's configuration.
fn foreign(need: &ImageNeed, stage: &Stage, resolved: &Resolved) -> (Vec<Step<'static>>, Vec<Diagnostic>) {
    let (mut steps, mut problems) = (Vec::new(), Vec::new());
    let triggers = resolved.images.get(need).map(|image| image.config.config.on_build.as_slice());
    for text in triggers.unwrap_or_default() {
        let first = text.lines().next().unwrap_or_default();
        let what = format!("trigger `ONBUILD {first}` of {}", need.name);
        match read_trigger(text) {
            Ok((instructions, escape)) => steps.extend(instructions.into_iter().map(|instruction| Step {
                instruction: Cow::Owned(instruction),
                origin: stage.from,
                escape,
                foreign: Some(what.clone()),
            })),
            Err(why) => problems.push(
                Diagnostic::error("broken-trigger", stage.image, format!("{what}: {why}"))
                    .help("the base was built with a trigger that cannot run; use another base"),
            ),
        }
    }
    (steps, problems)
}

fn read_trigger(text: &str) -> Result<(Vec<Instruction>, char), String> {
    let parsed = parse_fragment(text.as_bytes());
    if let Some(error) = parsed.diagnostics.iter().find(|diagnostic| diagnostic.is_error()) {
        return Err(error.message.clone());
    }
    let allowed = |instruction: &Instruction| {
        use InstructionKind::{From, Invalid, Maintainer, Onbuild};
        !matches!(instruction.kind, From(_) | Onbuild(_) | Maintainer(_) | Invalid)
    };
    match parsed.instructions.iter().find(|instruction| !allowed(instruction)) {
        Some(instruction) => Err(format!("{} is not allowed in a trigger", instruction.keyword.value)),
        None => Ok((parsed.instructions, parsed.directives.escape)),
    }
}
