//! Registries that break, lie, refuse and redirect: an unreliable server on loopback stands for each.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod content;

use std::io::Read;
use std::net::TcpListener;
use std::time::Duration;

use content::{Content, Image};
use galley_image::{Descriptor, Digest, MediaType, Platform, Reference};
use galley_registry::{
    CredentialSource, Failure, HostConfig, Images, Mirror, Proxies, Registry, RegistryConfig, RegistryError,
    RemoteImage, Retries, Timeouts,
};
use galley_testkit::server::{Answer, Asked, Server};

fn config() -> RegistryConfig {
    let retries =
        Retries { attempts: 3, first_wait: Duration::from_millis(1), longest_wait: Duration::from_secs(2) };
    RegistryConfig { retries, ..RegistryConfig::default() }
}

fn layer_bytes() -> Vec<u8> {
    (0..50_000_u64).map(|at| (at * at % 251) as u8).collect()
}

fn sample() -> (Content, Image) {
    let mut content = Content::default();
    let image = content.image("linux/amd64", false, &[&layer_bytes()]);
    content.tag("1", &image.manifest);
    (content, image)
}

/// A registry that does everything right.
fn honest(content: &Content, asked: &Asked) -> Answer {
    let path = asked.path.split('?').next().unwrap_or_default();
    if let Some((_, name)) = path.split_once("/manifests/") {
        return match content.find(name) {
            Some((media_type, bytes)) => Answer::new(200, bytes)
                .with("Content-Type", media_type)
                .with("Docker-Content-Digest", Digest::of(bytes)),
            None => {
                Answer::new(404, r#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}"#)
            }
        };
    }
    let digest = path.split_once("/blobs/").and_then(|(_, digest)| digest.parse::<Digest>().ok());
    let Some(bytes) = digest.and_then(|digest| content.blobs.get(&digest)) else {
        return Answer::new(404, "");
    };
    let start = asked
        .headers
        .get("range")
        .and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse::<usize>().ok());
    match start {
        Some(start) => Answer::new(206, &bytes[start..])
            .with("Content-Range", format!("bytes {start}-{}/{}", bytes.len() - 1, bytes.len())),
        None => Answer::new(200, bytes.clone()),
    }
}

/// A registry that does everything right but for what `twist` changes.
fn twisted(twist: impl Fn(&Asked, Answer) -> Answer + Send + Sync + 'static) -> (Server, Image) {
    let (content, image) = sample();
    (Server::start(move |asked| twist(asked, honest(&content, asked))), image)
}

fn reference(server: &Server) -> Reference {
    format!("{}/team/app:1", server.address).parse().unwrap()
}

fn resolve_with(config: RegistryConfig, reference: &Reference) -> Result<RemoteImage, RegistryError> {
    Registry::new(config).resolve(reference, &Platform::new("linux", "amd64", None))
}

fn resolve(server: &Server) -> Result<RemoteImage, RegistryError> {
    resolve_with(config(), &reference(server))
}

fn download(registry: &Registry, reference: &Reference, layer: &Descriptor) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    registry.blob(reference, layer, 0)?.read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn fetch_layer(server: &Server, image: &Image) -> std::io::Result<Vec<u8>> {
    download(&Registry::new(config()), &reference(server), &image.layers[0])
}

fn is_layer(asked: &Asked) -> bool {
    asked.path.contains(&Digest::of(&layer_bytes()).to_string())
}

#[test]
fn a_broken_download_goes_on_where_it_broke() {
    let (server, image) = twisted(|asked, mut answer| {
        if is_layer(asked) {
            answer.cut = [Some(20_000), Some(1), None][asked.before.min(2)];
        }
        answer
    });
    assert_eq!(fetch_layer(&server, &image).unwrap(), layer_bytes());
    let ranges: Vec<_> =
        server.asked_for("blobs").iter().map(|asked| asked.headers.get("range").cloned()).collect();
    assert_eq!(ranges, [None, Some("bytes=20000-".into()), Some("bytes=20001-".into())]);
}

#[test]
fn a_server_without_ranges_sends_all_again() {
    let (server, image) = twisted(|asked, answer| match is_layer(asked) {
        true => Answer { cut: (asked.before == 0).then_some(20_000), ..Answer::new(200, layer_bytes()) },
        false => answer,
    });
    assert_eq!(fetch_layer(&server, &image).unwrap(), layer_bytes());
}

#[test]
fn a_download_that_breaks_for_good_names_the_image_and_the_registry() {
    let (server, image) = twisted(|asked, mut answer| {
        answer.cut = is_layer(asked).then_some(if asked.before == 0 { 20_000 } else { 0 });
        answer
    });
    let error = fetch_layer(&server, &image).unwrap_err();
    assert!(matches!(RegistryError::behind(&error), Some(RegistryError::Connection { .. })), "{error}");
    assert!(error.to_string().contains("team/app") && error.to_string().contains(&server.address), "{error}");
    assert_eq!(server.asked_for("blobs").len(), 3, "the try that broke and two without a byte");
}

