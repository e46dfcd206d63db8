//! Files of packages, from mirrors that break off, lie, want a password, or are gone.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use galley_bases::archive::{ArchiveError, Mirror, Watch, fetch};
use galley_testkit::machine;
use galley_testkit::server::{Answer, Asked};

use crate::lab::{Archive, Fault, Lab, assert_whole, content};

fn is_app(asked: &Asked) -> bool {
    asked.path.contains("/app_")
}

fn cut(answer: &Answer, at: usize) -> Option<Answer> {
    Some(Answer { cut: Some(at), ..answer.clone() })
}

#[test]
fn a_broken_transfer_is_taken_up_where_it_broke() {
    let fault: Fault =
        Box::new(|asked, usual| if is_app(asked) && asked.before < 2 { cut(usual, 100_000) } else { None });
    let lab = Lab::with_fault(&Archive::new(), fault);
    assert_eq!(lab.fetched(), "app lib");
    let ranges: Vec<_> =
        lab.server.asked_for("/app_").iter().map(|asked| asked.headers.get("range").cloned()).collect();
    assert_eq!(ranges.len(), 3);
    assert!(
        ranges[0].is_none()
            && ranges[1..].iter().all(|range| range.as_deref().is_some_and(|range| range != "bytes=0-")),
        "{ranges:?}"
    );
}

#[test]
fn servers_that_know_no_ranges_send_all_again() {
    let fault: Fault = Box::new(|asked, usual| match is_app(asked) {
        true if asked.before == 0 => cut(usual, 100_000),
        true => Some(Answer::new(200, content("app"))),
        false => None,
    });
    assert_eq!(Lab::with_fault(&Archive::new(), fault).fetched(), "app lib");
}

#[test]
fn the_next_process_goes_on() {
    let fault: Fault =
        Box::new(|asked, usual| if is_app(asked) && asked.before == 0 { cut(usual, 100_000) } else { None });
    let mut lab = Lab::with_fault(&Archive::new(), fault);
    // One after the other: nothing else is on its way when the first one fails.
    (lab.settings.network.retries.attempts, lab.settings.at_once) = (1, 1);
    let refusal = lab.refusal();
    assert!(
        refusal.contains("app_1.0_amd64.deb: the connection to") && refusal.contains("broke"),
        "{refusal}"
    );
    assert_eq!(lab.cached("partial").len(), 1, "{:?}", lab.cached("partial"));
    assert_eq!(lab.fetched(), "app lib");
    assert!(lab.server.asked_for("/app_")[1].headers.contains_key("range"));
    assert!(lab.cached("partial").is_empty());
}

#[test]
fn another_mirror_goes_on() {
    let archive = Archive::new();
    let fault: Fault = Box::new(|asked, usual| if is_app(asked) { cut(usual, 100_000) } else { None });
    let mut lab = Lab::with_fault(&archive, fault);
    lab.settings.network.retries.attempts = 1;
    let other = Lab::new(&archive);
    lab.request.suites[0].mirrors.push(other.request.suites[0].mirrors[0].clone());
    assert_eq!(lab.fetched(), "app lib");
    assert!(other.server.asked_for("/app_")[0].headers.contains_key("range"));
    assert!(other.server.asked_for("InRelease").is_empty());
}

#[test]
fn what_passes_is_tried_again() {
    let fault: Fault = Box::new(|asked, _| (asked.before < 2).then(|| Answer::new(503, "busy")));
    assert_eq!(Lab::with_fault(&Archive::new(), fault).fetched(), "app lib");
    let fault: Fault = Box::new(|asked, _| is_app(asked).then(|| Answer::new(503, "busy")));
    let refusal = Lab::with_fault(&Archive::new(), fault).refusal();
    assert!(refusal.contains("app_1.0_amd64.deb: the mirror answered 503"), "{refusal}");
}

#[test]
fn wrong_files_are_refused_and_not_kept() {
    let archive = Archive::new();
    let lab = Lab::new(&archive);
    let path = archive.path("/app_");
    let refused = |change: &dyn Fn(&mut Vec<u8>)| {
        lab.publish(&archive);
        lab.change(&path, |file| change(file));
        let error = lab.fetch().unwrap_err();
        let message = error.to_string();
        assert!(message.contains("app_1.0_amd64.deb"), "{message}");
        assert!(lab.cached("by-sha256").len() <= 1 && lab.cached("partial").is_empty(), "{message}");
        message
    };
    assert!(
        refused(&|file| file[7] ^= 1)
            .contains("is not the file of the package `app` that its index lists: its SHA-256 is")
    );
    assert!(refused(&|file| file.push(0)).contains("it has more than 300000 bytes"));
    lab.publish(&archive);
    assert_eq!(lab.fetched(), "app lib");
}

#[test]
fn a_lying_mirror_is_left_for_another() {
    let archive = Archive::new();
    let mut lab = Lab::new(&archive);
    lab.change(&archive.path("/app_"), |file| file[7] ^= 1);
    let other = Lab::new(&archive);
    lab.request.suites[0].mirrors.push(other.request.suites[0].mirrors[0].clone());
    assert_eq!(lab.fetched(), "app lib");
}

