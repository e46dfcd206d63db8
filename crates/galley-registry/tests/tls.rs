//! TLS with certificates that are checked: a real registry behind a CONNECT proxy that stands for the network.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod content;
mod docker_registry;

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;

use docker_registry::DockerRegistry;
use galley_image::Platform;
use galley_registry::{
    Certificates, Failure, HostConfig, Images, Proxies, Registry, RegistryConfig, RegistryError,
};

/// A certificate for `r.invalid`, signed by itself.
fn certificate(directory: &Path) {
    let config = "[req]\ndistinguished_name=dn\nx509_extensions=ext\nprompt=no\n[dn]\nCN=r.invalid\n\
        [ext]\nsubjectAltName=DNS:r.invalid\nbasicConstraints=critical,CA:FALSE\n";
    std::fs::write(directory.join("openssl.cnf"), config).unwrap();
    let output = Command::new("openssl")
        .current_dir(directory)
        .args(["req", "-x509", "-config", "openssl.cnf", "-nodes", "-days", "2"])
        .args(["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"])
        .args(["-keyout", "key.pem", "-out", "cert.pem"])
        .output()
        .expect("this test needs openssl");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Connects every CONNECT to `target`.
fn proxy_to(target: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let target = target.clone();
            std::thread::spawn(move || tunnel(client, &target));
        }
    });
    address
}

fn tunnel(mut client: TcpStream, target: &str) -> std::io::Result<()> {
    let mut reader = BufReader::new(client.try_clone()?);
    let mut line = String::new();
    while line != "\r\n" {
        line.clear();
        reader.read_line(&mut line)?;
    }
    let server = TcpStream::connect(target)?;
    client.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
    let (mut up, mut down) = (server.try_clone()?, server);
    std::thread::spawn(move || std::io::copy(&mut reader, &mut up));
    std::io::copy(&mut down, &mut client)?;
    Ok(())
}

#[test]
fn certificates_are_checked_against_what_is_configured() {
    let directory = tempfile::tempdir().unwrap();
    certificate(directory.path());
    let cert = directory.path().join("cert.pem");
    let key = directory.path().join("key.pem");
    let server = DockerRegistry::start(&format!(
        "  tls: {{certificate: {}, key: {}}}\n",
        cert.display(),
        key.display()
    ));
    let proxies = Proxies { https: Some(proxy_to(server.address.clone())), ..Proxies::default() };
    let base = RegistryConfig { proxies, ..RegistryConfig::default() };
    let resolve = |config: RegistryConfig, host: &str| {
        let platform = Platform::new("linux", "amd64", None);
        Registry::new(config).resolve(&format!("{host}/team/app:1").parse().unwrap(), &platform).unwrap_err()
    };
    let trusting = |file: &Path| RegistryConfig {
        certificates: Certificates { file: Some(file.into()), ..Certificates::default() },
        ..base.clone()
    };
    let is_tls = |error: &RegistryError| {
        matches!(error, RegistryError::Connection { failure: Failure::Tls { .. }, .. })
    };

    // The registry is empty: whoever gets through learns that there is no such image.
    let trusted = resolve(trusting(&cert), "r.invalid");
    assert!(matches!(trusted, RegistryError::NotFound { .. }), "{trusted}");
    let stranger = resolve(base.clone(), "r.invalid");
    assert!(is_tls(&stranger) && stranger.to_string().contains("SSL_CERT_FILE"), "{stranger}");
    let other_name = resolve(trusting(&cert), "other.invalid");
    assert!(is_tls(&other_name), "{other_name}");
    let mut extra = base.clone();
    extra.certificates.extra.push(cert.clone());
    assert!(matches!(resolve(extra, "r.invalid"), RegistryError::NotFound { .. }));
    let mut insecure = base.clone();
    insecure.hosts.insert("other.invalid".into(), HostConfig { insecure: true, ..HostConfig::default() });
    assert!(matches!(resolve(insecure, "other.invalid"), RegistryError::NotFound { .. }));
    let empty = directory.path().join("empty.pem");
    std::fs::write(&empty, "").unwrap();
    let error = resolve(trusting(&empty), "r.invalid");
    assert!(
        matches!(error, RegistryError::Certificates { .. }) && error.to_string().contains("empty.pem"),
        "{error}"
    );

    // On loopback docker checks nothing.
    let loopback = resolve(RegistryConfig::default(), &server.address);
    assert!(matches!(loopback, RegistryError::NotFound { .. }), "{loopback}");
}