#[test]
fn a_silent_server_is_a_timeout() {
    let (server, image) = twisted(|asked, mut answer| {
        answer.stall = is_layer(asked).then_some(0);
        answer
    });
    let timeouts = Timeouts { idle: Duration::from_millis(100), ..Timeouts::default() };
    let registry = Registry::new(RegistryConfig { timeouts, ..config() });
    let error = download(&registry, &reference(&server), &image.layers[0]).unwrap_err();
    let failure = match RegistryError::behind(&error) {
        Some(RegistryError::Connection { failure, .. }) => failure.clone(),
        other => panic!("{other:?}"),
    };
    assert!(matches!(failure, Failure::Timeout(_)), "{failure}");
}

#[test]
fn wrong_bytes_are_refused() {
    let (server, image) = twisted(|asked, mut answer| {
        if is_layer(asked) {
            answer.body[100] ^= 1;
        }
        answer
    });
    let error = fetch_layer(&server, &image).unwrap_err();
    assert!(matches!(RegistryError::behind(&error), Some(RegistryError::Digest { .. })), "{error}");

    let (server, _) = twisted(|asked, answer| match asked.path.contains("manifests") {
        true => Answer {
            headers: vec![("Docker-Content-Digest".into(), Digest::of(b"other").to_string())],
            ..answer
        },
        false => answer,
    });
    assert!(matches!(resolve(&server), Err(RegistryError::Digest { .. })));

    let (server, image) = twisted(|asked, answer| match asked.path.contains("manifests") {
        true => Answer { headers: Vec::new(), body: [&answer.body[..], b" "].concat(), ..answer },
        false => answer,
    });
    let pinned = reference(&server).with_digest(image.manifest.digest);
    assert!(matches!(resolve_with(config(), &pinned), Err(RegistryError::Digest { .. })));
}

#[test]
fn wrong_lengths_are_refused() {
    for chunked in [false, true] {
        let (server, image) = twisted(move |asked, mut answer| {
            if is_layer(asked) {
                answer.body.extend(b"more");
                answer.chunked = chunked;
            }
            answer
        });
        let error = fetch_layer(&server, &image).unwrap_err();
        assert!(
            matches!(RegistryError::behind(&error), Some(RegistryError::Size { .. })),
            "{chunked}: {error}"
        );
    }
}

#[test]
fn documents_that_are_no_images_are_refused() {
    let manifest = |text: &'static str, media_type: &'static str| {
        let server = Server::start(move |_| Answer::new(200, text).with("Content-Type", media_type));
        resolve(&server).unwrap_err()
    };
    let chart = r#"{"schemaVersion":2,"config":{"mediaType":"application/vnd.cncf.helm.config.v1+json","digest":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","size":0},"layers":[]}"#;
    let error = manifest(chart, MediaType::OCI_MANIFEST);
    assert!(
        matches!(error, RegistryError::MediaType { .. }) && error.to_string().contains("helm"),
        "{error}"
    );
    let error = manifest(
        r#"{"schemaVersion":1,"name":"x"}"#,
        "application/vnd.docker.distribution.manifest.v1+prettyjws",
    );
    assert!(error.to_string().contains("schema 1"), "{error}");
    let error =
        manifest(r#"{"schemaVersion":2,"manifests":[],"layers":[],"config":{}}"#, MediaType::OCI_INDEX);
    assert!(error.to_string().contains("at once"), "{error}");
    let error = manifest("<html>", "text/html");
    assert!(matches!(error, RegistryError::Malformed { .. }), "{error}");
    let huge = Server::start(|_| Answer::new(200, vec![b' '; (4 << 20) + 1]));
    assert!(matches!(resolve(&huge), Err(RegistryError::TooLarge { .. })));
}

#[test]
fn refusals_say_what_to_do() {
    let status = |status: u16, headers: &'static [(&str, &str)], body: &'static str| {
        let server =
            Server::start(move |_| headers.iter().fold(Answer::new(status, body), |a, (n, v)| a.with(n, v)));
        let error = resolve(&server).unwrap_err().to_string();
        assert!(error.contains("team/app:1") && error.contains(&server.address), "{error}");
        (error, server.asked().len())
    };
    let (error, asked) = status(404, &[], "");
    assert!(error.contains("check the name and the tag") && asked == 1, "{error}");
    for code in [401, 403] {
        let (error, asked) =
            status(code, &[], r#"{"errors":[{"message":"requested access\u001b is denied"}]}"#);
        assert!(
            error.contains("docker login") && error.contains("(requested access  is denied)") && asked == 1,
            "{error}"
        );
    }
    let (error, asked) = status(429, &[("Retry-After", "3600")], "");
    assert!(error.contains("3600 s") && asked == 1, "no waiting for an hour: {error}");
    let (error, asked) = status(503, &[], "");
    assert!(error.contains("503") && asked == 3, "{asked}: {error}");
    let (error, asked) = status(400, &[], "");
    assert!(error.contains("400") && asked == 1, "{error}");
}

#[test]
fn what_passes_is_tried_again() {
    for code in [429, 500, 503] {
        let (server, _) =
            twisted(move |asked, answer| match (asked.path.contains("manifests"), asked.before) {
                (true, 0) => Answer::new(code, "").with("Retry-After", 0),
                (true, 1) => Answer { cut: Some(10), ..answer },
                _ => answer,
            });
        resolve(&server).unwrap();
    }
}

#[test]
fn nobody_there_is_said_so() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = resolve_with(config(), &format!("{free}/a:1").parse().unwrap()).unwrap_err();
    assert!(matches!(&error, RegistryError::Connection { failure: Failure::Refused(_), .. }), "{error}");
}

fn docker_config(text: &str) -> (tempfile::TempDir, RegistryConfig) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("config.json");
    std::fs::write(&file, text).unwrap();
    (directory, RegistryConfig { credentials: CredentialSource::DockerConfig(file), ..config() })
}