#[test]
fn without_the_mirror_the_cache_is_enough_and_that_is_said() {
    static DOWN: AtomicUsize = AtomicUsize::new(0);
    let fault: Fault = Box::new(|_, _| (DOWN.load(Ordering::SeqCst) > 0).then(|| Answer::new(502, "")));
    let mut lab = Lab::with_fault(&Archive::new(), fault);
    lab.settings.offline = true;
    assert!(
        lab.refusal().contains("InRelease: the mirror does not have it") || lab.refusal().contains("cache")
    );
    lab.settings.offline = false;
    assert_eq!(lab.fetched(), "app lib");
    DOWN.store(1, Ordering::SeqCst);
    assert_eq!(lab.fetched(), "app lib");
    assert!(lab.warnings.borrow()[0].contains("galley goes on with the copy of"), "{:?}", lab.warnings);
    lab.settings.offline = true;
    let asked = lab.server.asked().len();
    assert_eq!(lab.fetched(), "app lib");
    assert_eq!(lab.server.asked().len(), asked);
}

#[test]
fn passwords_are_sent_and_never_shown_or_kept() {
    let fault: Fault = Box::new(|asked, _| {
        let known = asked.headers.get("authorization").is_some_and(|value| value == "Basic bWU6czNjcmV0");
        (!known).then(|| Answer::new(401, ""))
    });
    let mut lab = Lab::with_fault(&Archive::new(), fault);
    let address = lab.server.address.clone();
    lab.request.suites[0].mirrors =
        vec![Mirror::parse(&format!("http://me:wr0ng@{address}/debian")).unwrap()];
    let refusal = lab.refusal();
    assert!(refusal.contains("refuses access (401)") && !refusal.contains("wr0ng"), "{refusal}");
    lab.request.suites[0].mirrors =
        vec![Mirror::parse(&format!("http://me:s3cret@{address}/debian")).unwrap()];
    assert_eq!(lab.fetched(), "app lib");
    let fetched = lab.fetch().unwrap();
    assert!(!format!("{fetched:?}{}", fetched.lock.to_text()).contains("s3cret"));
    for directory in ["releases", "indexes"] {
        for file in lab.cached(directory) {
            assert!(!String::from_utf8_lossy(&fs::read(file).unwrap()).contains("s3cret"));
        }
    }
}

#[test]
fn a_mirror_may_be_a_directory() {
    let archive = Archive::new();
    let mut lab = Lab::new(&archive);
    let root = lab.directory.path().join("mirror");
    for (path, bytes) in &archive.files {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    lab.request.suites[0].mirrors = vec![Mirror::parse(&format!("file://{}", root.display())).unwrap()];
    assert_eq!(lab.fetched(), "app lib");
    assert!(lab.server.asked().is_empty());
    fs::remove_dir_all(root.join("dists")).unwrap();
    assert!(matches!(lab.fetch(), Err(ArchiveError::NoSuite { .. })));
}

#[test]
fn two_at_once_share_a_cache() {
    let mut archive = Archive::new();
    archive.packages.extend((0..20).map(|number| format!("p{number} 1")));
    archive.publish();
    let mut lab = Lab::new(&archive);
    lab.request.include = (0..20).map(|number| format!("p{number}")).collect();
    let (request, settings) = (&lab.request, &lab.settings);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(move || {
                let fetched =
                    fetch(request, None, settings, &Watch { event: &|_| {}, stopped: &|| false }).unwrap();
                assert_eq!(fetched.files.len(), 20);
                assert_whole(&fetched);
            });
        }
    });
    assert!(lab.cached("partial").is_empty(), "{:?}", lab.cached("partial"));
}

#[test]
fn a_silent_mirror_can_be_left() {
    let fault: Fault =
        Box::new(|asked, usual| is_app(asked).then(|| Answer { stall: Some(1000), ..usual.clone() }));
    let lab = Lab::with_fault(&Archive::new(), fault);
    let begun = Instant::now();
    let stopped = || begun.elapsed() > Duration::from_millis(300);
    let outcome = fetch(&lab.request, None, &lab.settings, &Watch { event: &|_| {}, stopped: &stopped });
    assert!(matches!(outcome, Err(ArchiveError::Stopped)), "{outcome:?}");
}

/// Where the small disk is, in the process that has it.
const SMALL_DISK: &str = "GALLEY_TEST_SMALL_DISK";

#[test]
fn a_full_disk_leaves_nothing_half_made() {
    if let Some(disk) = std::env::var_os(SMALL_DISK) {
        return on_small_disk(Path::new(&disk));
    }
    if !rustix::process::geteuid().is_root() && !machine::cannot_run("it mounts a small disk as root") {
        return;
    }
    let disk = tempfile::tempdir().unwrap();
    let script = "mount -t tmpfs -o size=256k small \"$1\" && exec \"$2\" --exact \"$3\" --nocapture";
    let output = Command::new("unshare")
        .args(["--mount", "--propagation", "private", "sh", "-c", script, "sh"])
        .arg(disk.path())
        .arg(std::env::current_exe().unwrap())
        .arg("downloads::a_full_disk_leaves_nothing_half_made")
        .env(SMALL_DISK, disk.path())
        .output()
        .unwrap();
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

fn on_small_disk(disk: &Path) {
    let mut lab = Lab::new(&Archive::new());
    (lab.settings.cache, lab.settings.at_once) = (disk.join("cache"), 1);
    let refusal = lab.refusal();
    assert!(refusal.contains("cannot write") && refusal.contains("No space left on device"), "{refusal}");
    assert!(
        lab.cached("by-sha256").is_empty() && lab.cached("partial").is_empty(),
        "{:?}",
        lab.cached("partial")
    );
}
