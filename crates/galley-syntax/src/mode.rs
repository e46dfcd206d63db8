//! `--chmod` of COPY and ADD: octal modes up to 7777, and symbolic ones as chmod(1) takes them.

use std::fmt;

/// A parsed mode; [`Mode::apply`] gives a file's new permission bits.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Mode {
    /// The permission bits themselves, up to octal 7777.
    Octal(u32),
    /// Clauses applied from left to right.
    Symbolic(Vec<Clause>),
}

/// One symbolic change, such as `go-w` or `u=rwX`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Clause {
    /// The classes it is about, as the bits of their `rwx` (octal 0700, 0070, 0007).
    who: u32,
    operator: Operator,
    permissions: Permissions,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Operator {
    Add,
    Remove,
    Set,
}

/// What a clause grants, before it is known to which file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
struct Permissions {
    /// `r`, `w`, `x` as one octal digit.
    bits: u32,
    /// `X`: execute for directories, and for files that someone may execute.
    conditional_execute: bool,
    /// `s`
    set_id: bool,
    /// `t`
    sticky: bool,
    /// `u`, `g` or `o`: the permissions that class has, as the shift of its octal digit.
    copy_from: Option<u32>,
}

/// Why a text is no mode.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ModeError {
    /// An octal number beyond 7777.
    #[error("the mode `{0}` is larger than octal 7777")]
    TooLarge(String),
    /// Neither octal nor symbolic.
    #[error("`{0}` is no file mode")]
    Syntax(String),
}

/// Parses a mode.
///
/// # Errors
/// [`ModeError`]; its text names the input.
pub fn parse(text: &str) -> Result<Mode, ModeError> {
    let syntax = || ModeError::Syntax(text.to_owned());
    if text.starts_with(|c: char| c.is_ascii_digit()) {
        if !text.bytes().all(|byte| (b'0'..=b'7').contains(&byte)) {
            return Err(syntax());
        }
        return match u32::from_str_radix(text, 8) {
            Ok(bits) if bits <= 0o7777 => Ok(Mode::Octal(bits)),
            _ => Err(ModeError::TooLarge(text.to_owned())),
        };
    }
    let mut clauses = Vec::new();
    for part in text.split(',') {
        clauses.extend(clauses_of(part).ok_or_else(syntax)?);
    }
    Ok(Mode::Symbolic(clauses))
}

/// `ugoa` then one or more of operator and permissions: `u+x`, `a=r-w`.
fn clauses_of(part: &str) -> Option<Vec<Clause>> {
    let operators = ['+', '-', '='];
    let start = part.find(operators)?;
    let (classes, mut rest) = part.split_at(start);
    let mut who = 0;
    for class in classes.chars() {
        who |= match class {
            'u' => 0o700,
            'g' => 0o070,
            'o' => 0o007,
            'a' => 0o777,
            _ => return None,
        };
    }
    // Without a class all are meant; there is no umask in a build.
    let who = if classes.is_empty() { 0o777 } else { who };
    let mut clauses = Vec::new();
    while let Some(sign) = rest.chars().next() {
        let operator = match sign {
            '+' => Operator::Add,
            '-' => Operator::Remove,
            _ => Operator::Set,
        };
        let after = rest.get(1..)?;
        let end = after.find(operators).unwrap_or(after.len());
        let (letters, next) = after.split_at(end);
        clauses.push(Clause { who, operator, permissions: permissions(letters)? });
        rest = next;
    }
    Some(clauses)
}

fn permissions(letters: &str) -> Option<Permissions> {
    let mut found = Permissions::default();
    let copy = match letters {
        "u" => Some(6),
        "g" => Some(3),
        "o" => Some(0),
        _ => None,
    };
    if copy.is_some() {
        return Some(Permissions { copy_from: copy, ..found });
    }
    for letter in letters.chars() {
        match letter {
            'r' => found.bits |= 4,
            'w' => found.bits |= 2,
            'x' => found.bits |= 1,
            'X' => found.conditional_execute = true,
            's' => found.set_id = true,
            't' => found.sticky = true,
            _ => return None,
        }
    }
    Some(found)
}

/// Octal digits, or the clauses in a form that [`parse`] reads back: two modes that mean the same may read differently.
impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Mode::Octal(bits) => write!(f, "{bits:04o}"),
            Mode::Symbolic(clauses) => {
                let clauses: Vec<String> = clauses.iter().map(Clause::text).collect();
                f.write_str(&clauses.join(","))
            }
        }
    }
}

impl Mode {
    /// The new permission bits (octal 0000 to 7777) of a file that has `current` ones.
    #[must_use]
    pub fn apply(&self, current: u32, is_directory: bool) -> u32 {
        match self {
            Mode::Octal(bits) => *bits,
            Mode::Symbolic(clauses) => {
                clauses.iter().fold(current & 0o7777, |mode, clause| clause.apply(mode, is_directory))
            }
        }
    }
}

impl Clause {
    fn text(&self) -> String {
        let wanted = self.permissions;
        let who = [(0o700, 'u'), (0o070, 'g'), (0o007, 'o')];
        let mut text: String =
            who.iter().filter(|(bits, _)| self.who & bits != 0).map(|(_, class)| class).collect();
        text.push(match self.operator {
            Operator::Add => '+',
            Operator::Remove => '-',
            Operator::Set => '=',
        });
        let letters = [
            (wanted.bits & 4 != 0, 'r'),
            (wanted.bits & 2 != 0, 'w'),
            (wanted.bits & 1 != 0, 'x'),
            (wanted.conditional_execute, 'X'),
            (wanted.set_id, 's'),
            (wanted.sticky, 't'),
            (wanted.copy_from == Some(6), 'u'),
            (wanted.copy_from == Some(3), 'g'),
            (wanted.copy_from == Some(0), 'o'),
        ];
        text.extend(letters.iter().filter(|(set, _)| *set).map(|(_, letter)| letter));
        text
    }

    fn apply(self, mode: u32, is_directory: bool) -> u32 {
        let wanted = self.permissions;
        let mut digit = wanted.bits;
        if let Some(shift) = wanted.copy_from {
            digit |= (mode >> shift) & 7;
        }
        if wanted.conditional_execute && (is_directory || mode & 0o111 != 0) {
            digit |= 1;
        }
        let mut bits = (digit * 0o111) & self.who;
        if wanted.set_id {
            bits |= if self.who & 0o700 != 0 { 0o4000 } else { 0 };
            bits |= if self.who & 0o070 != 0 { 0o2000 } else { 0 };
        }
        if wanted.sticky {
            bits |= 0o1000;
        }
        match self.operator {
            Operator::Add => mode | bits,
            Operator::Remove => mode & !bits,
            Operator::Set => {
                let mut cleared = self.who;
                // chmod(1) keeps a directory's set-id bits under `=` unless they are named.
                if !is_directory {
                    cleared |= if self.who & 0o700 != 0 { 0o4000 } else { 0 };
                    cleared |= if self.who & 0o070 != 0 { 0o2000 } else { 0 };
                    cleared |= if self.who == 0o777 { 0o1000 } else { 0 };
                }
                (mode & !cleared) | bits
            }
        }
    }
}
