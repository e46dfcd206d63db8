//! What a process may do.

use std::fs;
use std::os::fd::AsFd;
use std::process::Command;

use galley_sandbox::{
    Cancel, Exit, Io, LinuxSandbox, Mount, MountKind, Output, Process, Sandbox, SandboxError, Stdin, UserIds,
    userns,
};

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

#[test]
fn device_nodes_are_inert_wherever_they_come_from() {
    let mut lab = Lab::new();
    let (layer, volume) = (lab.make("layer"), lab.make("volume"));
    if !userns::in_user_namespace() {
        for directory in [&layer, &volume] {
            let status =
                Command::new("mknod").arg(directory.join("brought")).args(["c", "1", "3"]).status().unwrap();
            assert!(status.success());
        }
    }
    lab.layers = vec![layer];
    let mut process = lab.shell(
        "for d in / /dev /dev/shm /tmp /volume /memory; do mknod $d/made c 1 3 2>/dev/null; \
         for n in made brought; do test -e $d/$n || continue; echo $d; (: <$d/$n) 2>/dev/null && echo opened; done; done; \
         cat /dev/null && echo works",
    );
    let tmpfs = MountKind::Tmpfs { size: None, mode: 0o755 };
    let bind = MountKind::Bind { source: volume, subpath: "".into(), read_only: false, recursive: true };
    process.mounts =
        vec![Mount { target: "/volume".into(), kind: bind }, Mount { target: "/memory".into(), kind: tmpfs }];
    let expected = match userns::in_user_namespace() {
        // Nobody makes any there.
        true => "works",
        false => "/\n/\n/dev\n/dev/shm\n/tmp\n/volume\n/volume\n/memory\nworks",
    };
    assert_eq!(lab.run(&process).out(), expected);
}

#[test]
fn no_path_leads_out_by_a_descriptor_of_the_set_up() {
    let mut lab = Lab::new();
    for legacy in [false, true] {
        if legacy {
            lab.sandbox = LinuxSandbox::probe(lab.directory.path()).unwrap().with_legacy_overlay();
        }
        for number in 0..64 {
            let mut process = lab.shell("pwd");
            process.cwd = format!("/proc/self/fd/{number}").into();
            let error = lab.try_run(&process, &Cancel::new()).unwrap_err();
            assert!(matches!(error, SandboxError::WorkingDirectory { .. }), "{number}: {error:?}");
            let process = lab.process(&[&format!("/proc/self/fd/{number}/bin/sh"), "-c", "true"]);
            assert!(lab.try_run(&process, &Cancel::new()).is_err(), "{number}");
        }
    }
}

#[test]
fn a_working_directory_outside_of_the_root_is_refused() {
    let lab = Lab::new();
    let mut process = lab.shell("pwd");
    process.cwd = "/proc/self/fd/0".into();
    lab.plan(&process).create_layer(&lab.path("stubs")).unwrap();
    // As after `galley run -i IMAGE </`.
    let root = fs::File::open("/").unwrap();
    let mut ignore = |_, _: &[u8]| {};
    let io = Io { stdin: Stdin::Fd(root.as_fd()), output: Output::Callback(&mut ignore) };
    let error = lab.sandbox.run(&process, io, &Cancel::new()).unwrap_err();
    assert!(error.to_string().contains("leads out of the root file system"), "{error}");
}

#[test]
fn the_reaper_keeps_the_right_to_send_signals_only() {
    let lab = Lab::new();
    let out = lab.sh("grep -E 'Cap(Prm|Eff|Inh|Amb)' /proc/1/status | cut -f2");
    assert_eq!(out.out(), "0000000000000000\n0000000000000020\n0000000000000020\n0000000000000000");
}
