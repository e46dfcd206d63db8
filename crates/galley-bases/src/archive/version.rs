//! Versions of Debian packages and their order (deb-version(7)).

use std::cmp::Ordering;

/// Compares two versions, each `[epoch:]upstream[-revision]`. Any text has a place in the order.
///
/// ```
/// use galley_bases::archive::version::compare;
/// assert!(compare("1.0~rc1-1", "1.0-1").is_lt());
/// assert!(compare("2:0.9", "1.0").is_gt());
/// ```
pub fn compare(a: &str, b: &str) -> Ordering {
    let (a, b) = (Parts::of(a), Parts::of(b));
    compare_part(a.epoch, b.epoch)
        .then_with(|| compare_part(a.upstream, b.upstream))
        .then_with(|| compare_part(a.revision, b.revision))
}

struct Parts<'a> {
    epoch: &'a str,
    upstream: &'a str,
    revision: &'a str,
}

impl<'a> Parts<'a> {
    fn of(version: &'a str) -> Self {
        let (epoch, rest) = version.trim().split_once(':').unwrap_or(("", version.trim()));
        // No revision is the same as revision 0.
        let (upstream, revision) = rest.rsplit_once('-').unwrap_or((rest, ""));
        Self { epoch, upstream, revision }
    }
}

/// Text without digits and numbers take turns.
fn compare_part(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a.as_bytes(), b.as_bytes());
    while !a.is_empty() || !b.is_empty() {
        let order = compare_text(&mut a, &mut b).then_with(|| compare_number(&mut a, &mut b));
        if order.is_ne() {
            return order;
        }
    }
    Ordering::Equal
}

fn compare_text(a: &mut &[u8], b: &mut &[u8]) -> Ordering {
    loop {
        let (first_a, first_b) = (text_byte(a), text_byte(b));
        if first_a.is_none() && first_b.is_none() {
            return Ordering::Equal;
        }
        let order = weight(first_a).cmp(&weight(first_b));
        if order.is_ne() {
            return order;
        }
        // Equal weights mean the same byte on both sides.
        (*a, *b) = (a.get(1..).unwrap_or_default(), b.get(1..).unwrap_or_default());
    }
}

fn text_byte(rest: &[u8]) -> Option<u8> {
    rest.first().copied().filter(|byte| !byte.is_ascii_digit())
}

/// A tilde sorts before the end, the end before letters, letters before all else.
fn weight(byte: Option<u8>) -> i32 {
    match byte {
        Some(b'~') => -1,
        None => 0,
        Some(letter) if letter.is_ascii_alphabetic() => i32::from(letter),
        Some(other) => i32::from(other) + 256,
    }
}

/// Numbers of any length.
fn compare_number(a: &mut &[u8], b: &mut &[u8]) -> Ordering {
    let (number_a, number_b) = (number(a), number(b));
    number_a.len().cmp(&number_b.len()).then_with(|| number_a.cmp(number_b))
}

/// Takes the digits from the front, and gives them without leading zeros.
fn number<'a>(rest: &mut &'a [u8]) -> &'a [u8] {
    let length = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, behind) = rest.split_at(length);
    *rest = behind;
    let zeros = digits.iter().take_while(|byte| **byte == b'0').count();
    &digits[zeros..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_in_ascending_order() {
        // Each is lower than the next one.
        let ascending = [
            "0~~",
            "0~",
            "0",
            "0a",
            "0+",
            "0.0~",
            "0.0",
            "0.1",
            "0.9",
            "0.10",
            "1.0~rc1-1",
            "1.0~rc1-1+b1",
            "1.0-0.1",
            "1.0-1~deb12u1",
            "1.0-1",
            "1.0-1+b1",
            "1.0-1+deb12u1",
            "1.0-1.1",
            "1.0a-1",
            "1.0+dfsg-1",
            "1.0.0-1",
            "1.1",
            "2",
            "10",
            "99999999999999999999999",
            "1:0",
            "2:0",
        ];
        for (i, a) in ascending.iter().enumerate() {
            for (j, b) in ascending.iter().enumerate() {
                assert_eq!(compare(a, b), i.cmp(&j), "{a} and {b}");
            }
        }
    }

    #[test]
    fn different_texts_of_one_version() {
        for (a, b) in
            [("1.0", "1.0-0"), ("0:1", "1"), ("1.01", "1.1"), ("", "0"), ("1.0-00", "1.0"), (" 1 ", "1")]
        {
            assert_eq!(compare(a, b), Ordering::Equal, "{a} and {b}");
        }
    }
}
