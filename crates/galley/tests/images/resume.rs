//! A pull that is killed while a layer comes, and the next one: it asks for the rest alone.
//!
//! Between galley and the registry stands a proxy that stalls in the middle of the largest blob, so that there is a middle to be killed in.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::lab::Lab;

/// Bytes of an answer that pass before it stalls.
const PASSED: usize = 300_000;

struct Proxy {
    address: String,
    stall: Arc<AtomicBool>,
    /// The heads of all requests for blobs.
    asked: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    fn before(registry: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let stall = Arc::new(AtomicBool::new(true));
        let asked = Arc::new(Mutex::new(Vec::new()));
        let proxy = Self { address, stall: Arc::clone(&stall), asked: Arc::clone(&asked) };
        let registry = registry.to_owned();
        // Ends with the test's process.
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (registry, stall, asked) = (registry.clone(), Arc::clone(&stall), Arc::clone(&asked));
                std::thread::spawn(move || pass(client, &registry, &stall, &asked));
            }
        });
        proxy
    }
}

/// One request, one answer, and the connection ends.
fn pass(mut client: TcpStream, registry: &str, stall: &AtomicBool, asked: &Mutex<Vec<String>>) {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        match client.read(&mut byte) {
            Ok(1) => head.push(byte[0]),
            _ => return,
        }
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    if head.contains("/blobs/") {
        asked.lock().unwrap().push(head.clone());
    }
    let mut server = TcpStream::connect(registry).unwrap();
    server.write_all(head.replacen("\r\n", "\r\nConnection: close\r\n", 1).as_bytes()).unwrap();
    let (mut buffer, mut passed) = (vec![0; 64 << 10], 0);
    while let Ok(count @ 1..) = server.read(&mut buffer) {
        if client.write_all(&buffer[..count]).is_err() {
            return;
        }
        passed += count;
        while passed > PASSED && stall.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

#[test]
fn a_killed_pull_goes_on_where_it_was() {
    let Some(lab) = Lab::start() else { return };
    let proxy = Proxy::before(lab.registry.address());
    let directory = tempfile::tempdir().unwrap();
    let store = directory.path().join("store");
    let name = format!("{}/base:1", proxy.address);
    let pull = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_galley"));
        command.arg("--store").arg(&store).args(["pull", "--progress", "quiet", &name]);
        command.env("HOME", directory.path()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    };
    let mut killed = pull().spawn().unwrap();
    let part = || {
        let parts = fs::read_dir(store.join("partial")).into_iter().flatten().flatten();
        parts.filter_map(|part| Some((part.path(), part.metadata().ok()?.len()))).max_by_key(|part| part.1)
    };
    let mut tries = 0;
    while part().is_none_or(|(_, length)| length < 200_000) {
        tries += 1;
        assert!(tries < 6000, "no part of a layer came");
        std::thread::sleep(Duration::from_millis(10));
    }
    killed.kill().unwrap();
    killed.wait().unwrap();
    let (path, length) = part().unwrap();
    proxy.stall.store(false, Ordering::Relaxed);
    proxy.asked.lock().unwrap().clear();

    let output = pull().output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let digest = path.file_name().unwrap().to_string_lossy().into_owned();
    let asked = proxy.asked.lock().unwrap().clone();
    let of_the_layer: Vec<&String> = asked.iter().filter(|head| head.contains(&digest)).collect();
    assert_eq!(of_the_layer.len(), 1, "{asked:?}");
    let range = format!("range: bytes={length}-");
    assert!(of_the_layer[0].to_ascii_lowercase().contains(&range), "{range} in {}", of_the_layer[0]);
    assert!(store.join("blobs/sha256").join(&digest).is_file() && !path.exists());

    let run = Command::new(env!("CARGO_BIN_EXE_galley"))
        .arg("--store")
        .arg(&store)
        .args(["run", &name, "echo", "whole"])
        .env("HOME", directory.path())
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&run.stdout), "whole\n", "{}", String::from_utf8_lossy(&run.stderr));
}
