//! What a process may do.

use galley_sandbox::{Exit, Process, UserIds};

use crate::lab::Lab;

fn status(lab: &Lab, process: &Process, field: &str) -> String {
    let done = lab.run(process);
    let line = done.out().lines().find(|line| line.starts_with(&format!("{field}:")));
    line.unwrap_or_else(|| panic!("no {field}")).split_whitespace().skip(1).collect::<Vec<_>>().join(" ")
}

#[test]
fn root_has_dockers_default_capabilities() {
    let lab = Lab::new();
    let process = lab.process(&["cat", "/proc/self/status"]);
    for (field, value) in [
        ("CapInh", "0000000000000000"),
        ("CapPrm", "00000000a80425fb"),
        ("CapEff", "00000000a80425fb"),
        ("CapBnd", "00000000a80425fb"),
        ("CapAmb", "0000000000000000"),
        ("Seccomp", "2"),
        ("NoNewPrivs", "0"),
        ("SigBlk", "0000000000000000"),
        ("SigIgn", "0000000000000000"),
        ("Groups", ""),
        ("Uid", "0 0 0 0"),
        ("Umask", "0022"),
    ] {
        assert_eq!(status(&lab, &process, field), value, "{field}");
    }
}

#[test]
fn signals_that_galley_was_started_without_are_back() {
    // 32 is one of the two that the C library keeps to itself: its own functions cannot change it.
    for signal in [libc::SIGUSR2 as usize, 32] {
        let ignore = [libc::SIG_IGN, 0, 0, 0];
        let nowhere = std::ptr::null_mut::<usize>();
        // SAFETY: the kernel's sigaction is four words; ignoring runs no code, and no test sends these signals.
        let result =
            unsafe { libc::syscall(libc::SYS_rt_sigaction, signal, ignore.as_ptr(), nowhere, 8_usize) };
        assert_eq!(result, 0);
    }
    let lab = Lab::new();
    for init in [true, false] {
        let mut process = lab.process(&["cat", "/proc/self/status"]);
        process.init = init;
        assert_eq!(status(&lab, &process, "SigIgn"), "0000000000000000", "init: {init}");
    }
}

#[test]
fn other_users_have_no_capabilities_but_their_groups() {
    let lab = Lab::new();
    let mut process = lab.process(&["cat", "/proc/self/status"]);
    process.user = UserIds { uid: 1000, gid: 1001, groups: vec![27, 100] };
    for (field, value) in [
        ("CapPrm", "0000000000000000"),
        ("CapEff", "0000000000000000"),
        ("CapBnd", "00000000a80425fb"),
        ("Seccomp", "2"),
        ("Uid", "1000 1000 1000 1000"),
        ("Gid", "1001 1001 1001 1001"),
        ("Groups", "27 100"),
    ] {
        assert_eq!(status(&lab, &process, field), value, "{field}");
    }
    process.args =
        ["sh", "-c", "echo x >/dev/stdout; echo x >/root/x || echo refused"].map(Into::into).into();
    assert_eq!(lab.run(&process).stdout, "x\nrefused\n");
}

#[test]
fn no_new_privileges_is_a_choice() {
    let lab = Lab::new();
    let mut process = lab.process(&["cat", "/proc/self/status"]);
    process.no_new_privileges = true;
    assert_eq!(status(&lab, &process, "NoNewPrivs"), "1");
}

#[test]
fn what_reaches_out_of_the_sandbox_is_refused() {
    let lab = Lab::new();
    for script in [
        "mount -t tmpfs x /tmp",
        "umount /proc",
        "unshare -m true",
        "unshare -U true",
        "hostname other",
        "mount -o remount,rw /proc/sys",
        "swapoff -a; swapon /bin/busybox",
        "dmesg",
        "nsenter -t 1 -m true",
        "pivot_root / /tmp",
        "ls /proc/1/root/",
    ] {
        let done = lab.sh(&format!("{script} 2>/dev/null"));
        assert_ne!(done.exit, Exit::Code(0), "{script}");
    }
}

#[test]
fn the_clock_stays() {
    let lab = Lab::new();
    let done = lab.sh("date -s 2001-01-01");
    assert!(done.stderr.contains("Operation not permitted"), "{done:?}");
}

#[test]
fn root_can_do_what_builds_need() {
    let lab = Lab::new();
    let out = lab.sh(
        "touch /f && chown 33:33 /f && chmod 4755 /f && stat -c '%u %g %a' /f && mkdir -p /a/b && ln -s b /a/c && \
         mkfifo /p && chroot / true && ulimit -n >/dev/null && ping -c1 -W1 127.0.0.1 >/dev/null; echo done",
    );
    assert_eq!(out.out(), "33 33 4755\ndone");
}
