//! Names of snapshots, layers and leases: 128 random bits, written as 32 hex digits.

use std::fmt;
use std::str::FromStr;

use rustix::rand::{GetRandomFlags, getrandom};

use crate::StoreError;

macro_rules! random_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub(crate) [u8; 16]);

        impl $name {
            /// A new one.
            pub(crate) fn random() -> Result<Self, StoreError> {
                random_bits().map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&galley_image::digest::hex(&self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl rusqlite::types::ToSql for $name {
            fn to_sql(&self) -> rusqlite::Result<rusqlite::types::ToSqlOutput<'_>> {
                self.0.to_sql()
            }
        }

        impl rusqlite::types::FromSql for $name {
            fn column_result(value: rusqlite::types::ValueRef<'_>) -> rusqlite::types::FromSqlResult<Self> {
                <[u8; 16]>::column_result(value).map(Self)
            }
        }

        impl FromStr for $name {
            type Err = BadId;

            fn from_str(text: &str) -> Result<Self, BadId> {
                unhex(text).map(Self).ok_or_else(|| BadId(text.into()))
            }
        }
    };
}

random_id! {
    /// Names a snapshot.
    SnapshotId
}
random_id! {
    /// Names a layer: its directory under `layers/`.
    LayerId
}
random_id! {
    /// Names a lease: its lock file under `leases/`.
    LeaseId
}

/// A text is not 32 lower-case hex digits.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an id: ids are 32 hex digits")]
pub struct BadId(String);

/// 128 bits from the kernel.
pub(crate) fn random_bits() -> Result<[u8; 16], StoreError> {
    let mut bits = [0; 16];
    let mut filled = 0;
    while filled < bits.len() {
        let rest = bits.get_mut(filled..).unwrap_or_default();
        match getrandom(rest, GetRandomFlags::empty()) {
            Ok(count) => filled += count,
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(StoreError::io("draw random bits from", "the kernel", error)),
        }
    }
    Ok(bits)
}

fn unhex(text: &str) -> Option<[u8; 16]> {
    if text.len() != 32 || !text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)) {
        return None;
    }
    u128::from_str_radix(text, 16).ok().map(u128::to_be_bytes)
}
