//! Check.
use crate::{Store, StoreError};

/// Something is not as it must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What it is about.
    pub subject: String,
    /// What is wrong.
    pub message: String,
}

impl Store {
    /// Looks for damage. `deep` reads every file and blob.
    pub fn check(&self, deep: bool) -> Result<Vec<Problem>, StoreError> {
        let _ = deep;
        todo!()
    }
}
