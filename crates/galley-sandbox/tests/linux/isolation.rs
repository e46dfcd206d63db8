//! What a step sees of the machine, and what not.

use galley_sandbox::{Exit, Network};

use crate::lab::Lab;

#[test]
fn a_process_has_its_own_ids_host_name_and_directories() {
    let lab = Lab::new();
    let mut process = lab.shell("echo $$; hostname; pwd; ls /; echo $HOME; id -u");
    process.hostname = Some("kitchen".into());
    process.cwd = "/tmp".into();
    let out = lab.run(&process);
    assert_eq!(out.out(), "2\nkitchen\n/tmp\nbin\ndev\netc\nproc\nroot\nrun\nsys\ntmp\n/root\n0");
}

#[test]
fn only_its_own_processes_are_there() {
    let lab = Lab::new();
    let out = lab.sh("ls -d /proc/[0-9]* | wc -l");
    // The reaper, the shell, and the two of the pipe.
    let count: u32 = out.out().parse().unwrap();
    assert!((3..=4).contains(&count), "{count}");
}

#[test]
fn no_descriptor_is_inherited() {
    let lab = Lab::new();
    // The fourth one is the directory that ls reads.
    let out = lab.run(&lab.process(&["ls", "/proc/self/fd"]));
    assert_eq!(out.out(), "0\n1\n2\n3");
}

#[test]
fn the_reaper_shows_nothing_of_galley() {
    let lab = Lab::new();
    let out = lab.sh("tr -d '\\0' </proc/1/cmdline; cat /proc/1/comm");
    assert_eq!(out.out(), "galley-init");
    // How the messages are worded is busybox's affair.
    for look in [
        "cat /proc/1/environ",
        "ls /proc/1/cwd/",
        "ls /proc/1/root/",
        "cat /proc/1/fd/3",
        "cat /proc/1/maps",
        "head -c1 /proc/1/mem",
    ] {
        let out = lab.sh(look);
        assert_ne!(out.exit, Exit::Code(0), "{look}: {out:?}");
        assert!(out.stdout.is_empty() && out.stderr.contains("Permission denied"), "{look}: {out:?}");
    }
}

#[test]
fn devices_work_and_there_are_no_others() {
    let lab = Lab::new();
    let out = lab.sh(
        "ls /dev | tr '\\n' ' '; echo x >/dev/null; head -c 3 /dev/zero | wc -c; head -c 5 /dev/urandom | wc -c; \
         stat -c '%F %a' /dev/null /dev/tty; echo out >/dev/stdout; readlink /dev/ptmx",
    );
    assert_eq!(
        out.out(),
        "core fd full mqueue null ptmx pts random shm stderr stdin stdout tty urandom zero 3\n5\n\
         character special file 666\ncharacter special file 666\nout\npts/ptmx"
    );
    let out = lab.sh("stat -c %a /dev/shm; df -P -k /dev/shm | awk 'NR==2{print $2}'");
    assert_eq!(out.out(), "1777\n65536");
}

#[test]
fn kernel_files_are_hidden_or_read_only() {
    let lab = Lab::new();
    let out = lab.sh(
        "cat /proc/kcore /proc/keys /proc/timer_list | wc -c; ls /sys/firmware /proc/acpi 2>/dev/null | grep -v : | wc -w; \
         for f in /proc/sys/kernel/hostname /proc/sysrq-trigger /proc/irq/x /sys/x; do (echo h >$f) 2>/dev/null || echo refused; done",
    );
    assert_eq!(out.out(), "0\n0\nrefused\nrefused\nrefused\nrefused");
}

#[test]
fn without_a_network_there_is_only_loopback() {
    let lab = Lab::new();
    let mut process = lab.shell("ip -o link | wc -l; ip -o addr show lo | grep -c 127.0.0.1; ip link show lo | grep -c LOWER_UP; ls /sys/class/net");
    process.network = Network::None;
    assert_eq!(lab.run(&process).out(), "1\n1\n1\nlo");
}

#[test]
fn the_hosts_network_is_the_machines() {
    let lab = Lab::new();
    let ours = std::fs::read_to_string("/proc/net/dev").unwrap().lines().count();
    let out = lab.sh("cat /proc/net/dev | wc -l");
    assert_eq!(out.out().parse::<usize>().unwrap(), ours);
}

#[test]
fn nothing_is_left_in_the_callers_namespace() {
    let mounts = || std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    let lab = Lab::new();
    let before = mounts();
    lab.sh("echo x >/x");
    assert_eq!(mounts(), before);
}

#[test]
fn the_exit_is_told() {
    let lab = Lab::new();
    assert_eq!(lab.sh("exit 0").exit, Exit::Code(0));
    assert_eq!(lab.sh("exit 42").exit, Exit::Code(42));
    assert_eq!(lab.sh("exit 255").exit, Exit::Code(255));
    assert_eq!(lab.sh("kill -9 $$").exit, Exit::Signal(9));
    assert_eq!(lab.sh("kill -SEGV $$").exit, Exit::Signal(11));
}

#[test]
fn both_streams_arrive_whole() {
    let lab = Lab::new();
    let out = lab.sh("echo one; echo two >&2; head -c 3000000 /dev/zero | tr '\\0' x; echo end >&2");
    assert_eq!(out.exit, Exit::Code(0));
    assert_eq!(out.stdout.len(), 3_000_004);
    assert_eq!(out.stderr, "two\nend\n");
}
