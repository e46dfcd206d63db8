//! Files that change while the build runs: seen, and never recorded under what they were.
//!
//! A RUN step asks a server of the test, which makes the change before it answers; the COPY behind it finds what is not
//! what its key was made of.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;

use galley_testkit::server::{Answer, Server};

use crate::lab::Lab;

const CHANGED: &str = "while";

fn changing(case: &str, change: impl FnOnce(&Path) + Send + 'static, repair: impl FnOnce(&Path)) {
    let Some(lab) = Lab::with_base() else { return };
    let context = lab.context();
    fs::create_dir(context.join("dir")).unwrap();
    fs::write(context.join("dir/file"), "before").unwrap();
    fs::create_dir(lab.path().join("outside")).unwrap();
    fs::write(lab.path().join("outside/file"), "secret").unwrap();
    let (change, directory) = (Mutex::new(Some(change)), context.clone());
    let server = Server::start(move |_| {
        if let Some(change) = change.lock().unwrap().take() {
            change(&directory);
        }
        Answer::new(200, "")
    });
    let dockerfile = format!(
        "FROM base\nRUN /bin/busybox wget -q -O /dev/null http://{}/\nCOPY dir /copied\n",
        server.address
    );
    let failed = lab.build(&dockerfile, &["-t", "app"]);
    assert_eq!(server.asked().len(), 1, "{case}: {failed:?}");
    assert_eq!(failed.code, Some(1), "{case}: {failed:?}");
    assert!(failed.stderr.contains(CHANGED) && failed.stderr.contains("dir/file"), "{case}: {failed:?}");
    assert!(failed.stderr.contains("3 | COPY dir /copied"), "{case}: {failed:?}");
    // The base and the RUN step.
    lab.assert_sound(case, 2);
    repair(&context);
    lab.build(&dockerfile, &["-t", "app"]).succeeded();
    assert_eq!(server.asked().len(), 1, "{case}: the step that succeeded ran again");
    let tar = lab.path().join("app.tar");
    let output = format!("type=tar,dest={}", tar.display());
    lab.build(&dockerfile, &["-t", "app", "-o", &output]).succeeded();
    let copied = Command::new("tar").arg("-xOf").arg(&tar).arg("copied/file").output().unwrap();
    assert_eq!(copied.stdout, fs::read(context.join("dir/file")).unwrap(), "{case}: {copied:?}");
    assert_ne!(copied.stdout, b"before", "{case}");
    lab.assert_sound(case, 3);
}

fn write(context: &Path, text: &str) {
    fs::write(context.join("dir/file"), text).unwrap();
}

fn remove(context: &Path) {
    fs::remove_file(context.join("dir/file")).unwrap();
}

#[test]
fn the_same_size_and_the_same_time() {
    let change = |context: &Path| {
        let file = context.join("dir/file");
        let time = fs::metadata(&file).unwrap().modified().unwrap();
        write(context, "beforE");
        fs::File::options().write(true).open(&file).unwrap().set_modified(time).unwrap();
    };
    changing("same size", change, |_| {});
}

#[test]
fn it_grows() {
    changing("grows", |context| write(context, &"more".repeat(100_000)), |_| {});
}

#[test]
fn it_shrinks() {
    changing("shrinks", |context| write(context, ""), |_| {});
}

#[test]
fn it_vanishes() {
    changing("vanishes", remove, |context| write(context, "back again"));
}

#[test]
fn it_becomes_a_directory() {
    let change = |context: &Path| {
        remove(context);
        fs::create_dir(context.join("dir/file")).unwrap();
    };
    let repair = |context: &Path| {
        fs::remove_dir(context.join("dir/file")).unwrap();
        write(context, "a file again");
    };
    changing("directory", change, repair);
}

#[test]
fn it_becomes_a_pipe() {
    let change = |context: &Path| {
        remove(context);
        assert!(Command::new("mkfifo").arg(context.join("dir/file")).status().unwrap().success());
    };
    let repair = |context: &Path| {
        remove(context);
        write(context, "a file again");
    };
    changing("pipe", change, repair);
}

#[test]
fn it_becomes_a_link_that_leads_out() {
    let change = |context: &Path| {
        remove(context);
        symlink(context.join("../outside/file"), context.join("dir/file")).unwrap();
    };
    let repair = |context: &Path| {
        remove(context);
        write(context, "a file again");
    };
    changing("link", change, repair);
}

#[test]
fn its_directory_becomes_a_link_that_leads_out() {
    let change = |context: &Path| {
        fs::rename(context.join("dir"), context.join("moved")).unwrap();
        symlink(context.join("../outside"), context.join("dir")).unwrap();
    };
    let repair = |context: &Path| {
        fs::remove_file(context.join("dir")).unwrap();
        fs::rename(context.join("moved"), context.join("dir")).unwrap();
        write(context, "after");
    };
    changing("directory link", change, repair);
}
