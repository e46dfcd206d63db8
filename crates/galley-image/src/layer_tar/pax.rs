//! The records of pax extended headers: `length key=value\n` (POSIX.1-2017, pax, "pax Extended Header").

use crate::entry::Mtime;

/// The prefix of records that hold extended attributes, as star, GNU tar and Go write them.
pub(super) const XATTR_PREFIX: &[u8] = b"SCHILY.xattr.";

/// A record block that does not follow the grammar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Malformed;

/// Appends one record. The length counts its own digits.
pub(super) fn write_record(out: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    // Blank, equals sign and newline.
    let fixed = key.len() + value.len() + 3;
    let mut length = fixed;
    while fixed + decimal_digits(length) != length {
        length = fixed + decimal_digits(length);
    }
    out.extend_from_slice(length.to_string().as_bytes());
    for part in [b" ", key, b"=", value, b"\n"] {
        out.extend_from_slice(part);
    }
}

fn decimal_digits(number: usize) -> usize {
    number.checked_ilog10().unwrap_or(0) as usize + 1
}

/// The records of a block, in order.
pub(super) fn records(mut block: &[u8]) -> impl Iterator<Item = Result<(&[u8], &[u8]), Malformed>> {
    std::iter::from_fn(move || {
        if block.is_empty() {
            return None;
        }
        let Some((key, value, rest)) = first_record(block) else {
            block = &[];
            return Some(Err(Malformed));
        };
        block = rest;
        Some(Ok((key, value)))
    })
}

fn first_record(block: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let blank = block.iter().take(21).position(|byte| *byte == b' ')?;
    let length = usize::try_from(decimal(&block[..blank])?).ok()?;
    let (record, rest) = block.split_at_checked(length)?;
    let record = record.get(blank + 1..)?.strip_suffix(b"\n")?;
    let equals = record.iter().position(|byte| *byte == b'=')?;
    let (key, value) = (&record[..equals], &record[equals + 1..]);
    (!key.is_empty()).then_some((key, value, rest))
}

/// Decimal digits and nothing else.
pub(super) fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |value, digit| {
        let digit = digit.is_ascii_digit().then(|| u64::from(digit - b'0'))?;
        value.checked_mul(10)?.checked_add(digit)
    })
}

/// A time: `[-]seconds[.fraction]`. Digits below a nanosecond are dropped.
pub(super) fn time(value: &[u8]) -> Option<Mtime> {
    let (negative, value) = value.strip_prefix(b"-").map_or((false, value), |rest| (true, rest));
    let (whole, fraction) = match value.iter().position(|byte| *byte == b'.') {
        Some(dot) => (&value[..dot], &value[dot + 1..]),
        None => (value, &b""[..]),
    };
    let seconds = i64::try_from(decimal(whole)?).ok()?;
    if !fraction.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let nanoseconds =
        (0..9).fold(0, |sum, at| sum * 10 + fraction.get(at).map_or(0, |digit| u32::from(digit - b'0')));
    Some(match (negative, nanoseconds) {
        (false, _) => Mtime { seconds, nanoseconds },
        (true, 0) => Mtime { seconds: -seconds, nanoseconds: 0 },
        // -1.25 s is 0.75 s after -2 s.
        (true, _) => Mtime { seconds: -seconds - 1, nanoseconds: 1_000_000_000 - nanoseconds },
    })
}

/// An attribute's name as it stands in a key: an equals sign would end the key, so GNU tar writes it as `%3D`.
pub(super) fn encode_xattr_name(name: &[u8]) -> Vec<u8> {
    let mut key = XATTR_PREFIX.to_vec();
    for byte in name {
        match byte {
            b'=' => key.extend_from_slice(b"%3D"),
            b'%' => key.extend_from_slice(b"%25"),
            other => key.push(*other),
        }
    }
    key
}

/// The attribute's name behind [`XATTR_PREFIX`].
pub(super) fn decode_xattr_name(mut key: &[u8]) -> Box<[u8]> {
    let mut name = Vec::with_capacity(key.len());
    while let Some((first, rest)) = key.split_first() {
        let (byte, rest) = match key {
            [b'%', b'3', b'D', rest @ ..] => (b'=', rest),
            [b'%', b'2', b'5', rest @ ..] => (b'%', rest),
            _ => (*first, rest),
        };
        name.push(byte);
        key = rest;
    }
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_counts_its_own_length() {
        for size in [0, 1, 89, 90, 91, 92, 989, 990, 991, 992] {
            let mut out = Vec::new();
            write_record(&mut out, b"path", &vec![b'x'; size]);
            assert!(out.starts_with(format!("{} ", out.len()).as_bytes()), "{size}");
            assert_eq!(records(&out).collect::<Vec<_>>(), [Ok((&b"path"[..], &vec![b'x'; size][..]))]);
        }
    }

    #[test]
    fn malformed_records_are_refused() {
        for bad in
            [&b"8 path=a\n"[..], b"10 path=ab\n", b"x path=a\n", b" a=b\n", b"5 a=b", b"6 =ab\n", b"5 ab\n"]
        {
            assert_eq!(records(bad).next(), Some(Err(Malformed)), "{}", String::from_utf8_lossy(bad));
        }
        assert_eq!(records(b"10 path=a\n").next(), Some(Ok((&b"path"[..], &b"a"[..]))));
    }

    #[test]
    fn times_before_1970_have_positive_nanoseconds() {
        for (text, seconds, nanoseconds) in [
            ("12", 12, 0),
            ("12.5", 12, 500_000_000),
            ("-1.25", -2, 750_000_000),
            ("-3", -3, 0),
            ("0.1234567899", 0, 123_456_789),
        ] {
            assert_eq!(time(text.as_bytes()), Some(Mtime { seconds, nanoseconds }), "{text}");
        }
        for bad in ["", "-", ".5", "1.x", "99999999999999999999"] {
            assert_eq!(time(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn attribute_names_survive() {
        for name in [&b"user.a=b"[..], b"user.100%", b"user.%3D", b"user.plain"] {
            let key = encode_xattr_name(name);
            assert!(!key.contains(&b'='));
            assert_eq!(&*decode_xattr_name(&key[XATTR_PREFIX.len()..]), name);
        }
    }
}
