//! What the filter answers, call by call, in an interpreter of its instructions.

use super::*;

const ALLOWED: u32 = libc::SECCOMP_RET_ALLOW;
const EPERM: u32 = libc::SECCOMP_RET_ERRNO | libc::EPERM as u32;
const ENOSYS: u32 = libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32;

fn answer(number: libc::c_long, first_argument: u64) -> u32 {
    let args = [first_argument, 0, 0, 0, 0, 0];
    bpf::interpret(Filter::new().instructions(), ARCHITECTURE, number as u32, args)
}

#[test]
fn ordinary_calls_are_allowed() {
    for number in [libc::SYS_read, libc::SYS_openat, libc::SYS_execve, libc::SYS_ptrace, libc::SYS_chroot] {
        assert_eq!(answer(number, 0), ALLOWED, "call {number}");
    }
    assert_eq!(answer(466, 0), ALLOWED);
}

#[test]
fn calls_that_reach_out_of_the_sandbox_are_refused() {
    for number in [
        libc::SYS_mount,
        libc::SYS_unshare,
        libc::SYS_setns,
        libc::SYS_bpf,
        libc::SYS_keyctl,
        libc::SYS_reboot,
    ] {
        assert_eq!(answer(number, 0), EPERM, "call {number}");
    }
}

#[test]
fn unknown_calls_do_not_exist() {
    assert_eq!(answer(libc::SYS_clone3, 0), ENOSYS);
    assert_eq!(answer(467, 0), ENOSYS);
    assert_eq!(answer(4000, 0), ENOSYS);
    assert_eq!(answer(0x4000_0000 + libc::SYS_read, 0), ENOSYS, "x32");
}

#[test]
fn another_architecture_has_no_calls() {
    const AUDIT_ARCH_I386: u32 = 0x4000_0003;
    let code = Filter::new();
    assert_eq!(bpf::interpret(code.instructions(), AUDIT_ARCH_I386, 3, [0; 6]), ENOSYS);
}

#[test]
fn clone_makes_threads_and_processes_but_no_namespaces() {
    assert_eq!(answer(libc::SYS_clone, libc::SIGCHLD as u64), ALLOWED);
    assert_eq!(answer(libc::SYS_clone, (libc::CLONE_VM | libc::CLONE_THREAD) as u64), ALLOWED);
    for flag in [
        libc::CLONE_NEWNS,
        libc::CLONE_NEWUSER,
        libc::CLONE_NEWPID,
        libc::CLONE_NEWNET,
        libc::CLONE_NEWIPC,
        libc::CLONE_NEWUTS,
        libc::CLONE_NEWCGROUP,
    ] {
        assert_eq!(answer(libc::SYS_clone, (flag | libc::SIGCHLD) as u64), EPERM, "flag {flag:#x}");
    }
}

#[test]
fn only_plain_personalities_are_allowed() {
    for persona in [0, 8, 0x2_0000, 0x2_0008, 0xffff_ffff] {
        assert_eq!(answer(libc::SYS_personality, persona), ALLOWED, "{persona:#x}");
    }
    for persona in [1, 0x4_0000, 0x40_0000, 0x1_0000_0000, 0x1_0000_0008] {
        assert_eq!(answer(libc::SYS_personality, persona), EPERM, "{persona:#x}");
    }
}

#[test]
fn sockets_reach_the_network_but_not_the_hypervisor() {
    assert_eq!(answer(libc::SYS_socket, libc::AF_INET as u64), ALLOWED);
    assert_eq!(answer(libc::SYS_socket, libc::AF_UNIX as u64), ALLOWED);
    assert_eq!(answer(libc::SYS_socket, libc::AF_VSOCK as u64), EPERM);
}

#[test]
fn a_rule_with_a_condition_leaves_the_number_for_the_next_ones() {
    // clone3 comes after the conditional rules.
    assert_eq!(answer(libc::SYS_clone3, 0x7e02_0000), ENOSYS);
    assert_eq!(answer(libc::SYS_getpid, 0x7e02_0000), ALLOWED);
}
