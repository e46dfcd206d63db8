//! A tiny HTTP/1.1 server on loopback that can be as unreliable as the tests need.
#![allow(clippy::needless_pass_by_value, reason = "headers are written in place")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Asked {
    /// `GET`, `POST`.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// Names in lower case.
    pub headers: BTreeMap<String, String>,
    /// What was sent.
    pub body: String,
    /// How many requests for this path came before.
    pub before: usize,
}

/// What the server does about it.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// Headers besides the length.
    pub headers: Vec<(String, String)>,
    /// What is sent.
    pub body: Vec<u8>,
    /// The connection breaks after this many bytes of the body.
    pub cut: Option<usize>,
    /// The server falls silent after this many bytes of the body.
    pub stall: Option<usize>,
    /// The length is not announced.
    pub chunked: bool,
}

impl Answer {
    /// A whole answer.
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, body: body.into(), ..Self::default() }
    }

    /// The answer with one more header.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl std::fmt::Display) -> Self {
        self.headers.push((name.into(), value.to_string()));
        self
    }
}

/// The server. It ends with the process.
pub struct Server {
    /// Host and port.
    pub address: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Server {
    /// A server on a free port that answers so.
    ///
    /// # Panics
    /// Where there is no free port.
    pub fn start(answer: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (log, answer) = (Arc::clone(&asked), Arc::new(answer));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (log, answer) = (Arc::clone(&log), Arc::clone(&answer));
                // A connection that breaks is the client's to report.
                std::thread::spawn(move || serve(stream, &log, &*answer));
            }
        });
        Self { address, asked }
    }

    /// The requests that came.
    ///
    /// # Panics
    /// Where an answer panicked.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// The requests for paths that contain `part`.
    ///
    /// # Panics
    /// As [`Server::asked`].
    pub fn asked_for(&self, part: &str) -> Vec<Asked> {
        self.asked().into_iter().filter(|asked| asked.path.contains(part)).collect()
    }
}

fn serve(stream: TcpStream, log: &Mutex<Vec<Asked>>, answer: &dyn Fn(&Asked) -> Answer) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut stream = stream;
    loop {
        let asked = read_request(&mut reader, log)?;
        let answer = answer(&asked);
        let mut head = format!("HTTP/1.1 {} X\r\n", answer.status);
        for (name, value) in &answer.headers {
            head += &format!("{name}: {value}\r\n");
        }
        head += &match answer.chunked {
            true => "Transfer-Encoding: chunked\r\n\r\n".to_owned(),
            false => format!("Content-Length: {}\r\n\r\n", answer.body.len()),
        };
        stream.write_all(head.as_bytes()).ok()?;
        if let Some(cut) = answer.cut {
            stream.write_all(&answer.body[..cut.min(answer.body.len())]).ok()?;
            return None;
        }
        if let Some(stall) = answer.stall {
            stream.write_all(&answer.body[..stall.min(answer.body.len())]).ok()?;
            // Until the client has had enough.
            let _ = reader.read(&mut [0]);
            return None;
        }
        if answer.chunked {
            for chunk in answer.body.chunks(1000) {
                stream.write_all(format!("{:x}\r\n", chunk.len()).as_bytes()).ok()?;
                stream.write_all(chunk).ok()?;
                stream.write_all(b"\r\n").ok()?;
            }
            stream.write_all(b"0\r\n\r\n").ok()?;
        } else {
            stream.write_all(&answer.body).ok()?;
        }
    }
}

/// `None` for what is not HTTP, such as the start of a TLS session.
fn read_request(reader: &mut BufReader<TcpStream>, log: &Mutex<Vec<Asked>>) -> Option<Asked> {
    let mut line = String::new();
    if !reader.fill_buf().ok()?.first()?.is_ascii_uppercase() {
        return None;
    }
    reader.read_line(&mut line).ok()?;
    let mut words = line.split_whitespace();
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.insert(name.to_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length").and_then(|value| value.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let mut log = log.lock().unwrap();
    let before = log.iter().filter(|asked| asked.path == path).count();
    let asked = Asked { method, path, headers, body: String::from_utf8_lossy(&body).into(), before };
    log.push(asked.clone());
    Some(asked)
}
