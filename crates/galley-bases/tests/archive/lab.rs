//! A small archive: packages as lines, indexes packed in any way, a signed release, a mirror on loopback, and a cache.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use galley_bases::archive::date::moment;
use galley_bases::archive::{
    ArchiveError, Event, Fetched, Keys, Lock, Mirror, Request, Settings, Suite, Variant, Watch, fetch,
};
use galley_testkit::server::{Answer, Asked, Server};
use ring::digest::{SHA256, digest};
use tempfile::TempDir;

use crate::signer::Signer;

/// What a mirror has, by path.
pub type Files = BTreeMap<String, Vec<u8>>;

/// How a suite is written. Change it, then [`Archive::publish`].
pub struct Archive {
    pub signer: Signer,
    /// `name version | Field: value`, as in the closure's tests; each gets a file.
    pub packages: Vec<String>,
    /// `.xz`, `.zst`, `.gz` or nothing.
    pub packings: Vec<&'static str>,
    pub by_hash: bool,
    /// Replaced or added in the release.
    pub fields: BTreeMap<&'static str, String>,
    pub files: Files,
}

pub fn sha256(bytes: &[u8]) -> String {
    digest(&SHA256, bytes).as_ref().iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// As `Release` files write dates.
pub fn date(seconds: u64) -> String {
    let written = moment(seconds);
    let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let month = months[written[4..6].parse::<usize>().unwrap() - 1];
    let (year, day, clock) = (&written[..4], &written[6..8], &written[9..15]);
    format!("Mon, {day} {month} {year} {}:{}:{} UTC", &clock[..2], &clock[2..4], &clock[4..])
}

pub fn pack(bytes: &[u8], packing: &str) -> Vec<u8> {
    match packing {
        ".xz" => {
            let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 1);
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        }
        ".zst" => zstd::encode_all(bytes, 1).unwrap(),
        ".gz" => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        }
        _ => bytes.to_vec(),
    }
}

/// What stands in for a package: archives never look inside.
pub fn content(name: &str) -> Vec<u8> {
    name.bytes().cycle().take(300_000).collect()
}

impl Archive {
    /// Two packages, one of which needs the other.
    pub fn new() -> Self {
        let mut archive = Self {
            signer: Signer::new(1),
            packages: vec!["app 1.0 | Depends: lib (>= 1)".into(), "lib 1.2".into()],
            packings: vec![".xz"],
            by_hash: true,
            fields: BTreeMap::new(),
            files: Files::new(),
        };
        archive.publish();
        archive
    }

    pub fn index(&self) -> String {
        let mut text = String::new();
        for line in &self.packages {
            let mut parts = line.split(" | ");
            let (name, version) = parts.next().unwrap().split_once(' ').unwrap();
            let (content, filename) = (content(name), format!("pool/main/{name}_{version}_amd64.deb"));
            write!(text, "Package: {name}\nVersion: {version}\nArchitecture: amd64\nFilename: {filename}\nSize: {}\nSHA256: {}\n", content.len(), sha256(&content)).unwrap();
            parts.for_each(|field| writeln!(text, "{field}").unwrap());
            text.push('\n');
        }
        text
    }

    /// Writes all files anew.
    pub fn publish(&mut self) {
        self.files.clear();
        for line in &self.packages {
            let (name, rest) = line.split_once(' ').unwrap();
            let version = rest.split(" | ").next().unwrap();
            self.files.insert(format!("pool/main/{name}_{version}_amd64.deb"), content(name));
        }
        let text = self.index();
        let directory = "dists/test/main/binary-amd64";
        let mut sums = format!(" {} {} main/binary-amd64/Packages\n", sha256(text.as_bytes()), text.len());
        for packing in self.packings.clone() {
            let packed = pack(text.as_bytes(), packing);
            writeln!(sums, " {} {} main/binary-amd64/Packages{packing}", sha256(&packed), packed.len())
                .unwrap();
            let path = if self.by_hash {
                format!("by-hash/SHA256/{}", sha256(&packed))
            } else {
                format!("Packages{packing}")
            };
            self.files.insert(format!("{directory}/{path}"), packed);
        }
        let yes = if self.by_hash { "yes" } else { "no" };
        let usual = [
            ("Codename", "test".to_owned()),
            ("Suite", "testing".into()),
            ("Date", date(now() - 3600)),
            ("Acquire-By-Hash", yes.into()),
        ];
        let mut fields: BTreeMap<&str, String> = usual.into_iter().collect();
        fields.extend(self.fields.clone());
        let mut release: String = fields.iter().map(|(name, value)| format!("{name}: {value}\n")).collect();
        write!(release, "SHA256:\n{sums}").unwrap();
        self.files.insert("dists/test/Release".into(), release.clone().into_bytes());
        self.files.insert("dists/test/InRelease".into(), self.signer.clearsign(&release).into_bytes());
    }

