//! Journal.
use crate::{Store, StoreError};
impl Store {
    /// Keeps the journal of the last build of `name` (a Dockerfile's path, say), as JSON. The store does not look into it.
    pub fn put_journal(&self, name: &str, json: &str) -> Result<(), StoreError> {
        let _ = (name, json);
        todo!()
    }
    /// The journal of the last build of `name`.
    pub fn journal(&self, name: &str) -> Result<Option<String>, StoreError> {
        let _ = name;
        todo!()
    }
}
