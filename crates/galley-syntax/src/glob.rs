//! Wildcards of COPY and ADD sources, as Go's `filepath.Match` defines them: `*` and `?` stop at `/`, `[a-z]` and
//! `[^a-z]` are classes, and a backslash takes the next character as it is. Names are bytes; a byte that is not UTF-8
//! counts as one character.

/// A compiled pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glob {
    elements: Vec<Element>,
}

/// One element of a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Element {
    /// This character.
    Literal(char),
    /// `?`: any character but `/`.
    Any,
    /// `*`: any number of characters other than `/`.
    Star,
    /// `[...]`.
    Class(Class),
}

/// A character class. Unlike `?` and `*`, a negated one matches `/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Class {
    negated: bool,
    ranges: Vec<(char, char)>,
}

impl Class {
    pub(crate) fn matches(&self, c: char) -> bool {
        self.ranges.iter().any(|(low, high)| (*low..=*high).contains(&c)) != self.negated
    }
}

/// Why a pattern is malformed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GlobError {
    /// `[` without its `]`.
    #[error("the class in `{0}` is never closed; write `]`, or `\\[` for the character itself")]
    OpenClass(String),
    /// `[]`, `[-a]` and the like.
    #[error("the class in `{0}` is malformed; escape `]` and `-` inside it with a backslash")]
    MalformedClass(String),
    /// A backslash at the end.
    #[error("`{0}` ends with a backslash that escapes nothing; write two for the character itself")]
    TrailingBackslash(String),
}

impl Glob {
    /// Compiles a pattern.
    ///
    /// # Errors
    /// [`GlobError`]; its text names the pattern.
    pub fn new(pattern: &str) -> Result<Self, GlobError> {
        let mut elements = Vec::new();
        let mut chars = pattern.chars().peekable();
        while let Some(c) = chars.next() {
            elements.push(match c {
                '*' => Element::Star,
                '?' => Element::Any,
                '[' => Element::Class(class(&mut chars, pattern)?),
                '\\' => {
                    let escaped =
                        chars.next().ok_or_else(|| GlobError::TrailingBackslash(pattern.to_owned()))?;
                    Element::Literal(escaped)
                }
                c => Element::Literal(c),
            });
        }
        Ok(Self { elements })
    }

    /// True where `pattern` has a character that means more than itself.
    #[must_use]
    pub fn is_pattern(pattern: &str) -> bool {
        pattern.contains(['*', '?', '[', '\\'])
    }

    /// True where the whole of `name` matches.
    #[must_use]
    pub fn matches(&self, name: &[u8]) -> bool {
        let mut element = 0;
        let mut at = 0;
        // The last star seen and how far it reaches; only that one ever needs to reach further.
        let mut star: Option<(usize, usize)> = None;
        loop {
            let next = next_char(name.get(at..).unwrap_or_default());
            match (self.elements.get(element), next) {
                (None, None) => return true,
                (Some(Element::Star), _) => {
                    star = Some((element, at));
                    element += 1;
                    continue;
                }
                (Some(single), Some((c, len))) if single.matches(c) => {
                    element += 1;
                    at += len;
                    continue;
                }
                _ => {}
            }
            let Some((star_element, reach)) = star else { return false };
            match next_char(name.get(reach..).unwrap_or_default()) {
                Some((c, len)) if c != '/' => {
                    star = Some((star_element, reach + len));
                    element = star_element + 1;
                    at = reach + len;
                }
                _ => return false,
            }
        }
    }
}

impl Element {
    /// Whether an element that stands for one character matches `c`; a star is none.
    pub(crate) fn matches(&self, c: char) -> bool {
        match self {
            Self::Literal(wanted) => *wanted == c,
            Self::Any => c != '/',
            Self::Class(class) => class.matches(c),
            Self::Star => false,
        }
    }
}

type Chars<'a> = std::iter::Peekable<std::str::Chars<'a>>;

/// Reads a class after its `[`.
pub(crate) fn class(chars: &mut Chars<'_>, pattern: &str) -> Result<Class, GlobError> {
    let negated = chars.next_if_eq(&'^').is_some();
    let mut ranges = Vec::new();
    loop {
        if !ranges.is_empty() && chars.next_if_eq(&']').is_some() {
            return Ok(Class { negated, ranges });
        }
        let low = class_char(chars, pattern)?;
        let high = match chars.next_if_eq(&'-') {
            Some(_) => class_char(chars, pattern)?,
            None => low,
        };
        ranges.push((low, high));
    }
}

fn class_char(chars: &mut Chars<'_>, pattern: &str) -> Result<char, GlobError> {
    match chars.next() {
        None => Err(GlobError::OpenClass(pattern.to_owned())),
        Some('-' | ']') => Err(GlobError::MalformedClass(pattern.to_owned())),
        Some('\\') => chars.next().ok_or_else(|| GlobError::TrailingBackslash(pattern.to_owned())),
        Some(c) => Ok(c),
    }
}

/// The first character of `bytes` and its length; a byte that is not UTF-8 is U+FFFD of length 1.
pub(crate) fn next_char(bytes: &[u8]) -> Option<(char, usize)> {
    let first = *bytes.first()?;
    if first.is_ascii() {
        return Some((char::from(first), 1));
    }
    let longest = bytes.get(..4).unwrap_or(bytes);
    let valid = longest.utf8_chunks().next().and_then(|chunk| chunk.valid().chars().next());
    Some(valid.map_or((char::REPLACEMENT_CHARACTER, 1), |c| (c, c.len_utf8())))
}
