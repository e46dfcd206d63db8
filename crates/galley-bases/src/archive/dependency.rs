//! Relations between packages (deb-control(5), Debian policy chapter 7): `Depends`, `Pre-Depends`, `Conflicts`, `Breaks`, `Provides`.

use std::cmp::Ordering;
use std::fmt;

use super::version::compare;

/// How a version has to compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// `<<`
    Before,
    /// `<=`
    UpTo,
    /// `=`
    Exactly,
    /// `>=`
    From,
    /// `>>`
    After,
}

impl Operator {
    /// As control files write it.
    pub fn sign(self) -> &'static str {
        match self {
            Self::Before => "<<",
            Self::UpTo => "<=",
            Self::Exactly => "=",
            Self::From => ">=",
            Self::After => ">>",
        }
    }
}

/// A constraint such as `>= 1.2`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Constraint<'a> {
    /// How to compare.
    pub operator: Operator,
    /// With what.
    pub version: &'a str,
}

impl Constraint<'_> {
    /// Whether `version` meets it.
    pub fn admits(&self, version: &str) -> bool {
        let order = compare(version, self.version);
        match self.operator {
            Operator::Before => order == Ordering::Less,
            Operator::UpTo => order != Ordering::Greater,
            Operator::Exactly => order == Ordering::Equal,
            Operator::From => order != Ordering::Less,
            Operator::After => order == Ordering::Greater,
        }
    }
}

/// One name in a relation: `name`, `name:any`, `name (>= 1.2)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Relation<'a> {
    /// A package, real or virtual.
    pub name: &'a str,
    /// What follows the colon: `any`, `native` or an architecture.
    pub qualifier: Option<&'a str>,
    /// Which versions will do.
    pub constraint: Option<Constraint<'a>>,
    /// The architectures in square brackets, as written; empty where the relation holds on all of them.
    pub architectures: &'a str,
}

impl Relation<'_> {
    /// Whether the relation counts on `architecture`: `[amd64 arm64]` lists some, `[!i386]` leaves some out.
    pub fn holds_on(&self, architecture: &str) -> bool {
        let mut listed = self.architectures.split_ascii_whitespace().peekable();
        let Some(first) = listed.peek() else { return true };
        let named = |name: &str| matches!(name, "any" | "linux-any") || name == architecture;
        match first.starts_with('!') {
            true => listed.all(|name| !named(name.trim_start_matches('!'))),
            false => listed.any(named),
        }
    }

    /// Whether a package of the one architecture that a root file system has can be meant.
    pub fn means(&self, architecture: &str) -> bool {
        matches!(self.qualifier, None | Some("any" | "native" | "all"))
            || self.qualifier == Some(architecture)
    }
}

impl fmt::Display for Relation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)?;
        if let Some(qualifier) = self.qualifier {
            write!(f, ":{qualifier}")?;
        }
        match &self.constraint {
            Some(Constraint { operator, version }) => write!(f, " ({} {version})", operator.sign()),
            None => Ok(()),
        }
    }
}

/// Alternatives of which one is enough: `a | b`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clause<'a> {
    /// In the order of preference; never empty.
    pub alternatives: Vec<Relation<'a>>,
}

impl fmt::Display for Clause<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, relation) in self.alternatives.iter().enumerate() {
            write!(f, "{}{relation}", if at == 0 { "" } else { " | " })?;
        }
        Ok(())
    }
}

/// A piece of a dependency field that is no relation.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no dependency on a package")]
pub struct MalformedRelation(pub String);

/// The clauses of a dependency field, all of which have to be met.
///
/// # Errors
/// The first piece that is not written as deb-control(5) has it.
pub fn parse(field: &str) -> Result<Vec<Clause<'_>>, MalformedRelation> {
    // A comma at the end is usual in hand-written files.
    let pieces = field.split(',').map(str::trim).filter(|piece| !piece.is_empty());
    pieces.map(clause).collect()
}

fn clause(text: &str) -> Result<Clause<'_>, MalformedRelation> {
    let alternatives = text.split('|').map(relation).collect::<Result<_, _>>()?;
    Ok(Clause { alternatives })
}

