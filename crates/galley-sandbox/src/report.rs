//! What the sandbox tells galley, over a socket: fixed-size messages.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags,
};

/// Bytes of kernel text that a failure carries along.
const TEXT: usize = 160;
const MESSAGE: usize = 16 + TEXT;

/// Why an operation failed, as the child knows it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Failure {
    pub(crate) errno: Errno,
    /// Which part of the operation, where it has several.
    pub(crate) detail: u32,
    /// What the kernel wrote into its log for the mount, padded with zeros.
    pub(crate) text: [u8; TEXT],
}

impl Failure {
    pub(crate) fn at(detail: u32) -> impl Fn(Errno) -> Self {
        move |errno| Self { detail, ..Self::from(errno) }
    }
}

impl From<Errno> for Failure {
    fn from(errno: Errno) -> Self {
        Self { errno, detail: 0, text: [0; TEXT] }
    }
}

/// Which list of the script an operation is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Setup,
    Launch,
}

/// One message.
#[derive(Debug)]
pub(crate) enum Report {
    /// An operation failed.
    Failed { phase: Phase, index: u32, failure: Failure },
    /// The main process ended: its status as of wait(2).
    Exited { status: i32 },
    /// The pseudo terminal's master comes with this message.
    Terminal,
}

impl Report {
    fn encode(&self) -> [u8; MESSAGE] {
        let (kind, number, errno, detail, text) = match self {
            Self::Failed { phase, index, failure } => {
                let kind = if *phase == Phase::Setup { 0 } else { 1 };
                (kind, *index, failure.errno.raw_os_error(), failure.detail, failure.text)
            }
            Self::Exited { status } => (2, status.cast_unsigned(), 0, 0, [0; TEXT]),
            Self::Terminal => (3, 0, 0, 0, [0; TEXT]),
        };
        let mut bytes = [0; MESSAGE];
        let words = [kind, number, errno.cast_unsigned(), detail];
        let all = words.into_iter().flat_map(u32::to_ne_bytes).chain(text);
        for (to, from) in bytes.iter_mut().zip(all) {
            *to = from;
        }
        bytes
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let word = |index: usize| {
            let four = bytes.get(4 * index..4 * index + 4)?;
            Some(u32::from_ne_bytes(four.try_into().ok()?))
        };
        let (kind, number, errno, detail) = (word(0)?, word(1)?, word(2)?, word(3)?);
        let failed = |phase| {
            let text = bytes.get(16..)?.try_into().ok()?;
            let errno = Errno::from_raw_os_error(errno.cast_signed());
            Some(Self::Failed { phase, index: number, failure: Failure { errno, detail, text } })
        };
        match kind {
            0 => failed(Phase::Setup),
            1 => failed(Phase::Launch),
            2 => Some(Self::Exited { status: number.cast_signed() }),
            3 => Some(Self::Terminal),
            _ => None,
        }
    }

    /// Sends the message; async-signal-safe. Nobody can be told that it failed: galley is gone then.
    pub(crate) fn send(&self, socket: BorrowedFd<'_>) {
        let _ = rustix::net::send(socket, &self.encode(), SendFlags::NOSIGNAL);
    }

    /// Sends the message together with a descriptor; async-signal-safe.
    pub(crate) fn send_with(
        &self,
        socket: BorrowedFd<'_>,
        descriptor: BorrowedFd<'_>,
    ) -> rustix::io::Result<()> {
        let bytes = self.encode();
        let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        let descriptors = [descriptor];
        if !ancillary.push(SendAncillaryMessage::ScmRights(&descriptors)) {
            return Err(Errno::NOBUFS);
        }
        let parts = [std::io::IoSlice::new(&bytes)];
        rustix::net::sendmsg(socket, &parts, &mut ancillary, SendFlags::NOSIGNAL).map(|_| ())
    }

    /// The next message and the descriptor that came with it; `None` when there is none now, or the
    /// other side is gone.
    pub(crate) fn receive(socket: impl AsFd) -> Option<(Self, Option<OwnedFd>)> {
        let mut bytes = [0; MESSAGE];
        let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let mut parts = [std::io::IoSliceMut::new(&mut bytes)];
        let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
        let received = rustix::net::recvmsg(socket, &mut parts, &mut ancillary, flags).ok()?;
        let descriptor = ancillary.drain().find_map(|message| match message {
            RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
            _ => None,
        });
        let report = Self::decode(bytes.get(..received.bytes)?)?;
        Some((report, descriptor))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_arrive_as_they_were_sent() {
        let mut failure = Failure::at(7)(Errno::NOENT);
        failure.text[..3].copy_from_slice(b"why");
        let sent = Report::Failed { phase: Phase::Launch, index: 5, failure };
        match Report::decode(&sent.encode()) {
            Some(Report::Failed { phase: Phase::Launch, index: 5, failure }) => {
                assert_eq!((failure.errno, failure.detail), (Errno::NOENT, 7));
                assert_eq!(&failure.text[..4], b"why\0");
            }
            other => panic!("{other:?}"),
        }
        let exited = Report::Exited { status: -1 }.encode();
        assert!(matches!(Report::decode(&exited), Some(Report::Exited { status: -1 })));
    }

    #[test]
    fn a_short_or_foreign_message_is_nothing() {
        assert!(Report::decode(&[]).is_none());
        assert!(Report::decode(&[9; MESSAGE]).is_none());
        assert!(Report::decode(&[0; 20]).is_none());
    }
}
