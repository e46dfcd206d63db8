//! A blob on its way, taken up again where a connection broke.

use std::io::{self, Read};
use std::sync::Arc;

use galley_image::{Descriptor, Reference};
use ureq::Body;
use ureq::http::Response;

use super::Shared;
use super::exchange::Ask;
use crate::error::{Blob, Failure, RegistryError};
use crate::http::{body_failure, header};

/// Reads a blob from some byte on to its end, which is the descriptor's size exactly.
pub(super) struct Download {
    shared: Arc<Shared>,
    reference: Reference,
    descriptor: Descriptor,
    position: u64,
    body: Option<OpenBody>,
    /// Tries since the last byte came.
    tried: u32,
}

struct OpenBody {
    reader: Box<dyn Read + Send>,
    /// Who sends it.
    registry: String,
    authority: String,
}

impl Download {
    /// Opens the blob, so that a missing one is known at once.
    pub fn open(
        shared: Arc<Shared>,
        reference: &Reference,
        descriptor: &Descriptor,
        offset: u64,
    ) -> Result<Self, RegistryError> {
        let (reference, descriptor) = (reference.clone(), descriptor.clone());
        let mut download = Self { shared, reference, descriptor, position: offset, body: None, tried: 0 };
        if offset > download.descriptor.size {
            return Err(download.wrong_size(offset));
        }
        if offset < download.descriptor.size {
            download.body = Some(download.connect()?);
        }
        Ok(download)
    }

    fn connect(&self) -> Result<OpenBody, RegistryError> {
        let tail = format!("blobs/{}", self.descriptor.digest);
        self.shared.anywhere(&self.reference, |endpoint| {
            let headers = match self.position {
                0 => Vec::new(),
                start => vec![("Range", format!("bytes={start}-"))],
            };
            let blob = Some(Blob::layer(&self.reference, self.descriptor.digest));
            let ask = Ask { endpoint, reference: &self.reference, tail: &tail, headers, blob };
            let response = self.shared.get(&ask)?;
            let skip = self.check_range(&response)?;
            let mut reader = response.into_body().into_reader();
            io::copy(&mut (&mut reader).take(skip), &mut io::sink())
                .map_err(|error| ask.connection(body_failure(&endpoint.authority, error)))?;
            Ok(OpenBody {
                reader: Box::new(reader),
                registry: endpoint.name.clone(),
                authority: endpoint.authority.clone(),
            })
        })
    }

    /// How many bytes of the answer are already known: servers may send all of a blob when asked for its end.
    fn check_range(&self, response: &Response<Body>) -> Result<u64, RegistryError> {
        if response.status() == 206 {
            // `bytes 5-9/10`; the total may be `*`.
            let range = header(response, "content-range").and_then(|value| value.strip_prefix("bytes "));
            let (start, total) = match range.and_then(|range| range.split_once('/')) {
                Some((span, total)) => {
                    (span.split('-').next().and_then(|start| start.parse().ok()), total.parse().ok())
                }
                None => (None, None),
            };
            if start != Some(self.position) {
                return Err(self.wrong_size(self.position));
            }
            return match total {
                Some(total) if total != self.descriptor.size => Err(self.wrong_size(total)),
                _ => Ok(0),
            };
        }
        match response.body().content_length() {
            Some(length) if length != self.descriptor.size => Err(self.wrong_size(length)),
            _ => Ok(self.position),
        }
    }

    fn wrong_size(&self, found: u64) -> RegistryError {
        let what = Blob::layer(&self.reference, self.descriptor.digest);
        RegistryError::Size { what, expected: self.descriptor.size, found }
    }

    /// Notes that the connection is lost; the error when that was once too often.
    fn lost(&mut self, error: RegistryError) -> Result<(), RegistryError> {
        self.body = None;
        self.tried += 1;
        let wait = self.shared.config.retries.wait_after(self.tried).ok_or(error)?;
        std::thread::sleep(wait);
        Ok(())
    }

    fn broken(&self, body: &OpenBody, error: Option<io::Error>) -> RegistryError {
        let failure = match error {
            Some(error) => body_failure(&body.authority, error),
            None => Failure::Broken { host: body.authority.clone(), detail: "it ended too early".into() },
        };
        let (image, registry) = (self.reference.familiar(), body.registry.clone());
        RegistryError::Connection { image, registry, failure }
    }

    fn connected(&mut self) -> Result<OpenBody, RegistryError> {
        loop {
            if let Some(body) = self.body.take() {
                return Ok(body);
            }
            match self.connect() {
                Ok(body) => return Ok(body),
                // The registry may be starting again.
                Err(error @ RegistryError::Connection { .. }) => self.lost(error)?,
                Err(error) => return Err(error),
            }
        }
    }
}

impl Read for Download {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            let left = self.descriptor.size.saturating_sub(self.position);
            if left == 0 {
                // A body of unknown length may go on.
                let surplus = self.body.take().map(|mut body| body.reader.read(&mut [0]));
                return match surplus {
                    Some(Ok(1..)) => Err(self.wrong_size(self.position + 1).into()),
                    _ => Ok(0),
                };
            }
            let most = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
            let mut body = self.connected()?;
            match body.reader.read(&mut buffer[..most]) {
                Ok(0) => self.lost(self.broken(&body, None))?,
                Ok(count) => {
                    self.position += count as u64;
                    self.tried = 0;
                    self.body = Some(body);
                    return Ok(count);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                    self.body = Some(body);
                    return Err(error);
                }
                Err(error) => self.lost(self.broken(&body, Some(error)))?,
            }
        }
    }
}
