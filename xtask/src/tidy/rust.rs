//! What every Rust file keeps to: its first line, its length, its functions' lengths, and code that must not appear.

use std::path::Path;

use proc_macro2::{Delimiter, Span, TokenStream, TokenTree};
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

use super::{Problem, TextFile};

/// A file outside the tests has fewer lines than this; what stands under `#[cfg(test)]` is not counted.
const FILE_LINES: usize = 400;
/// A function outside the tests has fewer lines than this, from its name to its closing brace.
const FUNCTION_LINES: usize = 70;
/// The only crate with `unsafe`.
const UNSAFE_HOME: &str = "crates/galley-sandbox";

/// Checks one file.
pub(super) fn check(file: &TextFile, problems: &mut Vec<Problem>) {
    if !file.text.starts_with("//!") {
        let message = "the first line is not `//!`: say what lives here and why";
        problems.push(Problem::new(&file.path, 1, message));
    }
    let parsed =
        syn::parse_file(&file.text).and_then(|syntax| Ok((syntax, file.text.parse::<TokenStream>()?)));
    let (syntax, tokens) = match parsed {
        Ok(parsed) => parsed,
        Err(error) => {
            problems.push(Problem::new(&file.path, error.span().start().line, error.to_string()));
            return;
        }
    };
    forbidden(file, tokens, problems);
    if is_test(&file.path) {
        return;
    }
    let mut lengths = Lengths { path: &file.path, tests: 0, problems };
    lengths.visit_file(&syntax);
    let lines = file.text.lines().count() - lengths.tests;
    if lines >= FILE_LINES {
        let message = format!("{lines} lines; a file has fewer than {FILE_LINES}");
        problems.push(Problem::new(&file.path, 0, message));
    }
}

/// Test code by its place: a `tests` directory or a file of that name.
fn is_test(path: &Path) -> bool {
    path.components().any(|part| part.as_os_str() == "tests") || path.ends_with("tests.rs")
}

/// Measures functions, and how many lines belong to tests.
struct Lengths<'a> {
    path: &'a Path,
    tests: usize,
    problems: &'a mut Vec<Problem>,
}

impl Lengths<'_> {
    fn function(&mut self, name: &syn::Ident, body: &syn::Block) {
        let lines = lines(name.span(), body.brace_token.span.close());
        if lines >= FUNCTION_LINES {
            let message = format!("fn {name} has {lines} lines; a function has fewer than {FUNCTION_LINES}");
            self.problems.push(Problem::new(self.path, name.span().start().line, message));
        }
    }
}

impl<'ast> Visit<'ast> for Lengths<'_> {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        if attributes(item).iter().any(is_cfg_test) {
            self.tests += lines(item.span(), item.span());
        } else {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.function(&item.sig.ident, &item.block);
        visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.function(&item.sig.ident, &item.block);
        visit::visit_impl_item_fn(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        if let Some(body) = &item.default {
            self.function(&item.sig.ident, body);
        }
        visit::visit_trait_item_fn(self, item);
    }
}

/// How many lines lie from the start of one span to the end of another, both counted.
fn lines(first: Span, last: Span) -> usize {
    last.end().line + 1 - first.start().line
}

/// The attributes of the items that can be under `#[cfg(test)]` here.
fn attributes(item: &syn::Item) -> &[syn::Attribute] {
    match item {
        syn::Item::Mod(item) => &item.attrs,
        syn::Item::Fn(item) => &item.attrs,
        syn::Item::Impl(item) => &item.attrs,
        syn::Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

/// `#[cfg(test)]`, and nothing more elaborate.
fn is_cfg_test(attribute: &syn::Attribute) -> bool {
    attribute.path().is_ident("cfg")
        && attribute.parse_args::<syn::Ident>().is_ok_and(|predicate| predicate == "test")
}

/// Finds code that the house forbids everywhere, tests included. Tokens, not text: comments and strings may say what they like.
fn forbidden(file: &TextFile, tokens: TokenStream, problems: &mut Vec<Problem>) {
    let trees: Vec<TokenTree> = tokens.into_iter().collect();
    for (index, tree) in trees.iter().enumerate() {
        match tree {
            TokenTree::Group(group) => forbidden(file, group.stream(), problems),
            TokenTree::Ident(word) => {
                let next = trees.get(index + 1);
                if let Some(message) = forbidden_word(file, &word.to_string(), next) {
                    problems.push(Problem::new(&file.path, word.span().start().line, message));
                }
            }
            TokenTree::Punct(punct) if punct.as_char() == '#' => {
                if let Some(TokenTree::Group(group)) = trees.get(index + 1)
                    && group.delimiter() == Delimiter::Bracket
                    && group.stream().into_iter().next().is_some_and(|first| first.to_string() == "ignore")
                {
                    let message = "#[ignore]: a test runs or is not there";
                    problems.push(Problem::new(&file.path, group.span().start().line, message));
                }
            }
            _ => {}
        }
    }
}

/// What is wrong with a word, given what follows it.
fn forbidden_word(file: &TextFile, word: &str, next: Option<&TokenTree>) -> Option<&'static str> {
    let called = matches!(next, Some(TokenTree::Punct(punct)) if punct.as_char() == '!');
    match word {
        "todo" | "unimplemented" if called => Some("unfinished code"),
        "Other" => match next {
            Some(TokenTree::Group(group)) if group.stream().to_string() == "String" => {
                Some("Other(String): an error says what happened, with its parts as fields")
            }
            _ => None,
        },
        "unsafe" if !file.path.starts_with(UNSAFE_HOME) => Some("unsafe code outside galley-sandbox"),
        _ => None,
    }
}
