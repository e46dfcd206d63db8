//! Pseudo terminals: opened inside the sandbox, driven from galley's terminal.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags, ResolveFlags, Uid};
use rustix::io::Errno;
use rustix::mount::{MoveMountFlags, OpenTreeFlags, move_mount, open_tree};
use rustix::pty::OpenptFlags;
use rustix::termios::{OptionalActions, Termios, Winsize};

use crate::report::Report;
use crate::script::{Slot, Slots};
use crate::{child, mounts};

/// Opens a terminal in the sandbox's own devpts, in the child: its slave becomes the standard streams
/// and `/dev/console`, its master goes to galley. Async-signal-safe.
pub(crate) fn open_inside(
    slots: &Slots,
    (pts, dev): (Slot, Slot),
    owner: u32,
    (rows, columns): (u16, u16),
    control: BorrowedFd<'_>,
) -> Result<(), Errno> {
    let (pts, dev) = (mounts::get(slots, pts)?, mounts::get(slots, dev)?);
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    let master = rustix::fs::openat2(pts, c"ptmx", flags, Mode::empty(), ResolveFlags::NO_SYMLINKS)?;
    rustix::pty::unlockpt(&master)?;
    let peer_flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let slave = rustix::pty::ioctl_tiocgptpeer(&master, peer_flags)?;
    if rows > 0 && columns > 0 {
        rustix::termios::tcsetwinsize(&slave, window(rows, columns))?;
    }
    rustix::fs::fchown(&slave, Some(Uid::from_raw(owner)), None)?;

    mounts::write_file(dev, c"console", &[], 0o600, (0, 0))?;
    // The first terminal of a fresh devpts is number 0.
    let clone = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    let tree = open_tree(pts, c"0", clone)?;
    move_mount(&tree, c"", dev, c"console", MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)?;

    Report::Terminal.send_with(control, master.as_fd())?;
    child::take_streams(&slave)
}

fn window(rows: u16, columns: u16) -> Winsize {
    Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }
}

/// Rows and columns of the terminal behind `descriptor`; zeros where it is none.
pub(crate) fn window_of(descriptor: impl AsFd) -> (u16, u16) {
    rustix::termios::tcgetwinsize(descriptor).map_or((0, 0), |size| (size.ws_row, size.ws_col))
}

/// Galley's side of a terminal in a sandbox.
pub(crate) struct Terminal<'a> {
    master: OwnedFd,
    /// Where keys come from, until they end.
    input: Option<BorrowedFd<'a>>,
    /// Read from `input`, not yet taken by the terminal.
    pending: Vec<u8>,
    _raw: Option<RawMode<'a>>,
}

impl<'a> Terminal<'a> {
    pub(crate) fn new(master: OwnedFd, input: Option<BorrowedFd<'a>>) -> rustix::io::Result<Self> {
        let flags = rustix::fs::fcntl_getfl(&master)?;
        rustix::fs::fcntl_setfl(&master, flags | OFlags::NONBLOCK)?;
        let tty = input.filter(|input| rustix::termios::isatty(input));
        let raw = tty.map(RawMode::enter).transpose()?;
        let terminal = Self { master, input, pending: Vec::new(), _raw: raw };
        // The size may have changed since the sandbox was prepared.
        terminal.follow_size();
        Ok(terminal)
    }

    pub(crate) fn master(&self) -> BorrowedFd<'_> {
        self.master.as_fd()
    }

    /// Whether something waits for the terminal to take it.
    pub(crate) fn wants_to_write(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Where to wait for keys; `None` while there is no room for more.
    pub(crate) fn input(&self) -> Option<BorrowedFd<'a>> {
        self.input.filter(|_| self.pending.is_empty())
    }

    /// Gives the sandbox's terminal the size of galley's.
    pub(crate) fn follow_size(&self) {
        if let Some(input) = self.input
            && let (rows @ 1.., columns @ 1..) = window_of(input)
        {
            // The sandbox may be gone already.
            let _ = rustix::termios::tcsetwinsize(&self.master, window(rows, columns));
        }
    }

    /// Takes keys that have come.
    pub(crate) fn read_input(&mut self) {
        const END_OF_TRANSMISSION: u8 = 4;
        let Some(input) = self.input else { return };
        let mut buffer = [0; 4096];
        match rustix::io::read(input, &mut buffer) {
            Ok(read @ 1..) => self.pending.extend(buffer.iter().take(read)),
            Err(Errno::INTR | Errno::AGAIN) => {}
            Ok(_) | Err(_) => {
                // What a person would type to say that there is no more.
                self.pending.push(END_OF_TRANSMISSION);
                self.input = None;
            }
        }
        self.write_pending();
    }

    /// Hands keys on as far as the terminal takes them.
    pub(crate) fn write_pending(&mut self) {
        match rustix::io::write(&self.master, &self.pending) {
            Ok(written) => drop(self.pending.drain(..written)),
            Err(Errno::AGAIN | Errno::INTR) => {}
            // Nobody is left to read it.
            Err(_) => {
                self.pending.clear();
                self.input = None;
            }
        }
    }
}

/// The caller's terminal passes every key on, until this is dropped.
struct RawMode<'a> {
    terminal: BorrowedFd<'a>,
    before: Termios,
}

impl<'a> RawMode<'a> {
    fn enter(terminal: BorrowedFd<'a>) -> rustix::io::Result<Self> {
        let before = rustix::termios::tcgetattr(terminal)?;
        let mut raw = before.clone();
        raw.make_raw();
        rustix::termios::tcsetattr(terminal, OptionalActions::Drain, &raw)?;
        Ok(Self { terminal, before })
    }
}

impl Drop for RawMode<'_> {
    fn drop(&mut self) {
        // A terminal that is gone needs no restoring.
        let _ = rustix::termios::tcsetattr(self.terminal, OptionalActions::Drain, &self.before);
    }
}
