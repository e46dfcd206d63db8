//! Every exit code of galley.
//!
//! | code | meaning |
//! |---|---|
//! | 0 | done |
//! | 1 | the build or command failed: the Dockerfile, a step, an image, the store |
//! | 2 | the command line or the configuration cannot be understood; nothing was done |
//! | 3 | `store check` found damage |
//! | 125 | `run`: galley could not run the command (docker's code) |
//! | 126, 127 | `run`: the command cannot be executed; it was not found |
//! | 130, 143 | interrupted by SIGINT (Ctrl-C); by SIGTERM |
//! | other | `run`: the command's own exit code, 128 and the signal's number if a signal ended it |

use std::process::ExitCode;

/// How galley ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exit(u8);

impl Exit {
    /// Done.
    pub const DONE: Self = Self(0);
    /// The build or command failed.
    pub const FAILED: Self = Self(1);
    /// The command line or the configuration cannot be understood.
    pub const USAGE: Self = Self(2);
    /// The store is damaged.
    pub const DAMAGED: Self = Self(3);
    /// `run` could not run the command.
    pub const NOT_RUN: Self = Self(125);

    /// Ended by a signal that galley was sent.
    pub fn signal(number: i32) -> Self {
        Self::code(128 + number)
    }

    /// The exit code of a process that galley ran, as a shell shows it.
    pub fn code(code: i32) -> Self {
        Self(u8::try_from(code & 0xff).unwrap_or(u8::MAX))
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.0)
    }
}
