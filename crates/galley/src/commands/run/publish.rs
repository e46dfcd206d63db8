//! `-p`: a container has the host's network or none, so a port can be neither published nor mapped. Docker discards the option with
//! `--network host` too, and says so.

use std::net::IpAddr;
use std::ops::RangeInclusive;

use crate::cli::NetworkArg;
use crate::error::Error;

/// What `-p TEXT` comes to: `[[ADDRESS:][HOST]:]CONTAINER[/PROTOCOL]`, where a port may be a range.
///
/// # Errors
/// [`Error::Option`] for what is no such thing.
pub fn warning(text: &str, network: NetworkArg) -> Result<String, Error> {
    let (outer, inner) = parse(text).ok_or_else(|| Error::Option {
        option: "--publish",
        value: text.into(),
        problem: "write HOST:CONTAINER, such as 8080:80, 127.0.0.1:8080:80 or 5353:53/udp".into(),
    })?;
    let reason = if network == NetworkArg::None {
        "there is no port to reach with --network none".to_owned()
    } else if outer == inner {
        format!(
            "published ports are discarded with the host's network: the program itself listens on {}",
            noun(&inner, "of the host")
        )
    } else {
        format!(
            "published ports are discarded with the host's network: {} of the container is the host's too, and {} is not mapped to it",
            noun(&inner, ""),
            noun(&outer, "")
        )
    };
    Ok(format!("-p {text}: {reason}"))
}

type Ports = RangeInclusive<u16>;

fn noun(ports: &Ports, whose: &str) -> String {
    let numbers = match (ports.start(), ports.end()) {
        (start, end) if start == end => format!("port {start}"),
        (start, end) => format!("ports {start}-{end}"),
    };
    format!("{numbers} {whose}").trim_end().to_owned()
}

/// The ports of the host and of the container.
fn parse(text: &str) -> Option<(Ports, Ports)> {
    let (ports, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    if !["tcp", "udp", "sctp"].contains(&protocol) {
        return None;
    }
    let (before, inner) =
        ports.rsplit_once(':').map_or((None, ports), |(before, inner)| (Some(before), inner));
    let inner = range(inner)?;
    let Some(before) = before else { return Some((inner.clone(), inner)) };
    let outer = match before.rsplit_once(':') {
        Some((address, outer)) => {
            let address =
                address.strip_prefix('[').and_then(|address| address.strip_suffix(']')).unwrap_or(address);
            address.parse::<IpAddr>().ok()?;
            outer
        }
        None => before,
    };
    // Docker would choose one.
    let outer = if outer.is_empty() { inner.clone() } else { range(outer)? };
    (outer.len() == inner.len() || inner.len() == 1).then_some((outer, inner))
}

fn range(text: &str) -> Option<Ports> {
    let (start, end) = text.split_once('-').unwrap_or((text, text));
    let (start, end): (u16, u16) = (start.parse().ok()?, end.parse().ok()?);
    (0 < start && start <= end).then_some(start..=end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_docker_is_understood() {
        let one = |port| port..=port;
        for (text, outer, inner) in [
            ("80", one(80), one(80)),
            ("8080:80", one(8080), one(80)),
            ("5353:53/udp", one(5353), one(53)),
            ("127.0.0.1:8080:80", one(8080), one(80)),
            ("127.0.0.1::80", one(80), one(80)),
            ("[::1]:8080:80/tcp", one(8080), one(80)),
            ("8000-8009:80-89", 8000..=8009, 80..=89),
            ("8000-8009:80", 8000..=8009, one(80)),
        ] {
            assert_eq!(parse(text), Some((outer, inner)), "{text}");
        }
        for text in [
            "",
            "eighty",
            "80:",
            "0:80",
            "1:65536",
            "80/icmp",
            "host:80:80",
            "9-8:9-8",
            "1-2:1-3",
            "::1:80:80:",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
