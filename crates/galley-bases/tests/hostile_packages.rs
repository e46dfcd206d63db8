//! Packages that want out, that lie, or that are not whole: each is refused with its name and the path in question, and leaves nothing.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod lab;

use std::io::Write;

use galley_bases::Variant;
use galley_testkit::archive::{Archive, field, put};
use lab::{Deb, Lab, control};

/// Makes a root of package `a` in `bytes`, and says why not.
fn refused(bytes: &[u8]) -> String {
    let lab = Lab::new();
    let deb = lab.deb("a", bytes);
    let place = deb.path.display().to_string();
    let error = lab.root(Variant::Distroless, vec![deb]).unwrap_err().to_string();
    assert_eq!(lab.leftovers(), 0, "{error}");
    let prefix = format!("cannot unpack the package a ({place}): ");
    error.strip_prefix(&prefix).unwrap_or_else(|| panic!("{error} does not start with {prefix}")).to_owned()
}

fn of_data(data: Archive) -> String {
    refused(&Deb::new("a", data).bytes())
}

#[test]
fn names_that_lead_out() {
    for (name, says) in [
        ("../../etc/passwd", "it has the path `../../etc/passwd`, which climbs with `..`"),
        ("./usr/../../x", "it has the path `./usr/../../x`, which climbs with `..`"),
        ("./usr/../x", "it has the path `./usr/../x`, which climbs with `..`"),
        ("/etc/passwd", "it has the path `/etc/passwd`, which is absolute"),
    ] {
        // A path error of the archive's own reader says the same in other words.
        let problem = of_data(Archive::new().file(name, "x"));
        assert!(problem == says || problem.contains("leaves its tree with `..`"), "{name}: {problem}");
    }
}

#[test]
fn nothing_goes_through_a_link() {
    let link = Archive::new().symlink("./escape", "/tmp").file("./escape/x", "x");
    assert_eq!(of_data(link), "it has /escape/x, but /escape is a symbolic link of a");
    let file = Archive::new().file("./f", "").file("./f/x", "x");
    assert_eq!(of_data(file), "it has /f/x, but /f is a file of a");
    let directory = Archive::new().directory("./d/").symlink("./d", "/tmp");
    assert_eq!(of_data(directory), "it has /d, but /d is a directory of a");
    let hard = Archive::new().hard_link("./x", "./etc/shadow");
    assert_eq!(of_data(hard), "its hard link /x names /etc/shadow, which it does not have");
    // Nor through the link of another package, in whichever order they come.
    let lab = Lab::new();
    let a = lab.deb("a", &Deb::new("a", Archive::new().symlink("./opt", "/tmp")).bytes());
    let b = lab.deb("b", &Deb::new("b", Archive::new().directory("./opt/").file("./opt/x", "x")).bytes());
    let error = lab.root(Variant::Distroless, vec![a, b]).unwrap_err().to_string();
    assert!(error.contains("/opt") && error.contains(" of "), "{error}");
    assert_eq!(lab.leftovers(), 0);
}

#[test]
fn devices_are_refused() {
    let node = Archive::new().member(b'3', "./dev/mem", "", "");
    assert_eq!(of_data(node), "it has the device node /dev/mem, which no package of a root may have");
}

#[test]
fn containers_that_are_none() {
    let whole = Deb::new("a", Archive::new().file("./f", "x".repeat(5000))).bytes();
    assert_eq!(refused(b""), "it is no ar archive, and so no package");
    assert_eq!(refused(b"PK\x03\x04 something else"), "it is no ar archive, and so no package");
    for length in [9, 60, 70, 80, 140, 2000, whole.len() - 3000] {
        let problem = refused(&whole[..length]);
        assert!(problem.contains("not whole") || problem.contains("breaks off"), "{length}: {problem}");
    }
    let mut damaged = whole.clone();
    damaged[8 + 48] = b'x';
    assert_eq!(refused(&damaged), "the header of its member 1 is damaged");
    let mut version = Deb::new("a", Archive::new());
    version.members[0].1 = b"3.0\n".to_vec();
    assert_eq!(refused(&version.bytes()), "its format is \"3.0\", and only 2.x is known");
    let mut order = Deb::new("a", Archive::new());
    order.members.swap(1, 2);
    assert_eq!(refused(&order.bytes()), "its member 2 is `data.tar` where control.tar has to be");
    order.members.remove(0);
    assert_eq!(refused(&order.bytes()), "its member 1 is `data.tar` where debian-binary has to be");
}

