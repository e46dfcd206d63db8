//! A running example: asked over HTTP, stopped with SIGTERM.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::Workshop;
use crate::Result;

/// How long a service may take until it answers, and to end: long for a machine that does much else.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long to wait before asking again.
const PAUSE: Duration = Duration::from_millis(50);

/// `galley run` of an image.
pub(super) struct Service {
    child: Child,
    port: u16,
    log: std::path::PathBuf,
}

impl Service {
    /// Runs the image; it listens on `PORT`.
    pub(super) fn start(workshop: &Workshop, image: &str) -> Result<Service> {
        // Free now, and nobody else is told about it.
        let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
        let log = workshop.path("service.log");
        let output = File::create(&log)?;
        let mut run = workshop.builder.command();
        run.args(["run", "-e", &format!("PORT={port}"), image]);
        run.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        let child = run.spawn().map_err(|error| format!("{run:?}: {error}"))?;
        Ok(Service { child, port, log })
    }

    /// The answer to `GET path`, which has to be 200 and contain `expected`. The service is stopped, and has to end with 0.
    ///
    /// # Errors
    /// What it does instead, with what it printed.
    pub(super) fn answers(mut self, path: &str, expected: &str) -> Result<String> {
        let answer = self.ask(path);
        let ended = self.stop();
        let answer = answer.and_then(|answer| ended.map(|()| answer)).map_err(|error| {
            let printed = std::fs::read_to_string(&self.log).unwrap_or_default();
            format!("{error}; it printed:\n{printed}")
        })?;
        if answer.contains(expected) {
            return Ok(answer);
        }
        Err(format!("GET {path} answers {answer:?}, without {expected:?}").into())
    }

    fn ask(&mut self, path: &str) -> Result<String> {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Err(format!("it ended before it answered: {status}").into());
            }
            match get(self.port, path) {
                Ok(answer) => return body_of(&answer),
                Err(error) if start.elapsed() > PATIENCE => return Err(format!("no answer: {error}").into()),
                Err(_) => std::thread::sleep(PAUSE),
            }
        }
    }

    fn stop(&mut self) -> Result<()> {
        // Ended already: then the wait says how.
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        let start = Instant::now();
        loop {
            match self.child.try_wait()? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => return Err(format!("after SIGTERM: {status}").into()),
                None if start.elapsed() > PATIENCE => return Err("it does not end on SIGTERM".into()),
                None => std::thread::sleep(PAUSE),
            }
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// One request, HTTP/1.0 so that the answer ends with the connection.
fn get(port: u16, path: &str) -> std::io::Result<String> {
    let mut connection = TcpStream::connect(("127.0.0.1", port))?;
    connection.set_read_timeout(Some(PATIENCE))?;
    write!(connection, "GET {path} HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n")?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer)?;
    Ok(answer)
}

/// The body of an answer that says 200, without white space around it.
fn body_of(answer: &str) -> Result<String> {
    let (head, body) = answer.split_once("\r\n\r\n").ok_or("an answer without an end of its head")?;
    match head.split_whitespace().nth(1) {
        Some("200") => Ok(body.trim().to_owned()),
        _ => Err(format!("{:?} instead of 200", head.lines().next().unwrap_or_default()).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_200_is_an_answer() {
        assert_eq!(body_of("HTTP/1.1 200 OK\r\nA: b\r\n\r\nok\n").unwrap(), "ok");
        assert!(body_of("HTTP/1.1 404 Not Found\r\n\r\n200").is_err() && body_of("ok").is_err());
    }
}
