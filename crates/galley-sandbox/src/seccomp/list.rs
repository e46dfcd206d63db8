//! Which system calls a sandboxed process cannot make, with the reason for each group.
//!
//! Of the strength of docker's default profile, which lists what is allowed. Here every call up to
//! [`LAST_KNOWN`] that is not named is allowed, and everything newer fails with `ENOSYS`, so that a new
//! kernel never opens a hole and C libraries fall back to what they did before.

use libc::{EPERM, c_long};

use super::bpf::{Action, Condition};

/// The newest system call that was looked at when this list was written: `removexattrat` of Linux 6.13.
/// The numbers from 424 on are the same on all architectures.
pub(super) const LAST_KNOWN: u32 = 466;

pub(super) struct Rule {
    pub(super) number: c_long,
    pub(super) condition: Condition,
    pub(super) action: Action,
}

/// Flags of `clone` and `unshare` that make namespaces (`CLONE_NEW*`). `CLONE_NEWTIME` is not among
/// `clone`'s: its bit belongs to the signal there.
const NEW_NAMESPACES: u32 = 0x7e02_0000;

/// Linux, `PER_LINUX32`, each also with `UNAME26`, and the question which one is set (personality(2)).
const PERSONALITIES: &[u32] = &[0x0, 0x8, 0x2_0000, 0x2_0008, 0xffff_ffff];

/// Sockets that reach past the network namespace: to the hypervisor.
const AF_VSOCK: u32 = 40;

/// Refused whatever the arguments.
const REFUSED: &[c_long] = &[
    // Mounts: they could uncover what the sandbox hides.
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    // Namespaces: a new user namespace would give back every capability.
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    // The kernel itself: modules, another kernel, tracing of it, its log.
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_kexec_file_load,
    libc::SYS_reboot,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_lookup_dcookie,
    libc::SYS_syslog,
    libc::SYS_acct,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_quotactl,
    libc::SYS_quotactl_fd,
    libc::SYS_nfsservctl,
    libc::SYS_vhangup,
    // The clock is not in a namespace.
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    // Keyrings are not in a namespace.
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    // Files by handle instead of by path leave every root.
    libc::SYS_open_by_handle_at,
    libc::SYS_fanotify_init,
    // Other processes' memory and descriptors; debuggers use ptrace, which checks more.
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_pidfd_getfd,
    libc::SYS_kcmp,
    // Memory placement, and fault handling that widens races in the kernel.
    libc::SYS_userfaultfd,
    libc::SYS_mbind,
    libc::SYS_get_mempolicy,
    libc::SYS_set_mempolicy,
    libc::SYS_set_mempolicy_home_node,
    libc::SYS_migrate_pages,
    libc::SYS_move_pages,
    // io_uring makes calls that no filter sees.
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
];

/// Refused calls that only some architectures have.
#[cfg(target_arch = "x86_64")]
const REFUSED_HERE: &[c_long] = &[
    // Ports of the hardware.
    libc::SYS_iopl,
    libc::SYS_ioperm,
    // Obsolete and seldom looked at.
    libc::SYS__sysctl,
    libc::SYS_uselib,
    libc::SYS_ustat,
    libc::SYS_sysfs,
];

/// Refused calls that only some architectures have.
#[cfg(target_arch = "aarch64")]
const REFUSED_HERE: &[c_long] = &[];

/// Newer than the libc crate knows, same number everywhere: they show mounts by id, past the root.
const STATMOUNT: c_long = 457;
const LISTMOUNT: c_long = 458;

/// Every rule, in the order in which the filter tries them.
pub(super) fn rules() -> impl Iterator<Item = Rule> {
    let refuse =
        |number: &c_long| Rule { number: *number, condition: Condition::Always, action: Action::Fail(EPERM) };
    let missing = |number| Rule { number, condition: Condition::Always, action: Action::Fail(libc::ENOSYS) };
    REFUSED.iter().chain(REFUSED_HERE).map(refuse).chain(checked()).chain([
        // Its flags are in memory, where a filter cannot look; C libraries fall back to clone.
        missing(libc::SYS_clone3),
        missing(STATMOUNT),
        missing(LISTMOUNT),
    ])
}

/// Calls that depend on their arguments.
fn checked() -> [Rule; 3] {
    let refuse = |number, condition| Rule { number, condition, action: Action::Fail(EPERM) };
    [
        refuse(libc::SYS_clone, Condition::AnyBit { argument: 0, bits: NEW_NAMESPACES }),
        refuse(libc::SYS_personality, Condition::NoneOf { argument: 0, values: PERSONALITIES }),
        refuse(libc::SYS_socket, Condition::Equal { argument: 0, value: AF_VSOCK }),
    ]
}
