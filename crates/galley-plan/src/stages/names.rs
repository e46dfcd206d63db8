//! What a name stands for in FROM, `COPY --from` and `RUN --mount=from`: a named context, a stage or an image.

use galley_image::{Platform, Reference};
use galley_syntax::suggest;
use galley_syntax::{Diagnostic, Span};

use super::{ImageName, ImageNeed, Stage, Stages};
use crate::lower::{LowerOptions, NamedContextKind};

/// Where files come from, once the name is understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// `scratch`: an empty tree.
    Empty,
    /// What a stage ends with.
    Stage(usize),
    /// The root file system of an image.
    Image(ImageNeed),
    /// The files of a context; the main one has the empty name.
    Directory(String),
}

/// Who asks for a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// `COPY --from`.
    Copy,
    /// `RUN --mount=from`.
    Mount,
}

/// The reserved name of the empty base.
pub(crate) const SCRATCH: &str = "scratch";

impl Stages {
    /// What `name` stands for in a step of the stage `user`; a warning comes along where it is probably a slip.
    pub(crate) fn source(
        &self,
        name: &str,
        span: Span,
        user: &Stage,
        wanted: Wanted,
    ) -> Result<(Source, Option<Diagnostic>), Diagnostic> {
        let name = name.trim();
        if name.is_empty() {
            let empty = Diagnostic::error("unknown-source", span, "`from` names nothing");
            return Err(
                empty.help("write a stage, an image or a named context; the build context needs no `from`")
            );
        }
        if let Some(source) = named_context(name, &user.platform, &self.options) {
            return Ok((source, None));
        }
        if name.eq_ignore_ascii_case(SCRATCH) {
            return match wanted {
                Wanted::Mount => Ok((Source::Empty, None)),
                Wanted::Copy => {
                    let empty =
                        Diagnostic::error("copy-from-scratch", span, "there is nothing to copy in `scratch`");
                    Err(empty.help("name a stage, an image or a named context"))
                }
            };
        }
        let earlier = self.list.get(..user.index).unwrap_or_default();
        if let Some(index) = find_by_name(earlier, name).or_else(|| find_by_name(&self.list, name)) {
            return Ok((Source::Stage(index), (index > user.index).then(|| further_down(name, span))));
        }
        if name.bytes().all(|byte| byte.is_ascii_digit()) {
            return self.by_number(name, span, user).map(|index| (Source::Stage(index), None));
        }
        let source = image(name, span, &user.platform).map_err(|error| self.suggest_stage(error, name))?;
        Ok((source, self.probably_a_stage(name, span, &self.list)))
    }

    fn by_number(&self, name: &str, span: Span, user: &Stage) -> Result<usize, Diagnostic> {
        let error = |text: String| Diagnostic::error("unknown-stage", span, text);
        match name.parse::<usize>() {
            Ok(index) if index < user.index => Ok(index),
            Ok(index) if index == user.index => Err(error(format!("stage {name} is this stage itself"))
                .help("stages are counted from 0; name an earlier one")),
            Ok(index) if index < self.list.len() => Err(error(format!("stage {name} comes only later"))
                .help("by number only earlier stages can be used; give it a name with `AS`")),
            _ => {
                let text = match self.list.len() {
                    1 => "this file has one stage, number 0".to_owned(),
                    count => format!("this file has {count} stages, from 0 to {}", count - 1),
                };
                Err(error(format!("there is no stage {name}")).help(text))
            }
        }
    }

    fn suggest_stage(&self, error: Diagnostic, name: &str) -> Diagnostic {
        let names = self.list.iter().filter_map(|stage| stage.name.as_deref());
        match suggest::did_you_mean(name, names) {
            Some(help) => error.help(help),
            None => error,
        }
    }

    fn probably_a_stage(&self, name: &str, span: Span, stages: &[Stage]) -> Option<Diagnostic> {
        let names = stages.iter().filter_map(|stage| stage.name.as_deref());
        let contexts = self.options.named_contexts.keys().map(String::as_str);
        slip(name, span, names.chain(contexts))
    }
}

/// A warning for a stage that stands below the one that reads it.
fn further_down(name: &str, span: Span) -> Diagnostic {
    let text = format!("the stage `{name}` stands further down, where docker does not look for it");
    Diagnostic::warning("later-stage", span, text).help("move it above this stage")
}

/// A warning where `name` is about to be looked up as an image but is nearly the name of a stage or context.
pub(crate) fn slip<'a>(
    name: &str,
    span: Span,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<Diagnostic> {
    if name.contains(['/', ':', '@']) {
        return None;
    }
    let near = suggest::nearest(name, known)?;
    let text = format!("there is no stage or context `{name}`, so it is taken for an image");
    let warning = Diagnostic::warning("probably-a-stage", span, text);
    Some(warning.help(format!("did you mean `{near}`?")))
}

/// The last stage of that name, without regard to case.
pub(crate) fn find_by_name(stages: &[Stage], name: &str) -> Option<usize> {
    let same = |stage: &Stage| stage.name.as_ref().is_some_and(|known| known.eq_ignore_ascii_case(name));
    stages.iter().rposition(same)
}

/// An image by its reference.
pub(crate) fn image(name: &str, span: Span, platform: &Platform) -> Result<Source, Diagnostic> {
    let reference: Reference =
        name.parse().map_err(|error| Diagnostic::error("invalid-image", span, format!("{error}")))?;
    let name = ImageName::Reference(reference);
    Ok(Source::Image(ImageNeed { name, platform: platform.clone() }))
}

/// The named context that stands for `name`: `name::platform` first, then the name as it is or as an image is called.
pub(crate) fn named_context(name: &str, platform: &Platform, options: &LowerOptions) -> Option<Source> {
    let wanted = canonical(name);
    let special = format!("{wanted}::{platform}");
    let find = |wanted: &str| {
        options.named_contexts.iter().find(|(known, _)| {
            let (plain, suffix) =
                known.split_once("::").map_or((known.as_str(), None), |(a, b)| (a, Some(b)));
            let plain = canonical(plain);
            suffix.map_or_else(|| plain == wanted, |suffix| format!("{plain}::{suffix}") == wanted)
        })
    };
    let (known, kind) = find(&special).or_else(|| find(&wanted))?;
    Some(match kind {
        NamedContextKind::Directory => Source::Directory(known.clone()),
        NamedContextKind::Image => Source::Image(ImageNeed {
            name: ImageName::NamedContext(known.clone()),
            platform: platform.clone(),
        }),
    })
}

/// A name as contexts are compared: `docker.io/library/alpine:latest` is `alpine`, and case is dropped where it cannot be
/// an image.
fn canonical(name: &str) -> String {
    match name.parse::<Reference>() {
        Ok(reference) => {
            let familiar = reference.familiar();
            familiar.strip_suffix(":latest").map(str::to_owned).unwrap_or(familiar)
        }
        Err(_) => name.to_ascii_lowercase(),
    }
}
