//! What the galley inside of a user namespace knows of the one outside.

use std::ffi::{OsStr, OsString};
use std::os::fd::{OwnedFd, RawFd};

use rustix::io::FdFlags;
use rustix::net::{AddressFamily, SocketType};

use crate::sys;

/// Who started galley, from the view of the re-executed one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The user's id outside of the namespace.
    pub uid: u32,
    /// The user's group id outside of the namespace.
    pub gid: u32,
    /// The descriptor of the socket to the galley outside.
    pub(super) channel: RawFd,
}

impl Caller {
    /// The environment variable that tells the re-executed galley that it is one.
    pub const MARKER: &'static str = "_GALLEY_CALLER";

    /// Reads the variable's value.
    pub fn from_marker(value: &OsStr) -> Option<Self> {
        let mut numbers = value.to_str()?.split(':');
        let (uid, gid) = (numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?);
        let channel = numbers.next()?.parse().ok().filter(|channel| *channel > 2)?;
        numbers.next().is_none().then_some(Self { uid, gid, channel })
    }

    pub(super) fn to_marker(self) -> OsString {
        format!("{}:{}:{}", self.uid, self.gid, self.channel).into()
    }

    /// The socket to what was given to [`super::reexec`] as `serve`. From the first call on, no program that galley executes inherits it.
    /// `None` where there is none, as in a galley that was started by a program that galley has become (`galley unshare`).
    pub fn channel(&self) -> Option<OwnedFd> {
        // SAFETY: only used below, where a number that stands for nothing is an error. Nobody closes it.
        let socket = unsafe { sys::descriptor(self.channel) };
        // The variable may be as old as a shell that has inherited it.
        let is_ours = rustix::net::sockopt::socket_domain(socket).ok()? == AddressFamily::UNIX
            && rustix::net::sockopt::socket_type(socket).ok()? == SocketType::SEQPACKET;
        if !is_ours {
            return None;
        }
        rustix::io::fcntl_setfd(socket, FdFlags::CLOEXEC).ok()?;
        rustix::io::fcntl_dupfd_cloexec(socket, 3).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_marker_says_all_and_nothing_else_is_one() {
        let caller = Caller { uid: 1000, gid: 100, channel: 7 };
        assert_eq!(Caller::from_marker(&caller.to_marker()), Some(caller));
        for text in ["", "1:2", "1:2:x", "1:2:1", "1:2:3:4", "-1:2:3", "a:b:c"] {
            assert_eq!(Caller::from_marker(OsStr::new(text)), None, "{text}");
        }
    }

    #[test]
    fn what_is_no_socket_is_no_channel() {
        let file = std::fs::File::open("/dev/null").unwrap();
        let number = std::os::fd::AsRawFd::as_raw_fd(&file);
        for channel in [number, 1_000_000] {
            assert!(Caller { uid: 0, gid: 0, channel }.channel().is_none(), "{channel}");
        }
    }
}