/// A registry that takes only the token that its token service last gave.
fn with_tokens(service: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Server {
    let (content, _) = sample();
    Server::start(move |asked| {
        if asked.path.starts_with("/token") {
            return service(asked);
        }
        match asked.headers.get("authorization").map(String::as_str) {
            Some("Bearer good") => honest(&content, asked),
            _ => {
                let host = &asked.headers["host"];
                let challenge = format!(
                    r#"Bearer realm="http://{host}/token",service="r",scope="repository:team/app:pull""#
                );
                Answer::new(401, "").with("WWW-Authenticate", challenge)
            }
        }
    })
}

#[test]
fn a_token_is_fetched_once_and_kept() {
    let server = with_tokens(|_| Answer::new(200, r#"{"token":"good"}"#));
    let registry = Registry::new(config());
    let image = registry.resolve(&reference(&server), &Platform::new("linux", "amd64", None)).unwrap();
    download(&registry, &reference(&server), &image.manifest.layers[0]).unwrap();
    let tokens = server.asked_for("/token");
    assert_eq!(tokens.len(), 1);
    assert!(tokens[0].path.contains("scope=repository%3Ateam%2Fapp%3Apull&service=r"), "{}", tokens[0].path);
    assert!(!tokens[0].headers.contains_key("authorization"));
}

#[test]
fn a_token_that_ran_out_is_fetched_again() {
    let (content, _) = sample();
    let server = Server::start(move |asked| {
        if asked.path.starts_with("/token") {
            return Answer::new(200, format!(r#"{{"access_token":"t{}"}}"#, asked.before));
        }
        let blob = asked.path.contains("blobs");
        let wanted = if blob { "Bearer t1" } else { "Bearer t0" };
        match asked.headers.get("authorization").map(String::as_str) {
            Some(token) if token == wanted => honest(&content, asked),
            _ => {
                let realm = format!(r#"Bearer realm="http://{}/token""#, asked.headers["host"]);
                Answer::new(401, "").with("WWW-Authenticate", realm)
            }
        }
    });
    resolve(&server).unwrap();
    assert_eq!(server.asked_for("/token").len(), 2);
}

#[test]
fn credentials_go_to_the_token_service() {
    let server = with_tokens(|asked| match asked.headers.get("authorization").map(String::as_str) {
        Some("Basic bWU6cHc=") => Answer::new(200, r#"{"token":"good"}"#),
        _ => Answer::new(401, r#"{"details":"incorrect username or password"}"#),
    });
    let auths = |auth: &str| format!(r#"{{"auths":{{"{}":{{"auth":"{auth}"}}}}}}"#, server.address);
    let (_keep, with_password) = docker_config(&auths("bWU6cHc="));
    resolve_with(with_password, &reference(&server)).unwrap();
    let (_keep, with_wrong) = docker_config(&auths("bWU6bm8="));
    let error = resolve_with(with_wrong, &reference(&server)).unwrap_err().to_string();
    assert!(error.contains("were refused") && error.contains("incorrect username"), "{error}");
    let error = resolve(&server).unwrap_err().to_string();
    assert!(error.contains("it has none for this registry"), "{error}");
}

#[test]
fn an_identity_token_is_traded() {
    let server =
        with_tokens(|asked| match asked.method == "POST" && asked.body.contains("refresh_token=id") {
            true => Answer::new(200, r#"{"access_token":"good"}"#),
            false => Answer::new(401, ""),
        });
    let (_keep, config) =
        docker_config(&format!(r#"{{"auths":{{"{}":{{"identitytoken":"id"}}}}}}"#, server.address));
    resolve_with(config, &reference(&server)).unwrap();
}

#[test]
fn basic_authentication_and_a_broken_credential_file() {
    let (content, _) = sample();
    let server = Server::start(move |asked| match asked.headers.get("authorization").map(String::as_str) {
        Some("Basic bWU6cHc=") => honest(&content, asked),
        _ => Answer::new(401, "").with("WWW-Authenticate", r#"Basic realm="r""#),
    });
    let (_keep, config) =
        docker_config(&format!(r#"{{"auths":{{"http://{}/v2/":{{"auth":"bWU6cHc="}}}}}}"#, server.address));
    resolve_with(config, &reference(&server)).unwrap();
    let (_keep, config) = docker_config("{");
    let error = resolve_with(config, &reference(&server)).unwrap_err();
    assert!(
        matches!(error, RegistryError::CredentialFile { .. }) && error.to_string().contains("config.json"),
        "{error}"
    );
}

#[test]
fn a_redirect_to_another_host_does_not_see_the_authorization() {
    let (content, image) = sample();
    let storage = Server::start(move |asked| honest(&content, asked));
    let (content, _) = sample();
    let elsewhere = storage.address.clone();
    let server = Server::start(move |asked| match asked.headers.get("authorization").map(String::as_str) {
        Some("Basic bWU6cHc=") if is_layer(asked) => {
            Answer::new(307, "").with("Location", format!("http://{elsewhere}{}?signed", asked.path))
        }
        Some("Basic bWU6cHc=") => honest(&content, asked),
        _ => Answer::new(401, "").with("WWW-Authenticate", "Basic realm=r"),
    });
    let (_keep, config) =
        docker_config(&format!(r#"{{"auths":{{"{}":{{"auth":"bWU6cHc="}}}}}}"#, server.address));
    let bytes = download(&Registry::new(config), &reference(&server), &image.layers[0]).unwrap();
    assert_eq!(bytes, layer_bytes());
    assert_eq!(storage.asked().len(), 1);
    assert!(!storage.asked()[0].headers.contains_key("authorization"));
}

#[test]
fn redirects_without_end_are_noticed() {
    let server = Server::start(|asked| Answer::new(302, "").with("Location", &asked.path));
    let error = resolve(&server).unwrap_err();
    assert!(matches!(&error, RegistryError::Connection { failure: Failure::Redirect(_), .. }), "{error}");
}

#[test]
fn mirrors_are_asked_first_and_left_alone_when_dead() {
    let dead = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let empty = Server::start(|_| Answer::new(404, ""));
    let (full, image) = twisted(|_, answer| answer);
    let mirror = |location: &str| Mirror { location: location.into(), insecure: true };
    let mut with = config();
    let mirrors = vec![mirror(&dead), mirror(&empty.address), mirror(&full.address)];
    with.hosts.insert("r.invalid".into(), HostConfig { mirrors, insecure: false });
    let registry = Registry::new(with);
    let reference: Reference = "r.invalid/team/app:1".parse().unwrap();
    let found = registry.resolve(&reference, &Platform::new("linux", "amd64", None)).unwrap();
    assert_eq!(found.reference, reference.with_digest(image.manifest.digest));
    assert!(!empty.asked().is_empty());

    let mut none = config();
    let mirrors = vec![mirror(&dead), mirror(&empty.address)];
    let own = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    none.hosts.insert(own.clone(), HostConfig { mirrors, insecure: false });
    let error = resolve_with(none, &format!("{own}/team/app:1").parse().unwrap()).unwrap_err();
    assert!(matches!(error, RegistryError::Everywhere { .. }), "{error}");
    for place in [&dead, &empty.address, &own] {
        assert!(error.to_string().contains(place.as_str()), "{place}: {error}");
    }
}

#[test]
fn a_proxy_is_asked_for_other_hosts_but_not_for_loopback() {
    let proxy = Server::start(|_| Answer::new(403, ""));
    let proxies = Proxies { https: Some(format!("http://{}", proxy.address)), ..Proxies::default() };
    let through = RegistryConfig { proxies: Proxies { http: proxies.https.clone(), ..proxies }, ..config() };
    let error = resolve_with(through.clone(), &"r.invalid/a:1".parse().unwrap()).unwrap_err();
    assert!(matches!(&error, RegistryError::Connection { failure: Failure::Proxy { .. }, .. }), "{error:?}");
    assert!(proxy.asked().iter().all(|asked| asked.method == "CONNECT" && asked.path == "r.invalid:443"));
    let before = proxy.asked().len();
    let (server, _) = twisted(|_, answer| answer);
    resolve_with(through, &reference(&server)).unwrap();
    assert_eq!(proxy.asked().len(), before);
}
