//! What a sandbox can do on this machine, and the one line that says so.

use std::fmt;

/// What a sandbox can do on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Abilities {
    /// Overlay file systems can be mounted with the upper directory in the probed directory. Where not,
    /// snapshots of the `copy` kind are needed.
    pub overlay: bool,
    /// The sandbox itself runs inside a user namespace.
    pub user_namespace: bool,
    /// Which user and group ids a process can have.
    pub ids: Ids,
    /// A fresh `/proc` can be mounted.
    pub proc: bool,
    /// `Network::None` is possible.
    pub network_none: bool,
    /// The root file system can be changed with `pivot_root`.
    pub pivot: bool,
}

/// Which user and group ids a process in the sandbox can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ids {
    /// Every id of the machine.
    All,
    /// The ids mapped into the user namespace: this many, from 0.
    Mapped(u32),
    /// One id only; changing owners fails.
    One,
}

impl Abilities {
    /// Everything is possible: what the twin says, and root on an ordinary machine.
    pub fn full() -> Self {
        Self {
            overlay: true,
            user_namespace: false,
            ids: Ids::All,
            proc: true,
            network_none: true,
            pivot: true,
        }
    }

    /// Whether a process can be run at all.
    pub fn can_run(&self) -> bool {
        self.proc && self.pivot
    }

    /// The level of isolation in one line, e.g. `user namespace with subordinate ids (65537)`.
    pub fn level(&self) -> String {
        self.to_string()
    }
}

impl fmt::Display for Abilities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.user_namespace, self.ids) {
            (false, _) => write!(f, "root")?,
            (true, Ids::One) => write!(f, "user namespace with one id")?,
            (true, Ids::All) => write!(f, "user namespace with all ids")?,
            (true, Ids::Mapped(count)) => write!(f, "user namespace with subordinate ids ({count})")?,
        }
        let missing = [
            (self.overlay, "no overlay mounts: snapshots are copies"),
            (self.proc, "no fresh /proc: steps cannot run"),
            (self.pivot, "no pivot_root: steps cannot run"),
            (self.network_none, "no private network"),
        ];
        for (_, what) in missing.iter().filter(|(able, _)| !able) {
            write!(f, "; {what}")?;
        }
        Ok(())
    }
}
