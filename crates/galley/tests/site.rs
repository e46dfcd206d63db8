//! `[site]` for real: steps that fetch from servers on loopback which nothing but the site makes reachable, and a search for what is left of it.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use galley_testkit::literate::Runner;
use galley_testkit::machine;
use tempfile::TempDir;

const GALLEY: &str = env!("CARGO_BIN_EXE_galley");
const BUSYBOX: &str = "/bin/busybox";
const CURL: &str = "/usr/bin/curl";

/// A context with a `root/` of curl, its libraries and busybox; a store; an authority that nobody knows, and a server that it vouches for.
struct Lab {
    directory: TempDir,
    server: Child,
    port: u16,
}

impl Lab {
    /// None, and a word about it, where the machine lacks what the tests need.
    fn new() -> Option<Lab> {
        if !machine::has_programs(&[BUSYBOX, CURL, "openssl", "ldd", "tar", "gzip"]) {
            return None;
        }
        let directory = tempfile::tempdir().unwrap();
        let tls = directory.path().join("tls");
        fs::create_dir(&tls).unwrap();
        let openssl = |arguments: &str| {
            let mut openssl = Command::new("openssl");
            let output = openssl.args(arguments.split(' ')).current_dir(&tls).output().unwrap();
            assert!(output.status.success(), "openssl {arguments}: {}", text(&output.stderr));
        };
        let new = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2";
        openssl(&format!("{new} -subj /CN=authority -keyout authority.key -out authority.pem"));
        openssl(&format!(
            "{new} -CA authority.pem -CAkey authority.key -subj /CN=server -addext subjectAltName=IP:127.0.0.1 \
             -addext basicConstraints=critical,CA:FALSE -keyout server.key -out server.pem"
        ));
        fs::write(tls.join("greeting"), "over TLS\n").unwrap();
        let (server, port) = serve(&tls);
        let lab = Lab { directory, server, port };
        lab.fill_root();
        Some(lab)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Copies busybox, curl and what `ldd` names to the context.
    fn fill_root(&self) {
        let root = self.path("context/root");
        let copy = |file: &Path| {
            let target = root.join(file.strip_prefix("/").unwrap());
            fs::create_dir_all(target.parent().unwrap()).unwrap();
            fs::copy(file, target).unwrap();
        };
        copy(Path::new(BUSYBOX));
        copy(Path::new(CURL));
        let output = Command::new("ldd").arg(CURL).output().unwrap();
        // `libz.so.1 => /lib/libz.so.1 (0x…)`, and the loader as a path alone.
        let listed = text(&output.stdout);
        let libraries = listed.split_whitespace().filter(|word| word.starts_with('/'));
        libraries.map(Path::new).for_each(copy);
    }

    /// Builds a Dockerfile of these steps on the root, in the store of that name.
    fn build(&self, store: &str, steps: &str, arguments: &[&str]) -> Output {
        self.building(store, steps, arguments).output().unwrap()
    }

    /// The command that does.
    fn building(&self, store: &str, steps: &str, arguments: &[&str]) -> Command {
        let context = self.path("context");
        let shell = "FROM scratch\nCOPY root/ /\nSHELL [\"/bin/busybox\", \"sh\", \"-c\"]\n";
        fs::write(context.join("Dockerfile"), format!("{shell}{steps}\n")).unwrap();
        let mut galley = self.galley(store);
        galley.args(["build", "--progress=plain", "-t", "app"]).args(arguments).arg(context);
        galley
    }

    /// Galley with a store, and with no configuration but what a test gives.
    fn galley(&self, store: &str) -> Command {
        let mut galley = Command::new(GALLEY);
        galley.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        galley.env("HOME", self.directory.path()).arg("--store").arg(self.path(store));
        galley
    }

    /// What a command prints in the image `app`.
    fn run(&self, store: &str, script: &str) -> String {
        let mut galley = self.galley(store);
        stdout(&galley.args(["run", "app", "/bin/busybox", "sh", "-c", script]).output().unwrap())
    }

    fn image(&self, store: &str) -> String {
        stdout(&self.galley(store).args(["images", "-q"]).output().unwrap())
    }

    fn authority(&self) -> String {
        self.path("tls/authority.pem").display().to_string()
    }

    fn fetch(&self) -> String {
        format!("RUN curl -sS https://127.0.0.1:{}/greeting -o /greeting", self.port)
    }

    /// The unpacked layers of `app`, and its manifest and configuration, one after another.
    fn everything_in_the_image(&self, store: &str) -> Vec<u8> {
        let archive = self.path("app.tar");
        stdout(&self.galley(store).args(["save", "app", "-o"]).arg(&archive).output().unwrap());
        let unpacked = self.path("unpacked");
        fs::create_dir(&unpacked).unwrap();
        let tar = |command: &mut Command| assert!(command.status().unwrap().success(), "{command:?}");
        tar(Command::new("tar").arg("-xf").arg(&archive).arg("-C").arg(&unpacked));
        let mut all = Vec::new();
        for blob in fs::read_dir(unpacked.join("blobs/sha256")).unwrap() {
            let path = blob.unwrap().path();
            let bytes = fs::read(&path).unwrap();
            if bytes.starts_with(&[0x1f, 0x8b]) {
                all.extend(
                    Command::new("gzip").arg("-dc").stdin(File::open(path).unwrap()).output().unwrap().stdout,
                );
            } else {
                all.extend(bytes);
            }
        }
        all
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// A TLS server for the files of `directory`, and its port.
fn serve(directory: &Path) -> (Child, u16) {
    let arguments = "s_server -accept 127.0.0.1:0 -cert server.pem -key server.key -WWW";
    let mut openssl = Command::new("openssl");
    openssl.args(arguments.split(' ')).current_dir(directory).stdin(Stdio::null());
    let mut child = openssl.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let accepts = |line: String| line.strip_prefix("ACCEPT ")?.rsplit(':').next()?.parse().ok();
    let port = lines.find_map(|line| accepts(line.unwrap())).expect("openssl says where it listens");
    // What it says about each connection must not fill the pipe.
    std::thread::spawn(move || lines.for_each(drop));
    (child, port)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn stdout(output: &Output) -> String {
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout)
}

fn contains(haystack: &[u8], needle: &str) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle.as_bytes())
}

#[test]
fn a_step_trusts_the_sites_authority_and_no_other_step_does() {
    let Some(lab) = Lab::new() else { return };
    let refused = lab.build("store", &lab.fetch(), &[]);
    assert!(!refused.status.success(), "{}", text(&refused.stderr));
    // curl's codes for a certificate that it does not trust, and for a bundle of its own that is not there.
    let codes = ["curl: (60)", "curl: (77)"];
    assert!(codes.iter().any(|code| text(&refused.stderr).contains(code)), "{}", text(&refused.stderr));

    stdout(&lab.build("store", &lab.fetch(), &["--site-ca", &lab.authority()]));
    assert_eq!(lab.run("store", "cat /greeting"), "over TLS\n");
}

#[test]
fn the_machines_own_bundle_is_lent_as_host() {
    let Some(lab) = Lab::new() else { return };
    let mut build = lab.building("store", &lab.fetch(), &["--site-ca", "host"]);
    stdout(&build.env("SSL_CERT_FILE", lab.authority()).output().unwrap());
    assert_eq!(lab.run("store", "cat /greeting"), "over TLS\n");
}

#[test]
fn nothing_of_the_site_is_in_the_image() {
    let Some(lab) = Lab::new() else { return };
    fs::write(lab.path("tool.conf"), "token-of-the-site\n").unwrap();
    let settings = format!(
        "[site]\nca = '{}'\nenv = {{ TOOL_CONF = '/etc/deep/tool.conf' }}\n\
         files = [{{ source = 'tool.conf', target = '/etc/deep/tool.conf' }}]\n",
        lab.authority()
    );
    fs::write(lab.path("user.toml"), settings).unwrap();
    let config = lab.path("user.toml").display().to_string();
    // What the Dockerfile itself says is in the history, so it must not say what is searched for.
    let steps = format!("RUN busybox grep -q token $TOOL_CONF\n{}", lab.fetch());
    stdout(&lab.build("store", &steps, &["--config", &config]));

    let listed = stdout(&lab.galley("store").args(["ls", "app", "/"]).output().unwrap());
    assert!(listed.contains("greeting") && !listed.contains("run") && !listed.contains("etc"), "{listed}");
    let image = lab.everything_in_the_image("store");
    assert!(
        contains(&image, "over TLS") && contains(&image, "rootfs"),
        "the search sees layers and configuration"
    );
    let pem = fs::read_to_string(lab.authority()).unwrap();
    let key = pem.lines().nth(1).unwrap();
    for trace in ["run/galley", "of-the-site", "etc/deep", "PIP_CERT", key] {
        assert!(!contains(&image, trace), "{trace} is in the image");
    }
}

#[test]
fn a_step_has_the_same_key_and_result_with_a_site_and_without() {
    let Some(lab) = Lab::new() else { return };
    let steps = "RUN echo made > /made";
    let build = |store: &str, arguments: &[&str]| stdout(&lab.build(store, steps, arguments));
    let authority = lab.authority();
    build("one", &["--reproducible", "--site-ca", &authority]);
    build("two", &["--reproducible"]);
    assert_eq!(lab.image("one"), lab.image("two"));

    // And a step that ran with a site is known without it.
    let again = lab.build("one", steps, &["--reproducible"]);
    assert!(text(&again.stderr).contains("0 steps ran"), "{}", text(&again.stderr));
}

#[test]
fn a_proxy_of_the_site_is_used_and_forgotten() {
    let Some(lab) = Lab::new() else { return };
    let proxy = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = proxy.local_addr().unwrap();
    fs::write(lab.path("context/galley.toml"), format!("[site]\nproxy = {{ http = 'http://{address}' }}\n"))
        .unwrap();
    let answer = std::thread::spawn(move || {
        let (mut connection, _) = proxy.accept().unwrap();
        let mut request = [0; 4096];
        let length = connection.read(&mut request).unwrap();
        connection.write_all(b"HTTP/1.0 200 OK\r\n\r\nby proxy\n").unwrap();
        text(&request[..length])
    });
    let built = lab.build("store", "RUN curl -sS http://nowhere.invalid/page -o /page", &[]);
    stdout(&built);
    assert!(answer.join().unwrap().starts_with("GET http://nowhere.invalid/page "));
    assert_eq!(lab.run("store", "cat /page; echo $http_proxy"), "by proxy\n\n");
    assert!(!contains(&lab.everything_in_the_image("store"), &address.to_string()));
}

/// The documentation's example is run as it stands.
#[test]
fn the_documentation_holds() {
    if !machine::has_programs(&[BUSYBOX]) {
        return;
    }
    let path = vec![Path::new(GALLEY).parent().unwrap().to_owned()];
    let runner = Runner { path, env: vec![("LC_ALL".into(), "C.UTF-8".into())], user: None };
    let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/site.md");
    runner.run(&document).unwrap_or_else(|difference| panic!("{difference}"));
}
