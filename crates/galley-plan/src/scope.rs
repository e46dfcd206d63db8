//! Variables: what a name means at one place of the file.
//!
//! ENV and ARG write into one environment, and the last writer wins (so ENV beats an ARG before it, and an ARG beats an ENV
//! before it). Which names are arguments is remembered beside it, for the history.

use std::collections::{BTreeMap, BTreeSet};

use galley_image::Platform;
use galley_syntax::ast::ArgDeclaration;
use galley_syntax::expand::{self, Expanded, VariableUse};
use galley_syntax::suggest;
use galley_syntax::{Diagnostic, Word};

use crate::findings::Findings;
use crate::lower::LowerOptions;

/// Proxy settings that need no declaration (Dockerfile reference, "Predefined ARGs"), in capitals.
pub(crate) const PROXIES: [&str; 5] = ["HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY"];

/// The variables of the global scope or of a stage.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scope {
    variables: Vec<(String, String)>,
    places: BTreeMap<String, usize>,
    arguments: Vec<String>,
    declared: BTreeSet<String>,
}

impl Scope {
    /// The scope before the first FROM: the automatic platform arguments.
    pub(crate) fn global(options: &LowerOptions) -> Self {
        let mut scope = Self::default();
        let target = options.targets.first().map_or("default", String::as_str);
        for (prefix, platform) in [("BUILD", &options.build_platform), ("TARGET", &options.platform)] {
            for (name, value) in automatic(prefix, platform) {
                scope.argument(&name, Some(options.build_args.get(&name).unwrap_or(&value)));
            }
        }
        let target = options.build_args.get("TARGETSTAGE").map_or(target, String::as_str);
        scope.argument("TARGETSTAGE", Some(target));
        scope
    }

    /// The value of `name`.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let (_, value) = self.variables.get(*self.places.get(name)?)?;
        Some(value)
    }

    /// Whether `name` has been declared as an argument, with or without a value.
    pub(crate) fn declares(&self, name: &str) -> bool {
        self.declared.contains(name)
    }

    /// All variables, in the order in which they were first set.
    pub(crate) fn variables(&self) -> &[(String, String)] {
        &self.variables
    }

    /// The declared arguments in order, with the values that they have now.
    pub(crate) fn arguments(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.arguments.iter().map(|name| (name.as_str(), self.get(name).unwrap_or_default()))
    }

    /// Sets a variable.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        match self.places.get(name).and_then(|place| self.variables.get_mut(*place)) {
            Some(variable) => value.clone_into(&mut variable.1),
            None => {
                self.places.insert(name.to_owned(), self.variables.len());
                self.variables.push((name.to_owned(), value.to_owned()));
            }
        }
    }

    /// Declares an argument. One without a value leaves a variable of that name as it is.
    pub(crate) fn argument(&mut self, name: &str, value: Option<impl AsRef<str>>) {
        if self.declared.insert(name.to_owned()) {
            self.arguments.push(name.to_owned());
        }
        if let Some(value) = value {
            self.set(name, value.as_ref());
        }
    }

    /// Executes one declaration of ARG and returns name and value. `inherited` gives the value from the global scope that
    /// an argument without a default takes.
    pub(crate) fn declare(
        &mut self,
        declaration: &ArgDeclaration,
        options: &LowerOptions,
        inherited: impl Fn(&str) -> Option<String>,
        expander: &mut Expander<'_>,
    ) -> Option<(String, Option<String>)> {
        let name = expander.text(&declaration.name, self)?;
        if name.is_empty() {
            let empty = Diagnostic::error("empty-name", declaration.span, "the argument has no name");
            expander.findings.push(empty.help("write `ARG NAME` or `ARG NAME=default`"));
            return None;
        }
        let default = match &declaration.default {
            Some(word) => Some(expander.text(word, self)?),
            None => None,
        };
        let value = options.build_args.get(&name).cloned().or(default).or_else(|| inherited(&name));
        self.argument(&name, value.as_deref());
        Some((name, value))
    }
}

