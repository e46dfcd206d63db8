//! `/etc/resolv.conf` and `/etc/hosts` of a step: the host's while it has the host's network, bare ones without a network.
//! They are mounted while the step runs and are no part of its layer.

use std::path::Path;

use galley_sandbox::{Mount, MountKind};

/// The contents of the host's name resolution files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostFiles {
    /// `/etc/resolv.conf`.
    pub resolv_conf: Vec<u8>,
    /// `/etc/hosts`.
    pub hosts: Vec<u8>,
}

/// The host name that a step sees: the same everywhere, so that no layer holds the machine's.
pub const HOSTNAME: &str = "galley";

/// The hosts file of a step without a network.
const LOOPBACK_HOSTS: &[u8] = b"127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n";

impl HostFiles {
    /// Reads the host's files; one that is missing is empty, as resolver(5) treats it.
    #[must_use]
    pub fn read() -> Self {
        let read = |path: &str| std::fs::read(Path::new(path)).unwrap_or_default();
        Self { resolv_conf: read("/etc/resolv.conf"), hosts: read("/etc/hosts") }
    }

    /// The mounts of a step with (`true`) or without the host's network.
    #[must_use]
    pub fn mounts(&self, network: bool) -> Vec<Mount> {
        let (resolv_conf, mut hosts) = if network {
            (self.resolv_conf.clone(), self.hosts.clone())
        } else {
            (Vec::new(), LOOPBACK_HOSTS.to_vec())
        };
        if !hosts.ends_with(b"\n") {
            hosts.push(b'\n');
        }
        hosts.extend_from_slice(format!("127.0.0.1\t{HOSTNAME}\n").as_bytes());
        let file = |target: &str, content| Mount {
            target: target.into(),
            kind: MountKind::File { content, mode: 0o644, uid: 0, gid: 0, read_only: false },
        };
        vec![file("/etc/resolv.conf", resolv_conf), file("/etc/hosts", hosts)]
    }
}
