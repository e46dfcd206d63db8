//! ASCII armor (RFC 9580, section 6): bytes between two lines of dashes.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Armor that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the block `{0}` has no end, or what is in it is no base64")]
pub struct MalformedArmor(pub String);

/// The bytes of each block named `label`, in order.
///
/// # Errors
/// A block without an end, or with something else than base64 in it.
pub(super) fn blocks(text: &str, label: &str) -> Result<Vec<Vec<u8>>, MalformedArmor> {
    let (begin, end) = (format!("-----BEGIN {label}-----"), format!("-----END {label}-----"));
    let malformed = || MalformedArmor(label.to_owned());
    let mut blocks = Vec::new();
    let mut lines = text.lines().map(str::trim);
    while lines.any(|line| line == begin) {
        let mut encoded = String::new();
        let mut ended = false;
        let mut in_headers = true;
        for line in lines.by_ref() {
            if line == end {
                ended = true;
                break;
            }
            // Headers such as `Comment: x` end with an empty line; where there are none some writers leave that out.
            in_headers = in_headers && line.contains(": ");
            // A line that starts with `=` is a checksum, which RFC 9580 says to ignore.
            if !in_headers && !line.starts_with('=') {
                encoded += line;
            }
        }
        if !ended {
            return Err(malformed());
        }
        blocks.push(STANDARD.decode(encoded).map_err(|_| malformed())?);
    }
    Ok(blocks)
}
