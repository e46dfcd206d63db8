//! Values that instructions take: signals, owners, ports.

use galley_syntax::port::PortRange;

/// Linux's signals (signal(7)), without `SIG`.
const SIGNALS: [&str; 35] = [
    "ABRT", "ALRM", "BUS", "CHLD", "CLD", "CONT", "FPE", "HUP", "ILL", "INT", "IO", "IOT", "KILL", "PIPE",
    "POLL", "PROF", "PWR", "QUIT", "SEGV", "STKFLT", "STOP", "SYS", "TERM", "TRAP", "TSTP", "TTIN", "TTOU",
    "URG", "USR1", "USR2", "VTALRM", "WINCH", "XCPU", "XFSZ", "RTMIN",
];

/// Whether docker takes `text` as a signal: a number from 1 to 64, or a name with or without `SIG`, also
/// `SIGRTMIN+n` and `SIGRTMAX-n`.
pub(super) fn is_signal(text: &str) -> bool {
    if let Ok(number) = text.parse::<u8>() {
        return (1..=64).contains(&number);
    }
    let upper = text.to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    let offset = |prefix: &str, sign: char, last: u8| {
        let number = name.strip_prefix(prefix).and_then(|rest| rest.strip_prefix(sign));
        number.and_then(|number| number.parse::<u8>().ok()).is_some_and(|number| (1..=last).contains(&number))
    };
    SIGNALS.contains(&name) || name == "RTMAX" || offset("RTMIN", '+', 15) || offset("RTMAX", '-', 14)
}

/// Whether `owner`, `user[:group]`, needs no look into the image's user database.
pub(super) fn is_numeric_owner(owner: &str) -> bool {
    owner.split(':').all(|id| id.parse::<u32>().is_ok())
}

/// Whether `owner` has the form `user[:group]`.
pub(super) fn is_owner(owner: &str) -> bool {
    let mut parts = owner.split(':');
    let some = |part: Option<&str>| part.is_some_and(|part| !part.is_empty());
    some(parts.next()) && parts.next().is_none_or(|group| !group.is_empty()) && parts.next().is_none()
}

/// A range of ports in one word: `80/tcp`, `8000-8010/udp`.
pub(super) fn ports(range: &PortRange) -> String {
    let (first, last) = (range.ports.start(), range.ports.end());
    if first == last {
        format!("{first}/{}", range.protocol)
    } else {
        format!("{first}-{last}/{}", range.protocol)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals() {
        for good in ["9", "64", "SIGTERM", "term", "Quit", "SIGRTMIN+3", "RTMAX-1", "SIGRTMAX"] {
            assert!(is_signal(good), "{good}");
        }
        for bad in ["", "0", "65", "300", "SIG", "SIGFOO", "SIGRTMIN+99", "TERM "] {
            assert!(!is_signal(bad), "{bad}");
        }
    }

    #[test]
    fn owners() {
        for good in ["app", "0", "1000:1000", "app:staff"] {
            assert!(is_owner(good), "{good}");
        }
        for bad in ["", ":", "app:", ":staff", "a:b:c"] {
            assert!(!is_owner(bad), "{bad}");
        }
        assert!(is_numeric_owner("0:4294967295") && !is_numeric_owner("0:staff"));
    }
}
