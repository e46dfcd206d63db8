//! Dates as archives write them, in seconds since 1970.

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// A date in a `Release` file or an HTTP header: `Sat, 11 Jul 2026 10:16:37 UTC` (RFC 822, with four digits for the year).
///
/// `None` for anything else, other time zones included.
#[must_use]
pub fn parse_rfc822(text: &str) -> Option<u64> {
    let text = text.split_once(',').map_or(text, |(_weekday, rest)| rest);
    let mut words = text.split_ascii_whitespace();
    let day = words.next()?.parse().ok()?;
    let month =
        words.next().and_then(|word| MONTHS.iter().position(|month| word.eq_ignore_ascii_case(month)))?;
    let year = words.next()?.parse().ok()?;
    let mut clock = words.next()?.split(':').map(|digits| digits.parse::<u64>().ok());
    let (hour, minute, second) = (clock.next()??, clock.next()??, clock.next()??);
    let utc = matches!(words.next()?, "UTC" | "GMT" | "Z" | "+0000" | "-0000");
    let whole = utc && words.next().is_none() && clock.next().is_none();
    seconds(year, month as u64 + 1, day, [hour, minute, second]).filter(|_| whole)
}

/// A moment that a snapshot is asked for by: `2026-07-11`, `20260711` or `20260711T101637Z`.
#[must_use]
pub fn parse_moment(text: &str) -> Option<u64> {
    let (date, time) = match text.split_once('T') {
        Some((date, time)) => (date, time.strip_suffix('Z')?),
        None => (text, "000000"),
    };
    let digits = |text: &str, length: usize| -> Option<u64> {
        let digits: String = text.chars().filter(|c| !matches!(c, '-' | ':')).collect();
        let fits = digits.len() == length && digits.bytes().all(|byte| byte.is_ascii_digit());
        digits.parse().ok().filter(|_| fits)
    };
    let (date, time) = (digits(date, 8)?, digits(time, 6)?);
    seconds(date / 10_000, date / 100 % 100, date % 100, [time / 10_000, time / 100 % 100, time % 100])
}

/// The moment as mirrors of snapshots name it in paths: `20260711T101637Z`.
#[must_use]
pub fn moment(seconds: u64) -> String {
    let (year, month, day) = civil(seconds / 86_400);
    let clock = seconds % 86_400;
    format!("{year:04}{month:02}{day:02}T{:02}{:02}{:02}Z", clock / 3600, clock / 60 % 60, clock % 60)
}

fn seconds(year: u64, month: u64, day: u64, [hour, minute, second]: [u64; 3]) -> Option<u64> {
    let fits = (1970..=9999).contains(&year)
        && (1..=12).contains(&month)
        && (1..=month_length(year, month)).contains(&day)
        && hour < 24
        && minute < 60
        // A leap second counts as the one before it.
        && second <= 60;
    fits.then(|| days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second.min(59))
}

fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

fn month_length(year: u64, month: u64) -> u64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01, for years since then.
fn days(year: u64, month: u64, day: u64) -> u64 {
    let years = (1970..year).map(|year| if is_leap(year) { 366 } else { 365 }).sum::<u64>();
    years + (1..month).map(|month| month_length(year, month)).sum::<u64>() + day - 1
}

fn civil(mut days: u64) -> (u64, u64, u64) {
    let mut year = 1970;
    while days >= if is_leap(year) { 366 } else { 365 } {
        days -= if is_leap(year) { 366 } else { 365 };
        year += 1;
    }
    let mut month = 1;
    while days >= month_length(year, month) {
        days -= month_length(year, month);
        month += 1;
    }
    (year, month, days + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_of_release_files() {
        for (text, seconds) in [
            ("Thu, 01 Jan 1970 00:00:00 UTC", Some(0)),
            ("Sat, 11 Jul 2026 10:16:37 UTC", Some(1_783_764_997)),
            ("Thu, 29 Feb 2024 23:59:60 GMT", Some(1_709_251_199)),
            ("11 jul 2026 10:16:37 +0000", Some(1_783_764_997)),
            ("Sat, 11 Jul 2026 10:16:37 +0200", None),
            ("Thu, 29 Feb 2023 00:00:00 UTC", None),
            ("Sat, 11 Jul 2026 24:00:00 UTC", None),
            ("Sat, 11 Jul 99999999999 10:16:37 UTC", None),
            ("", None),
        ] {
            assert_eq!(parse_rfc822(text), seconds, "{text}");
        }
    }

    #[test]
    fn moments() {
        for (text, written) in [
            ("2026-07-11", Some("20260711T000000Z")),
            ("20260711", Some("20260711T000000Z")),
            ("20260711T101637Z", Some("20260711T101637Z")),
            ("2026-07-11T10:16:37Z", Some("20260711T101637Z")),
            ("2024-12-31", Some("20241231T000000Z")),
            ("2026-07", None),
            ("2026-13-01", None),
            ("20260711T101637", None),
            ("yesterday", None),
        ] {
            assert_eq!(parse_moment(text).map(moment).as_deref(), written, "{text}");
        }
    }
}
