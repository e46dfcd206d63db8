//! Ports of EXPOSE: `80`, `53/udp`, `8000-8010/tcp`.

use std::ops::RangeInclusive;

/// A range of ports of one protocol, as EXPOSE declares it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PortRange {
    /// First to last port; equal for a single one.
    pub ports: RangeInclusive<u16>,
    /// `tcp`, `udp` or `sctp`, in lower case.
    pub protocol: String,
    /// True where a host address or host port stands before the port (`127.0.0.1:80:80`): it is accepted, but EXPOSE
    /// publishes nothing, so it does nothing.
    pub has_host_part: bool,
}

/// Why a text is no port.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PortError {
    /// No number from 0 to 65535.
    #[error("`{0}` is no port number")]
    Number(String),
    /// The range runs backwards.
    #[error("the port range `{0}` ends before it starts")]
    Backwards(String),
    /// Neither tcp, udp nor sctp.
    #[error("`{0}` is no protocol of a port; tcp, udp and sctp are")]
    Protocol(String),
}

/// Parses one expanded word of EXPOSE. The protocol is tcp by default, and its case does not matter.
///
/// # Errors
/// [`PortError`]; its text names the offending part.
pub fn parse(word: &str) -> Result<PortRange, PortError> {
    let (ports, protocol) = word.split_once('/').map_or((word, "tcp"), |(ports, name)| (ports, name));
    let lower = protocol.to_ascii_lowercase();
    // `80/` is tcp for docker.
    let protocol = if lower.is_empty() { "tcp".to_owned() } else { lower };
    if !["tcp", "udp", "sctp"].contains(&protocol.as_str()) {
        return Err(PortError::Protocol(protocol));
    }
    let (host, ports) = ports.rsplit_once(':').map_or((None, ports), |(host, ports)| (Some(host), ports));
    let (first, last) = ports.split_once('-').unwrap_or((ports, ports));
    let (first, last) = (number(first)?, number(last)?);
    if last < first {
        return Err(PortError::Backwards(ports.to_owned()));
    }
    Ok(PortRange { ports: first..=last, protocol, has_host_part: host.is_some() })
}

fn number(text: &str) -> Result<u16, PortError> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| digits).ok_or_else(|| PortError::Number(text.to_owned()))
}
