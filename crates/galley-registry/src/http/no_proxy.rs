//! Which hosts are asked without a proxy: the value of `NO_PROXY`, read as Go's programs read it.

use std::net::IpAddr;

/// Whether `host` is on loopback, which nobody reaches through a proxy.
pub(super) fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Whether the list `none` holds `host`: `*`, a host or domain (`example.com` with everything below it, `.example.com`
/// only what is below), an address, a network (`10.0.0.0/8`), each but the network with or without a port.
pub(super) fn bypasses(none: &str, host: &str, port: u16) -> bool {
    is_loopback(host) || none.split(',').map(str::trim).any(|entry| matches(entry, host, port))
}

fn matches(entry: &str, host: &str, port: u16) -> bool {
    if entry == "*" {
        return true;
    }
    let address = host.parse::<IpAddr>().ok();
    if let Some((network, bits)) = entry.split_once('/') {
        return address.is_some_and(|address| contains(network, bits, address).unwrap_or(false));
    }
    if let (Some(address), Ok(listed)) = (address, entry.parse::<IpAddr>()) {
        return address == listed;
    }
    let (name, wanted_port) = match entry.rsplit_once(':') {
        Some((name, digits)) => match digits.parse::<u16>() {
            Ok(port) => (name, Some(port)),
            Err(_) => (entry, None),
        },
        None => (entry, None),
    };
    if name.is_empty() || wanted_port.is_some_and(|wanted| wanted != port) {
        return false;
    }
    let (name, host) = (name.trim_start_matches('*').to_ascii_lowercase(), host.to_ascii_lowercase());
    match name.strip_prefix('.') {
        Some(domain) => host.strip_suffix(domain).is_some_and(|front| front.ends_with('.')),
        None => host == name || host.strip_suffix(&name).is_some_and(|front| front.ends_with('.')),
    }
}

fn contains(network: &str, bits: &str, address: IpAddr) -> Option<bool> {
    let bits: u32 = bits.parse().ok()?;
    Some(match (network.parse::<IpAddr>().ok()?, address) {
        (IpAddr::V4(network), IpAddr::V4(address)) if bits <= 32 => {
            let different = u32::from(network) ^ u32::from(address);
            different.checked_shr(32 - bits).unwrap_or(0) == 0
        }
        (IpAddr::V6(network), IpAddr::V6(address)) if bits <= 128 => {
            let different = u128::from(network) ^ u128::from(address);
            different.checked_shr(128 - bits).unwrap_or(0) == 0
        }
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_in_all_their_forms() {
        for (none, host, expected) in [
            ("", "a.example", false),
            ("", "127.0.0.5", true),
            ("", "localhost", true),
            ("*", "a.example", true),
            ("a.example", "a.example", true),
            ("a.example", "A.Example", true),
            ("example", "a.example", true),
            ("xample", "a.example", false),
            (".a.example", "a.example", false),
            (".example", "a.example", true),
            ("*.example", "a.example", true),
            ("b, a.example:5000", "a.example", true),
            ("a.example:5001", "a.example", false),
            ("10.0.0.0/8", "10.1.2.3", true),
            ("10.0.0.0/8", "11.1.2.3", false),
            ("0.0.0.0/0", "11.1.2.3", true),
            ("fd00::/8", "fd12::1", true),
            ("10.1.2.3", "10.1.2.3", true),
            ("10.0.0.0/99", "10.0.0.1", false),
            (",,", "a.example", false),
        ] {
            assert_eq!(bypasses(none, host, 5000), expected, "{host} in {none}");
        }
    }
}