#[test]
fn controls_that_say_too_little_or_something_else() {
    let with = |text: &str| refused(&Deb::with_control(text, Archive::new().end()).bytes());
    assert_eq!(with("Version: 1.0\nArchitecture: amd64\n"), "its control file has no field Package");
    assert_eq!(with("Package: a\nArchitecture: amd64\n"), "its control file has no field Version");
    assert_eq!(
        with("Package: ../a\nVersion: 1\nArchitecture: all\n"),
        "its control file: `../a` is no name for a package"
    );
    assert_eq!(with(""), "its control file has no field Package");
    assert_eq!(
        with(&control("b")),
        "it is b 1.0 for amd64, and a 1.0 for amd64 was to be there: remove it from the package cache"
    );
    let none = Deb::of(Archive::new().file("./md5sums", "").end(), Archive::new().end());
    assert_eq!(refused(&none.bytes()), "it has no control file");
    let nested = Archive::new().file("./control", control("a")).file("./../../x", "x").end();
    let problem = refused(&Deb::of(nested, Archive::new().end()).bytes());
    assert!(problem.contains("`..`"), "{problem}");
    let deep = Archive::new().file("./control", control("a")).file("./d/x", "x").end();
    let problem = refused(&Deb::of(deep, Archive::new().end()).bytes());
    assert_eq!(problem, "its control file: /d/x has no place in a control archive");
}

#[test]
fn bombs() {
    // A header that promises 8 GiB, of zeroes that compress to nothing.
    let sized = Archive::new().edited(b'0', "./zeroes", "", "", |header| {
        put(header, field::SIZE, b"77777777777");
    });
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    gzip.write_all(&sized.cut()).unwrap();
    let zeroes = vec![0; 1 << 20];
    for _ in 0..600 {
        gzip.write_all(&zeroes).unwrap();
    }
    let mut bomb = Deb::new("a", Archive::new());
    bomb.members[2] = ("data.tar.gz".into(), gzip.finish().unwrap());
    let problem = refused(&bomb.bytes());
    assert!(problem.contains("refused as an archive bomb"), "{problem}");
    // A control archive has far less to say.
    let mut control = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    control
        .write_all(&Archive::new().file("./control", lab::control("a")).file("./x", vec![0; 40 << 20]).end())
        .unwrap();
    bomb.members[1] = ("control.tar.gz".into(), control.finish().unwrap());
    let problem = refused(&bomb.bytes());
    assert!(problem.contains("refused as an archive bomb"), "{problem}");
}

#[test]
fn files_of_two_packages() {
    let lab = Lab::new();
    let make = |name: &str, extra: &str| {
        let text = format!("{}{extra}", control(name));
        lab.deb(name, &Deb::with_control(&text, Archive::new().file("./bin/tool", name).end()).bytes())
    };
    let error = lab.root(Variant::Distroless, vec![make("a", ""), make("b", "")]).unwrap_err().to_string();
    assert!(
        error.contains("it has /bin/tool, which") && error.contains("does not say that it replaces it"),
        "{error}"
    );
    assert_eq!(lab.leftovers(), 0);
    // Only what was replaced may be: b replaces older a's than this one.
    let versioned = vec![make("a", ""), make("b", "Replaces: a (<< 1.0)\n")];
    assert!(lab.root(Variant::Distroless, versioned).is_err());
    let root = lab.root(Variant::Distroless, vec![make("a", ""), make("b", "Replaces: a (<< 2)\n")]).unwrap();
    assert_eq!(lab.read(&root, "usr/bin/tool"), "b");
}