fn automatic(prefix: &str, platform: &Platform) -> [(String, String); 5] {
    let of = |value: &Option<String>| value.clone().unwrap_or_default();
    [
        (format!("{prefix}PLATFORM"), platform.to_string()),
        (format!("{prefix}OS"), platform.os.clone()),
        (format!("{prefix}OSVERSION"), of(&platform.os_version)),
        (format!("{prefix}ARCH"), platform.architecture.clone()),
        (format!("{prefix}VARIANT"), of(&platform.variant)),
    ]
}

/// Expands words, and says what is wrong with them.
pub(crate) struct Expander<'f> {
    /// The file's escape character.
    pub(crate) escape: char,
    /// The scope before the first FROM, where that is not the scope itself: for hints.
    pub(crate) globals: Option<&'f Scope>,
    /// Where problems go.
    pub(crate) findings: &'f mut Findings,
}

impl Expander<'_> {
    /// The value of `word`; `None` where an error was reported.
    pub(crate) fn text(&mut self, word: &Word, scope: &Scope) -> Option<String> {
        self.expand(word, scope).map(|expanded| expanded.text)
    }

    /// The value of `word` and its parts; `None` where an error was reported.
    pub(crate) fn expand(&mut self, word: &Word, scope: &Scope) -> Option<Expanded> {
        match self.try_expand(word, scope) {
            Ok(expanded) => Some(expanded),
            Err(error) => {
                self.findings.push(error);
                None
            }
        }
    }

    /// As [`Expander::expand`], with the error as a value. Variables that nobody set are reported as warnings.
    pub(crate) fn try_expand(&mut self, word: &Word, scope: &Scope) -> Result<Expanded, Diagnostic> {
        let lookup = |name: &str| scope.get(name).map(str::to_owned);
        let expanded =
            expand::expand(word, self.escape, &lookup).map_err(|error| expansion_error(error, word))?;
        self.warn_undefined(&expanded.used, scope);
        Ok(expanded)
    }

    /// The body of a here-document of COPY or ADD; `None` where an error was reported.
    pub(crate) fn heredoc(&mut self, body: &galley_syntax::SourceText, scope: &Scope) -> Option<String> {
        let lookup = |name: &str| scope.get(name).map(str::to_owned);
        match expand::expand_heredoc(body, &lookup) {
            Ok(expanded) => {
                self.warn_undefined(&expanded.used, scope);
                Some(expanded.text)
            }
            Err(error) => {
                self.findings.push(expansion_error(error, &Word(body.clone())));
                None
            }
        }
    }

    fn warn_undefined(&mut self, used: &[VariableUse], scope: &Scope) {
        for variable in used {
            if !variable.defined && !variable.guarded && !scope.declares(&variable.name) {
                let warning = self.undefined(variable, scope);
                self.findings.push(warning);
            }
        }
    }

    fn undefined(&self, variable: &VariableUse, scope: &Scope) -> Diagnostic {
        let name = &variable.name;
        let text = format!("`{name}` is not set here, so it gives nothing");
        let warning = Diagnostic::warning("undefined-variable", variable.span, text);
        if self.globals.is_some_and(|globals| globals.declares(name)) {
            return warning.help(format!("write `ARG {name}` in this stage to see the one from before FROM"));
        }
        match suggest::did_you_mean(name, scope.variables.iter().map(|(known, _)| known.as_str())) {
            Some(help) => warning.help(help),
            None if self.globals.is_none() => {
                warning.help(format!("declare it above the first FROM: `ARG {name}=default`"))
            }
            None => warning
                .help(format!("set it with ENV or ARG, or write `${{{name}:-}}` where nothing is meant")),
        }
    }
}

fn expansion_error(error: expand::ExpandError, word: &Word) -> Diagnostic {
    let span = if error.span.is_empty() { word.span() } else { error.span };
    let diagnostic = Diagnostic::error("variable-expansion", span, error.message);
    match error.help {
        Some(help) => diagnostic.help(help),
        None => diagnostic,
    }
}
