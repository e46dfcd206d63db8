//! Locks.
use crate::{Store, StoreError};

/// Who has a lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Process id, in the holder's own pid namespace; for people.
    pub pid: u32,
    /// What it runs, such as `galley build -t app .`.
    pub process: String,
}

/// How to wait for a lock.
pub struct Wait<'a> {
    /// Asked several times a second; `true` ends the wait with [`StoreError::Interrupted`].
    pub interrupted: &'a dyn Fn() -> bool,
    /// Told once, when there is something to wait for.
    pub waiting: &'a mut dyn FnMut(&Holder),
}

/// The right to run a step. Released on drop, or when the process dies.
#[must_use = "dropped at once, it locks nothing"]
pub struct StepLock {
    _private: (),
}

impl Store {
    /// Waits for the right to run the step with this key. Look its record up again afterwards: the one waited for may have made it.
    pub fn lock_step(&self, key: &[u8; 32], wait: &mut Wait<'_>) -> Result<StepLock, StoreError> {
        let _ = (key, wait);
        todo!()
    }
}
