//! Durations in Go's syntax, as HEALTHCHECK's flags take them: `1m30s`, `1.5h`, `500ms`.

use std::time::Duration;

/// Why a text is no duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// Not numbers with units.
    #[error("`{0}` is no duration")]
    Syntax(String),
    /// A number without unit.
    #[error("`{0}` lacks a unit")]
    MissingUnit(String),
    /// Below zero.
    #[error("`{0}` is negative")]
    Negative(String),
    /// More than a duration can hold (about 292 years).
    #[error("`{0}` is too long")]
    TooLong(String),
}

/// Parses a duration: one or more decimal numbers, each with a unit of `ns`, `us`, `µs`, `ms`, `s`, `m` or `h`. A lone
/// `0` needs no unit.
///
/// # Errors
/// [`DurationError`]; its text names the input.
pub fn parse(text: &str) -> Result<Duration, DurationError> {
    let syntax = || DurationError::Syntax(text.to_owned());
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    let negative = rest.strip_prefix('-');
    rest = negative.unwrap_or(rest);
    if rest == "0" {
        return Ok(Duration::ZERO);
    }
    if rest.is_empty() {
        return Err(syntax());
    }
    let mut total: u128 = 0;
    while !rest.is_empty() {
        let (whole, after) = digits(rest);
        let (fraction, after) = after.strip_prefix('.').map_or(("", after), digits);
        if whole.is_empty() && fraction.is_empty() {
            return Err(syntax());
        }
        let unit_end = after.find(|c: char| c == '.' || c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, after) = after.split_at(unit_end);
        if unit.is_empty() {
            return Err(DurationError::MissingUnit(text.to_owned()));
        }
        let unit = unit_nanoseconds(unit).ok_or_else(syntax)?;
        let part =
            nanoseconds(whole, fraction, unit).ok_or_else(|| DurationError::TooLong(text.to_owned()))?;
        total = total.saturating_add(part);
        rest = after;
    }
    if negative.is_some() && total > 0 {
        return Err(DurationError::Negative(text.to_owned()));
    }
    match i64::try_from(total) {
        Ok(total) => Ok(Duration::from_nanos(total.unsigned_abs())),
        Err(_) => Err(DurationError::TooLong(text.to_owned())),
    }
}

fn digits(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))
}

fn unit_nanoseconds(unit: &str) -> Option<u64> {
    Some(match unit {
        "ns" => 1,
        // U+00B5 and U+03BC look alike; Go takes both.
        "us" | "\u{B5}s" | "\u{3BC}s" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return None,
    })
}

/// `whole.fraction` units; digits finer than 10^-15 of a unit are dropped. `None` where the whole part is absurd.
fn nanoseconds(whole: &str, fraction: &str, unit: u64) -> Option<u128> {
    let unit = u128::from(unit);
    let whole: u128 = if whole.is_empty() { 0 } else { whole.parse::<u64>().ok()?.into() };
    let fraction = fraction.get(..15).unwrap_or(fraction);
    let mut part = 0;
    let mut scale = 1;
    for digit in fraction.bytes() {
        part = part * 10 + u128::from(digit - b'0');
        scale *= 10;
    }
    Some(whole * unit + part * unit / scale)
}
