//! The bundle of certificate authorities of a root in which `update-ca-certificates` never runs.

use std::collections::BTreeMap;

use galley_image::TreePath;

/// Where programs look for it, and `SSL_CERT_FILE` says it is.
pub const BUNDLE: &str = "etc/ssl/certs/ca-certificates.crt";

/// Whether a file of this path in a package is one authority's certificate.
#[must_use]
pub fn is_certificate(path: &TreePath) -> bool {
    let bytes = path.as_bytes();
    bytes.starts_with(b"usr/share/ca-certificates/") && bytes.ends_with(b".crt")
}

/// All certificates in one file, in the order of their names; `None` where there are none.
#[must_use]
pub fn bundle(certificates: &BTreeMap<TreePath, Vec<u8>>) -> Option<Vec<u8>> {
    let mut all = Vec::new();
    for certificate in certificates.values() {
        all.extend_from_slice(certificate);
        if !certificate.ends_with(b"\n") {
            all.push(b'\n');
        }
    }
    (!all.is_empty()).then_some(all)
}
