//! Words that must not stand anywhere in the project: hosts of package registries, paths of the machine it was written on.
//!
//! They are put together from halves here, for this file is checked too.

use super::{Problem, TextFile};

/// Hosts that a mirror may stand in for: the project never names them, so that it works behind any of them.
const REGISTRY_HOSTS: [&str; 16] = [
    concat!("deb.", "debian.org"),
    concat!("security.", "debian.org"),
    concat!("snapshot.", "debian.org"),
    concat!("ftp.", "debian.org"),
    concat!("archive.", "ubuntu.com"),
    concat!("dl-cdn.", "alpinelinux.org"),
    concat!("pypi.", "org"),
    concat!("pypi.", "python.org"),
    concat!("files.", "pythonhosted.org"),
    concat!("registry.", "npmjs.org"),
    concat!("registry.", "yarnpkg.com"),
    concat!("crates", ".io"),
    concat!("proxy.", "golang.org"),
    concat!("sum.", "golang.org"),
    concat!("ruby", "gems.org"),
    concat!("repo.maven.", "apache.org"),
];

/// Paths that exist on one machine only.
const MACHINE_PATHS: [&str; 7] = [
    concat!("/work", "/main"),
    concat!("/work", "/shared"),
    concat!("shared", "/design"),
    concat!("shared", "/reference"),
    concat!("shared", "/bases"),
    concat!("/tmp", "/galley/"),
    concat!(".lib", "rary"),
];

/// How cargo names its index in lock files: the one place that cannot be avoided.
const CARGO_INDEX: &str = concat!("github.com/rust-lang/crates", ".io-index");

/// Finds forbidden words in one file.
pub(super) fn check(file: &TextFile, problems: &mut Vec<Problem>) {
    for (index, line) in file.text.lines().enumerate() {
        let line_without_index = line.replace(CARGO_INDEX, "");
        for host in REGISTRY_HOSTS {
            if line_without_index.contains(host) {
                let message = format!("names the package registry {host}");
                problems.push(Problem::new(&file.path, index + 1, message));
            }
        }
        for path in MACHINE_PATHS {
            if line.contains(path) {
                let message = format!("names a path of one machine, {path}");
                problems.push(Problem::new(&file.path, index + 1, message));
            }
        }
    }
}
