//! The capabilities that root in a sandbox has: docker's default set.

use rustix::io::Errno;
use rustix::thread::{CapabilitySet, CapabilitySets};

use crate::sys;

/// Numbers from capability.h, see capabilities(7).
const DEFAULT: [u32; 14] = [
    0,  // CAP_CHOWN
    1,  // CAP_DAC_OVERRIDE
    3,  // CAP_FOWNER
    4,  // CAP_FSETID
    5,  // CAP_KILL
    6,  // CAP_SETGID
    7,  // CAP_SETUID
    8,  // CAP_SETPCAP
    10, // CAP_NET_BIND_SERVICE
    13, // CAP_NET_RAW
    18, // CAP_SYS_CHROOT
    27, // CAP_MKNOD
    29, // CAP_AUDIT_WRITE
    31, // CAP_SETFCAP
];

/// `CAP_KILL` alone, as a set.
pub(crate) const KILL: u64 = 1 << 5;

/// The highest number a capability can have in the kernel's interface.
const LAST: u32 = 63;

/// The default set, bit n for capability n.
pub(crate) fn default_set() -> u64 {
    DEFAULT.iter().fold(0, |set, capability| set | 1 << capability)
}

/// Leaves only `keep` in the bounding set, and nothing in the ambient one; async-signal-safe.
pub(crate) fn bound(keep: u64) -> Result<(), Errno> {
    for capability in (0..=LAST).filter(|capability| keep & (1 << capability) == 0) {
        match sys::drop_from_bounding_set(capability) {
            // The kernel has no more capabilities.
            Err(Errno::INVAL) => break,
            result => result?,
        }
    }
    sys::clear_ambient_set()
}

/// Leaves of the calling process's permitted and effective capabilities only those in `keep`, and none inheritable; async-signal-safe.
pub(crate) fn reduce(keep: u64) -> Result<(), Errno> {
    let now = rustix::thread::capabilities(None)?;
    // Galley itself may have less than what is to be kept.
    let keep = CapabilitySet::from_bits_retain(keep) & now.permitted;
    let sets = CapabilitySets { effective: keep, permitted: keep, inheritable: CapabilitySet::empty() };
    rustix::thread::set_capabilities(None, sets)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_default_set_is_the_one_that_docker_shows() {
        assert_eq!(super::default_set(), 0x0000_0000_a804_25fb);
    }
}