    /// The path of the one file of the pool or the index whose path contains `part`.
    pub fn path(&self, part: &str) -> String {
        self.files.keys().find(|path| path.contains(part)).unwrap().clone()
    }
}

/// A mirror that hands out files, with ranges, and a client with its cache.
pub struct Lab {
    pub server: Server,
    files: Arc<Mutex<Files>>,
    pub directory: TempDir,
    pub request: Request,
    pub settings: Settings,
    pub warnings: RefCell<Vec<String>>,
}

/// How a test has a mirror misbehave: an answer in place of the usual one.
pub type Fault = Box<dyn Fn(&Asked, &Answer) -> Option<Answer> + Send + Sync>;

impl Lab {
    pub fn new(archive: &Archive) -> Self {
        Self::with_fault(archive, Box::new(|_, _| None))
    }

    pub fn with_fault(archive: &Archive, fault: Fault) -> Self {
        let files = Arc::new(Mutex::new(archive.files.clone()));
        let served = Arc::clone(&files);
        let server = Server::start(move |asked| {
            let usual = usual(&served.lock().unwrap(), asked);
            fault(asked, &usual).unwrap_or(usual)
        });
        let directory = tempfile::tempdir().unwrap();
        let keyring = directory.path().join("keyring.gpg");
        fs::write(&keyring, archive.signer.keyring()).unwrap();
        let mut settings = Settings::new(directory.path().join("cache"));
        settings.trust.keys = Keys::File(keyring);
        settings.network.retries.first_wait = Duration::from_millis(5);
        let mirror = Mirror::parse(&format!("http://{}/debian", server.address)).unwrap();
        let request = Request {
            suites: vec![Suite { name: "test".into(), mirrors: vec![mirror] }],
            components: vec!["main".into()],
            architecture: "amd64".into(),
            variant: Variant::Only,
            include: vec!["app".into()],
        };
        Self { server, files, directory, request, settings, warnings: RefCell::default() }
    }

    /// The mirror has something else from now on.
    pub fn publish(&self, archive: &Archive) {
        *self.files.lock().unwrap() = archive.files.clone();
    }

    pub fn change(&self, path: &str, change: impl FnOnce(&mut Vec<u8>)) {
        change(self.files.lock().unwrap().get_mut(path).unwrap());
    }

    pub fn remove(&self, path: &str) {
        self.files.lock().unwrap().remove(path).unwrap();
    }

    pub fn fetch(&self) -> Result<Fetched, ArchiveError> {
        self.fetch_locked(None)
    }

    pub fn fetch_locked(&self, lock: Option<&Lock>) -> Result<Fetched, ArchiveError> {
        self.warnings.borrow_mut().clear();
        let event = |event: &Event| {
            if let Event::Warning(warning) = event {
                self.warnings.borrow_mut().push(warning.clone());
            }
        };
        fetch(&self.request, lock, &self.settings, &Watch { event: &event, stopped: &|| false })
    }

    /// The message of the failure that is expected.
    pub fn refusal(&self) -> String {
        self.fetch().unwrap_err().to_string()
    }

    /// The names of what was fetched; the files are whole.
    pub fn fetched(&self) -> String {
        let fetched = self.fetch().unwrap_or_else(|error| panic!("{error}"));
        assert_whole(&fetched);
        fetched.files.iter().map(|file| file.name.as_str()).collect::<Vec<_>>().join(" ")
    }

    /// The files in the cache's directory of this name, without their directories.
    pub fn cached(&self, directory: &str) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut directories = vec![self.settings.cache.join(directory)];
        while let Some(directory) = directories.pop() {
            for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
                if entry.path().is_dir() { directories.push(entry.path()) } else { found.push(entry.path()) }
            }
        }
        found
    }
}

pub fn assert_whole(fetched: &Fetched) {
    for file in &fetched.files {
        assert_eq!(fs::read(&file.path).unwrap(), content(&file.name), "{}", file.path.display());
    }
}

fn usual(files: &Files, asked: &Asked) -> Answer {
    let path = asked.path.strip_prefix("/debian/").unwrap_or_default();
    let Some(bytes) = files.get(path) else { return Answer::new(404, "no such file") };
    let etag = format!("\"{}\"", &sha256(bytes)[..16]);
    if asked.headers.get("if-none-match") == Some(&etag) {
        return Answer::new(304, "");
    }
    let range = asked
        .headers
        .get("range")
        .and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse::<usize>().ok());
    match range {
        Some(start) if start < bytes.len() => Answer::new(206, &bytes[start..])
            .with("Content-Range", format!("bytes {start}-{}/{}", bytes.len() - 1, bytes.len())),
        Some(_) => Answer::new(416, ""),
        None => Answer::new(200, bytes.clone()).with("ETag", etag),
    }
}
