//! Globs of `${v#p}`, `${v%p}` and `${v/p/r}`: `*` and `?`, neither of which matches a line end.

/// One element of a glob.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Element {
    Literal(char),
    /// `?`
    Any,
    /// `*`
    Many,
}

/// A parsed glob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Glob {
    elements: Vec<Element>,
}

impl Glob {
    /// Parses; `Err` is a character that must not be escaped.
    pub(super) fn parse(text: &str, escape: char) -> Result<Self, char> {
        let mut elements = Vec::new();
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            elements.push(match c {
                '*' => Element::Many,
                '?' => Element::Any,
                c if c == escape => match chars.next() {
                    Some(next @ ('*' | '?' | '}' | '/')) => Element::Literal(next),
                    Some(next) if next == escape => Element::Literal(next),
                    Some(next) => return Err(next),
                    None => Element::Literal(escape),
                },
                c => Element::Literal(c),
            });
        }
        Ok(Self { elements })
    }

    /// The ends, in bytes, of the shortest and longest match that starts with `text`.
    fn match_ends(&self, text: &str) -> Option<(usize, usize)> {
        let mut ends: Option<(usize, usize)> = None;
        let mut reached = |end: usize| ends = Some((ends.map_or(end, |(shortest, _)| shortest), end));
        // The set of elements that may come next, as in a nondeterministic automaton: no backtracking.
        let mut states = vec![false; self.elements.len() + 1];
        self.enter(&mut states, 0);
        if states.last() == Some(&true) {
            reached(0);
        }
        for (at, c) in text.char_indices() {
            let mut next = vec![false; self.elements.len() + 1];
            for (index, element) in self.elements.iter().enumerate() {
                if states.get(index) != Some(&true) {
                    continue;
                }
                match element {
                    Element::Many if c != '\n' => self.enter(&mut next, index),
                    Element::Any if c != '\n' => self.enter(&mut next, index + 1),
                    Element::Literal(wanted) if *wanted == c => self.enter(&mut next, index + 1),
                    _ => {}
                }
            }
            if !next.contains(&true) {
                break;
            }
            if next.last() == Some(&true) {
                reached(at + c.len_utf8());
            }
            states = next;
        }
        ends
    }

    /// Marks an element as next, and those behind it where it is a `*`, which may match nothing.
    fn enter(&self, states: &mut [bool], from: usize) {
        for index in from..states.len() {
            if let Some(state) = states.get_mut(index) {
                *state = true;
            }
            if self.elements.get(index) != Some(&Element::Many) {
                break;
            }
        }
    }

    /// `value` without the matching prefix.
    pub(super) fn trim_prefix<'v>(&self, value: &'v str, longest: bool) -> &'v str {
        let end = self.match_ends(value).map_or(0, |ends| if longest { ends.1 } else { ends.0 });
        value.get(end..).unwrap_or(value)
    }

    /// `value` without the matching suffix.
    pub(super) fn trim_suffix<'v>(&self, value: &'v str, longest: bool) -> &'v str {
        let reversed = Glob { elements: self.elements.iter().rev().copied().collect() };
        let backwards: String = value.chars().rev().collect();
        let kept = reversed.trim_prefix(&backwards, longest).len();
        value.get(..kept).unwrap_or(value)
    }

    /// `value` with the first match or all matches replaced, longest first.
    pub(super) fn replace(&self, value: &str, replacement: &str, all: bool) -> String {
        let mut out = String::new();
        let mut at = 0;
        let mut replaced = false;
        let mut after_match = false;
        loop {
            let rest = value.get(at..).unwrap_or_default();
            let end = if replaced && !all { None } else { self.match_ends(rest).map(|ends| ends.1) };
            // An empty match directly behind a match does not count.
            if let Some(end) = end.filter(|end| *end > 0 || !after_match) {
                out.push_str(replacement);
                replaced = true;
                at += end;
                after_match = end > 0;
                if end > 0 {
                    continue;
                }
            }
            let Some(c) = value.get(at..).and_then(|rest| rest.chars().next()) else { return out };
            out.push(c);
            at += c.len_utf8();
            after_match = false;
        }
    }
}
