//! Durations and sizes for people.

use std::time::Duration;

/// `0.3s`, `12.4s`, `3m 05s`, `1h 02m`.
pub fn duration(time: Duration) -> String {
    let tenths = time.as_millis() / 100;
    let seconds = time.as_secs();
    match seconds {
        0..60 => format!("{}.{}s", tenths / 10, tenths % 10),
        60..3600 => format!("{}m {:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h {:02}m", seconds / 3600, seconds / 60 % 60),
    }
}

/// `0 B`, `512 B`, `1.2 kB`, `3.4 MB`: decimal, as docker counts.
pub fn bytes(count: u64) -> String {
    const UNITS: [&str; 6] = ["kB", "MB", "GB", "TB", "PB", "EB"];
    if count < 1000 {
        return format!("{count} B");
    }
    // Tenths in integers: a floating-point division would round 999,950 B up to "1000.0 kB".
    let (mut tenths, mut unit) = (count / 100, 0);
    while tenths >= 10_000 && unit + 1 < UNITS.len() {
        tenths /= 1000;
        unit += 1;
    }
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS.get(unit).unwrap_or(&"EB"))
}

/// `1 step`, `3 steps`.
pub fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_never_show_four_digits() {
        let shown = [0, 999, 1000, 999_999, 1_000_000, 1_234_567_890, u64::MAX].map(bytes);
        assert_eq!(shown, ["0 B", "999 B", "1.0 kB", "999.9 kB", "1.0 MB", "1.2 GB", "18.4 EB"]);
    }

    #[test]
    fn durations_lose_detail_as_they_grow() {
        let shown = [40, 399, 59_999, 60_000, 3_725_000].map(|ms| duration(Duration::from_millis(ms)));
        assert_eq!(shown, ["0.0s", "0.3s", "59.9s", "1m 00s", "1h 02m"]);
    }
}
