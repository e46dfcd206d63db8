//! `galley base` on the machine's own mirrors: real packages, configured for real, by root and by a plain user.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use galley_testkit::machine;
use galley_testkit::user::PlainUser;
use tempfile::TempDir;

/// A home directory with a store, a package cache and a galley in it.
struct Home {
    directory: TempDir,
    user: Option<PlainUser>,
}

impl Home {
    fn new(user: Option<PlainUser>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
        // The build's own directory may be closed to others.
        fs::copy(env!("CARGO_BIN_EXE_galley"), directory.path().join("galley")).unwrap();
        Self { directory, user }
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Runs galley; the words of `line` are its arguments.
    fn galley(&self, line: &str) -> Output {
        let program = self.path().join("galley");
        if let Some(user) = self.user {
            user.give(self.path()).unwrap();
        }
        let mut command = self.user.map_or_else(|| Command::new(&program), |user| user.command(&program));
        command.args(line.split(' ')).env_clear().env("HOME", self.path()).stdin(Stdio::null());
        command.env("XDG_CACHE_HOME", self.path().join("cache")).env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        command.env("XDG_DATA_HOME", self.path().join("data")).current_dir(self.path()).output().unwrap()
    }

    /// What galley prints, which has to succeed.
    #[track_caller]
    fn prints(&self, line: &str) -> String {
        let output = self.galley(line);
        assert!(output.status.success(), "galley {line}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }
}

/// A home that keeps packages in itself, where the machine's mirrors answer.
fn home_with_packages(user: Option<PlainUser>) -> Option<Home> {
    if !(rustix::process::geteuid().is_root() || machine::cannot_run("it makes roots as root")) {
        return None;
    }
    let home = Home::new(user);
    fs::write(home.path().join("galley.toml"), "[store]\npath = \"store\"\n[debian]\ncache = \"cache\"\n")
        .unwrap();
    Some(home)
}

/// Whether the first root could be fetched; a machine without mirrors cannot run these tests.
fn fetched(output: &Output) -> bool {
    let said = String::from_utf8_lossy(&output.stderr);
    let no_mirror = said.contains("cannot fetch") || said.contains("names no Debian mirror");
    if no_mirror {
        return machine::cannot_run("it needs a Debian mirror that answers");
    }
    assert!(output.status.success(), "{said}");
    true
}

/// What dpkg and apt think of the root that they are in.
const CHECKS: &str = r#"FROM root
RUN test -z "$(dpkg --audit)"
RUN test "$(dpkg -l | awk '/^ii/ { n++ } /^[a-z][^i]/ { bad++ } END { print (n > 60), (bad + 0) }')" = '1 0'
RUN dpkg --verify | tee /verify && ! grep -v '/usr/share/\(doc\|man\|locale\|info\|lintian\)/' /verify
RUN apt-get check -q
RUN test "$(readlink /bin) $(readlink /sbin) $(readlink /lib)" = 'usr/bin usr/sbin usr/lib'
RUN test "$(stat -c '%a %U %G' /usr/bin/passwd /etc/shadow /tmp /usr/bin/chage | paste -sd' ')" = '4755 root root 640 root shadow 1777 root root 2755 root shadow'
RUN grep -q '^root:\*:' /etc/shadow && test ! -e /etc/passwd-
RUN test -z "$(find /var/log /var/lib/apt/lists /var/cache/apt /var/cache/ldconfig -type f)"
RUN test -s /usr/share/doc/bash/copyright && test ! -e /usr/share/man/man1/bash.1.gz && test ! -e /usr/share/locale/de
"#;

#[test]
fn a_slim_root_is_right_and_the_same_for_root_and_a_plain_user() {
    let Some(root) = home_with_packages(None) else { return };
    let first = root.galley("base -q --lock galley.lock -t root");
    if !fetched(&first) {
        return;
    }
    let id = String::from_utf8(first.stdout).unwrap();
    fs::write(root.path().join("Dockerfile"), CHECKS).unwrap();
    root.prints("build -q --network none .");
    // The lock, and nothing else, says what is in it: a plain user with a store of another kind gets the same bytes.
    let Some(user) = PlainUser::with_subordinate_ids() else { return };
    let Some(plain) = home_with_packages(Some(user)) else { return };
    fs::copy(root.path().join("galley.lock"), plain.path().join("galley.lock")).unwrap();
    fs::rename(root.path().join("cache"), plain.path().join("cache")).unwrap();
    assert_eq!(plain.prints("base -q --lock galley.lock -t root"), id);
    fs::write(plain.path().join("Dockerfile"), CHECKS).unwrap();
    plain.prints("build -q --network none .");
    assert!(Command::new("rm").arg("-rf").arg(plain.path().join("store")).status().unwrap().success());
}

#[test]
fn a_distroless_root_of_another_architecture_needs_no_emulation() {
    let Some(home) = home_with_packages(None) else { return };
    let output = home.galley("base -q --variant distroless --arch arm64 --include libc6 -t arm -o root.tar");
    if !fetched(&output) {
        return;
    }
    let listed = Command::new("tar").args(["tvf", "root.tar"]).current_dir(home.path()).output().unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    for part in [
        "usr/lib/ld-linux-aarch64.so.1",
        "etc/ssl/certs/ca-certificates.crt",
        "usr/share/zoneinfo/Europe/Berlin",
        "var/lib/dpkg/status.d/libc6",
        "var/lib/dpkg/status.d/libc6.md5sums",
        "etc/os-release",
        "lib -> usr/lib",
    ] {
        assert!(listed.contains(part), "{part} is missing");
    }
    assert!(!listed.contains("usr/share/man/man") && !listed.contains("var/lib/dpkg/status\n"));
    assert!(home.prints("images --json").contains("\"arm64\"") || home.prints("images").contains("arm"));
}

/// The lightest of the names that galley ships a recipe for: a root of a few packages, and a stage on it.
#[test]
fn a_name_that_is_bound_is_made_of_packages_once() {
    let Some(home) = home_with_packages(None) else { return };
    if !machine::has_programs(&["/bin/busybox"]) {
        return;
    }
    let app = home.path().join("app");
    fs::create_dir(&app).unwrap();
    fs::copy("/bin/busybox", app.join("busybox")).unwrap();
    let config = "[store]\npath = \"../store\"\n[debian]\ncache = \"../cache\"\n[bases]\nbuiltin = true\n";
    fs::write(app.join("galley.toml"), config).unwrap();
    let checks = r#"["/busybox", "sh", "-c", "/busybox test $(/busybox id -u) = 65532 && /busybox test -s $SSL_CERT_FILE"]"#;
    let dockerfile =
        format!("FROM gcr.io/distroless/static-debian12:nonroot\nCOPY busybox /\nRUN {checks}\n");
    fs::write(app.join("Dockerfile"), dockerfile).unwrap();
    let first = home.galley("build --progress plain app");
    if !fetched(&first) {
        return;
    }
    let bound = "base gcr.io/distroless/static-debian12:nonroot: builtin:distroless (static-nonroot) (bound by app/galley.toml)";
    let said = String::from_utf8(first.stderr).unwrap();
    assert!(said.contains(bound), "{said}");
    let again = String::from_utf8(home.galley("build --progress plain app").stderr).unwrap();
    assert!(again.contains(bound) && again.contains("0 steps ran, "), "{again}");
}

#[test]
fn what_cannot_be_made_says_so() {
    let home = Home::new(None);
    let refused =
        |line: &str| String::from_utf8(home.galley(&format!("--store store {line}")).stderr).unwrap();
    assert!(
        refused("base --snapshot yesterday")
            .contains("--snapshot yesterday: write a date such as 2026-07-11")
    );
    assert!(refused("base --snapshot 2026-07-11").contains("needs a mirror that keeps every state"));
    assert!(refused("base --mirror nowhere").contains("`nowhere` is no mirror"));
    fs::write(home.path().join("broken.lock"), "nonsense").unwrap();
    let problem = refused("base --mirror http://127.0.0.1:9/debian --lock broken.lock");
    assert!(
        problem.contains("the lock file broken.lock: it does not start with `Galley-Lock: 1`"),
        "{problem}"
    );
}