fn relation(text: &str) -> Result<Relation<'_>, MalformedRelation> {
    let malformed = || MalformedRelation(text.trim().chars().take(120).collect());
    let text = text.trim();
    let name_end =
        text.find(|c: char| c.is_whitespace() || matches!(c, '(' | '[' | '<')).unwrap_or(text.len());
    let (name, mut rest) = text.split_at(name_end);
    let (name, qualifier) = match name.split_once(':') {
        Some((name, qualifier)) => (name, Some(qualifier)),
        None => (name, None),
    };
    if !is_name(name) || qualifier.is_some_and(|qualifier| !is_name(qualifier)) {
        return Err(malformed());
    }
    let mut relation = Relation { name, qualifier, constraint: None, architectures: "" };
    loop {
        rest = rest.trim_start();
        let close = match rest.chars().next() {
            None => return Ok(relation),
            Some('(') => ')',
            Some('[') => ']',
            // Build profiles: binary packages have none, and a root is built with none.
            Some('<') => '>',
            Some(_) => return Err(malformed()),
        };
        let (inside, behind) = rest[1..].split_once(close).ok_or_else(malformed)?;
        match close {
            ')' if relation.constraint.is_none() => {
                relation.constraint = Some(constraint(inside).ok_or_else(malformed)?);
            }
            ']' if relation.architectures.is_empty() => relation.architectures = inside.trim(),
            '>' => {}
            _ => return Err(malformed()),
        }
        rest = behind;
    }
}

/// Names of packages, architectures and qualifiers: letters, digits and `+ - . _ ~`, the first one a letter or digit.
pub(super) fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.' | b'_' | b'~'))
}

fn constraint(text: &str) -> Option<Constraint<'_>> {
    let text = text.trim();
    let version_start = text.find(|c| !matches!(c, '<' | '=' | '>'))?;
    let (operator, version) = text.split_at(version_start);
    let operator = match operator {
        "<<" => Operator::Before,
        // The single signs are from before 1996 and mean this, as dpkg still reads them.
        "<=" | "<" => Operator::UpTo,
        "=" | "" => Operator::Exactly,
        ">=" | ">" => Operator::From,
        ">>" => Operator::After,
        _ => return None,
    };
    let version = version.trim();
    let fits = !version.is_empty() && !version.contains(|c: char| c.is_whitespace() || c.is_control());
    fits.then_some(Constraint { operator, version })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(field: &str) -> Result<Vec<String>, String> {
        parse(field).map(|clauses| clauses.iter().map(ToString::to_string).collect()).map_err(|error| error.0)
    }

    #[test]
    fn fields_are_read() {
        for (field, clauses) in [
            ("", vec![]),
            ("libc6", vec!["libc6"]),
            (
                "libc6 (>= 2.36), debconf (>= 0.5) | debconf-2.0,\n zlib1g(>>1:1.2.0)",
                vec!["libc6 (>= 2.36)", "debconf (>= 0.5) | debconf-2.0", "zlib1g (>> 1:1.2.0)"],
            ),
            ("python3:any (<< 3.12), perl:native", vec!["python3:any (<< 3.12)", "perl:native"]),
            ("a (= 1) [amd64 arm64] <!nocheck> <!cross>, b [!i386],", vec!["a (= 1)", "b"]),
            ("old (< 1), older (1)", vec!["old (<= 1)", "older (= 1)"]),
        ] {
            assert_eq!(shown(field).unwrap(), clauses, "{field}");
        }
    }

    #[test]
    fn what_is_no_relation_is_named() {
        for (field, piece) in [
            ("a, b c", "b c"),
            ("a (1", "a (1"),
            ("a (=> 1)", "a (=> 1)"),
            ("a (>= )", "a (>= )"),
            ("a (= 1 2)", "a (= 1 2)"),
            ("a | | b", ""),
            ("-a", "-a"),
            ("a: (>= 1)", "a: (>= 1)"),
            ("a (>= 1) (<= 2)", "a (>= 1) (<= 2)"),
            ("ä", "ä"),
        ] {
            assert_eq!(shown(field), Err(piece.into()), "{field}");
        }
    }

    #[test]
    fn constraints() {
        for (constraint, below, equal, above) in [
            ("<< 2", true, false, false),
            ("<= 2", true, true, false),
            ("= 2", false, true, false),
            (">= 2", false, true, true),
            (">> 2", false, false, true),
        ] {
            let field = format!("a ({constraint})");
            let constraint = parse(&field).unwrap()[0].alternatives[0].constraint.unwrap();
            assert_eq!(
                (constraint.admits("1"), constraint.admits("2"), constraint.admits("3")),
                (below, equal, above)
            );
        }
    }

    #[test]
    fn architectures_and_qualifiers() {
        for (text, amd64, arm64) in [
            ("a", true, true),
            ("a [amd64]", true, false),
            ("a [!amd64]", false, true),
            ("a [linux-any]", true, true),
        ] {
            let relation = parse(text).unwrap()[0].alternatives[0];
            assert_eq!((relation.holds_on("amd64"), relation.holds_on("arm64")), (amd64, arm64), "{text}");
        }
        for (text, means) in
            [("a", true), ("a:any", true), ("a:native", true), ("a:amd64", true), ("a:i386", false)]
        {
            assert_eq!(parse(text).unwrap()[0].alternatives[0].means("amd64"), means, "{text}");
        }
    }
}
