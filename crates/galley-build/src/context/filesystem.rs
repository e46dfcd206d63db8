//! Whether a file system's times say when a file changed.

use std::os::fd::AsFd;

/// Magic numbers (statfs(2)) of file systems whose files change behind this kernel's back, or whose times are made by
/// another machine or program: network file systems and FUSE.
const UNTRUSTED: &[u32] = &[
    0x0000_6969, // NFS
    0x0000_517b, // SMB
    0xff53_4d42, // CIFS
    0xfe53_4d42, // SMB2
    0x6573_5546, // FUSE
    0x0102_1997, // 9P
    0x7375_7245, // Coda
    0x5346_414f, // AFS
    0x6b41_4653, // kAFS
    0x00c3_6400, // Ceph
    0x0bd0_0bd0, // Lustre
    0x786f_4256, // VirtualBox shared folders
    0xbacb_acbc, // VMware shared folders
    0x0000_564c, // NCP
];

/// Whether an unchanged change time on the file system of `directory` means an unchanged file. `false` also where the
/// kernel does not tell.
pub(super) fn keeps_times(directory: impl AsFd) -> bool {
    match rustix::fs::fstatfs(directory) {
        // The field's width and sign differ between architectures; the magic numbers have 32 bits.
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "only the low 32 bits count"
        )]
        Ok(stat) => !UNTRUSTED.contains(&(stat.f_type as u32)),
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_local_file_system_is_trusted() {
        let directory = tempfile::tempdir().unwrap();
        assert!(keeps_times(std::fs::File::open(directory.path()).unwrap()));
    }
}
