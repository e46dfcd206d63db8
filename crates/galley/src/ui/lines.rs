//! Cuts a step's output into lines, whatever pieces it arrives in.

use galley_build::events::Stream;

/// One line of output, without its line end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutputLine<'a> {
    /// Where it was written to.
    pub stream: Stream,
    /// Its bytes.
    pub bytes: &'a [u8],
}

/// What has arrived of the lines that are not complete yet, one per stream.
#[derive(Clone, Debug, Default)]
pub struct LineBuffer {
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

impl LineBuffer {
    /// Takes a piece of output and hands over each line that it completes. A line ends with `\n`; a `\r` before it is dropped.
    pub fn push(&mut self, stream: Stream, bytes: &[u8], take: &mut dyn FnMut(OutputLine<'_>)) {
        let unfinished = match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        };
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let Some(end) = piece.strip_suffix(b"\n") else {
                unfinished.extend_from_slice(piece);
                break;
            };
            unfinished.extend_from_slice(end);
            let line = unfinished.strip_suffix(b"\r").unwrap_or(unfinished);
            take(OutputLine { stream, bytes: line });
            unfinished.clear();
        }
    }

    /// Hands over what is left when the step has ended.
    pub fn finish(&mut self, take: &mut dyn FnMut(OutputLine<'_>)) {
        for (stream, unfinished) in [(Stream::Stdout, &mut self.stdout), (Stream::Stderr, &mut self.stderr)] {
            if !unfinished.is_empty() {
                take(OutputLine { stream, bytes: unfinished });
                unfinished.clear();
            }
        }
    }

    /// The lines that are not complete yet.
    pub fn unfinished(&self) -> impl DoubleEndedIterator<Item = &[u8]> {
        [self.stdout.as_slice(), self.stderr.as_slice()].into_iter().filter(|line| !line.is_empty())
    }
}
