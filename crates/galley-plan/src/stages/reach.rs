//! Which stages the targets need, in which order, and what those need from outside.

use galley_syntax::ast::CopySource;
use galley_syntax::mount::{Mount, MountKey};
use galley_syntax::{Diagnostic, Instruction, InstructionKind, Span};

use super::{Needs, Resolved, Source, Stage, Stages, Wanted};
use crate::findings::Findings;

/// What can be reached from the targets.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reach {
    /// Stages, each after all that it needs.
    pub(crate) order: Vec<usize>,
    /// Everything asked for, found or not.
    pub(crate) needs: Needs,
    pub(crate) findings: Findings,
}

/// How far the walk has come with a stage.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mark {
    New,
    Open,
    Done,
}

/// A stage on the walk's path, with what is left to look at.
struct Open {
    stage: usize,
    /// Where the path came in.
    entered: Span,
    uses: std::vec::IntoIter<(usize, Span)>,
}

impl Stages {
    /// Walks from the targets along everything that stages use. The walk keeps its path itself, so that a file of any
    /// length fits.
    pub(crate) fn reach(&self, resolved: &Resolved) -> Reach {
        let mut reach = Reach::default();
        let mut marks = vec![Mark::New; self.list.len()];
        for target in &self.targets {
            let Some(stage) = self.stage(*target) else { continue };
            if marks.get(*target) == Some(&Mark::New) {
                self.walk(stage, resolved, &mut marks, &mut reach);
            }
        }
        reach.findings.retract("later-stage", "stage-cycle");
        reach
    }

    fn walk(&self, target: &Stage, resolved: &Resolved, marks: &mut [Mark], reach: &mut Reach) {
        let mut path = vec![self.enter(target, target.from, resolved, marks, reach)];
        while let Some(open) = path.last_mut() {
            let Some((used, span)) = open.uses.next() else {
                if let Some(mark) = marks.get_mut(open.stage) {
                    *mark = Mark::Done;
                }
                reach.order.push(open.stage);
                path.pop();
                continue;
            };
            match (marks.get(used), self.stage(used)) {
                (Some(Mark::New), Some(stage)) => {
                    let entered = self.enter(stage, span, resolved, marks, reach);
                    path.push(entered);
                }
                (Some(Mark::Open), _) => reach.findings.push(self.cycle(&path, used, span)),
                _ => {}
            }
        }
    }

    fn enter(
        &self,
        stage: &Stage,
        entered: Span,
        resolved: &Resolved,
        marks: &mut [Mark],
        reach: &mut Reach,
    ) -> Open {
        if let Some(mark) = marks.get_mut(stage.index) {
            *mark = Mark::Open;
        }
        reach.findings.extend(stage.problems.iter().cloned());
        let mut uses = Uses { stages: self, user: stage, reach, found: Vec::new() };
        uses.take(stage.base.clone(), stage.image);
        let (steps, problems) = self.steps(stage, resolved);
        uses.reach.findings.extend(problems);
        for step in &steps {
            uses.instruction(&step.instruction, step.foreign.as_ref().map(|_| step.origin));
        }
        Open { stage: stage.index, entered, uses: uses.found.into_iter() }
    }

    fn cycle(&self, path: &[Open], back: usize, span: Span) -> Diagnostic {
        let start = path.iter().position(|open| open.stage == back).unwrap_or(0);
        let round = path.get(start..).unwrap_or_default();
        let name = |index: usize| match self.stage(index).and_then(|stage| stage.name.as_ref()) {
            Some(name) => format!("`{name}`"),
            None => format!("stage {index}"),
        };
        if round.len() < 2 {
            let text = format!("{} needs itself", name(back));
            return Diagnostic::error("stage-cycle", span, text).help("name an earlier stage");
        }
        let names: Vec<String> = round.iter().map(|open| name(open.stage)).collect();
        let text = format!("stages need each other in a circle: {} -> {}", names.join(" -> "), name(back));
        let mut error = Diagnostic::error("stage-cycle", span, text);
        for (open, from) in round.iter().skip(1).zip(&names) {
            error = error.label(open.entered, format!("{from} needs {}", name(open.stage)));
        }
        error.help("move what both need into a stage of its own")
    }
}

/// Collects what one stage uses.
struct Uses<'s, 'r> {
    stages: &'s Stages,
    user: &'s Stage,
    reach: &'r mut Reach,
    found: Vec<(usize, Span)>,
}

impl Uses<'_, '_> {
    fn take(&mut self, source: Source, span: Span) {
        match source {
            Source::Empty => {}
            Source::Stage(index) => self.found.push((index, span)),
            Source::Image(need) => {
                self.reach.needs.images.entry(need).or_insert(span);
            }
            Source::Directory(name) => {
                self.reach.needs.contexts.entry(name).or_insert(span);
            }
        }
    }

    /// What an instruction uses. `pinned` is the place of one that stands nowhere in the file.
    fn instruction(&mut self, instruction: &Instruction, pinned: Option<Span>) {
        let place = |span: Span| pinned.unwrap_or(span);
        match &instruction.kind {
            InstructionKind::Copy(copy) => match &copy.from {
                Some(from) => self.name(from.as_str(), place(from.span()), Wanted::Copy),
                None => self.context(&copy.sources, place(instruction.span)),
            },
            InstructionKind::Add(add) => self.context(&add.sources, place(instruction.span)),
            InstructionKind::Run(run) => {
                for mount in &run.mounts {
                    self.mount(mount, pinned);
                }
            }
            _ => {}
        }
    }

    fn context(&mut self, sources: &[CopySource], span: Span) {
        if sources.iter().any(|source| matches!(source, CopySource::Path(_))) {
            self.take(Source::Directory(String::new()), span);
        }
    }

    fn mount(&mut self, mount: &Mount, pinned: Option<Span>) {
        let last = |key: MountKey| {
            let of_key = mount.options.iter().rev().filter(|option| option.key.value == key);
            of_key.filter_map(|option| option.value.as_ref()).find(|value| !value.as_str().is_empty())
        };
        let place = pinned.unwrap_or(mount.span);
        match (last(MountKey::From), last(MountKey::Type)) {
            (Some(from), _) => self.name(from.as_str(), pinned.unwrap_or(from.span()), Wanted::Mount),
            (None, None) => self.take(Source::Directory(String::new()), place),
            (None, Some(kind)) if kind.as_str().eq_ignore_ascii_case("bind") || kind.has_variable() => {
                self.take(Source::Directory(String::new()), place);
            }
            (None, Some(_)) => {}
        }
    }

    fn name(&mut self, name: &str, span: Span, wanted: Wanted) {
        match self.stages.source(name, span, self.user, wanted) {
            Ok((source, warning)) => {
                self.reach.findings.extend(warning);
                self.take(source, span);
            }
            Err(error) => self.reach.findings.push(error),
        }
    }
}
