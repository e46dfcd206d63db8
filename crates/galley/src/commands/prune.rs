//! `galley prune`.

use std::time::Duration;

use galley_store::{PruneFilter, Remember};

use super::{Context, existing_store};
use crate::cli::PruneArgs;
use crate::error::Error;
use crate::exit::Exit;
use crate::stdout;
use crate::ui::quantity;

/// Removes images without a name, and deletes files that nothing needs.
///
/// # Errors
/// [`Error::Option`] for a time or size that is none, [`Error::Store`].
pub fn run(args: &PruneArgs, context: &Context) -> Result<Exit, Error> {
    let refuse = |option, value: &str, problem: &str| Error::Option {
        option,
        value: value.into(),
        problem: problem.into(),
    };
    let since = |text: &String| {
        time(text).ok_or_else(|| refuse("--keep-since", text, "write a time such as 90m, 24h or 7d"))
    };
    let storage = |text: &String| {
        size(text).ok_or_else(|| refuse("--keep-storage", text, "write a size such as 500MB or 20GB"))
    };
    let filter = PruneFilter {
        unused_for: args.keep_since.as_ref().map(since).transpose()?,
        keep_bytes: args.keep_storage.as_ref().map(storage).transpose()?,
        cache_mounts: args.cache_mounts,
        unnamed_images: true,
        remember: Remember::default(),
    };
    let store = match existing_store(context, "galley prune")? {
        Ok(store) => store,
        Err(exit) => return Ok(exit),
    };
    let freed = store.map(|store| store.prune(&filter)).transpose()?.unwrap_or_default();
    let parts = [
        (freed.images, "image"),
        (freed.layers, "layer"),
        (freed.blobs, "blob"),
        (freed.cache_mounts, "cache mount"),
    ];
    let parts = parts.map(|(number, noun)| quantity::count(number, noun));
    stdout::print(&format!("freed {}: {}\n", quantity::bytes(freed.bytes), parts.join(", ")))?;
    Ok(Exit::DONE)
}

fn split(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(end)?;
    Some((number.parse().ok()?, unit.trim()))
}

/// `30s`, `90m`, `24h`, `7d`.
fn time(text: &str) -> Option<Duration> {
    let (number, unit) = split(text)?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86400,
        _ => return None,
    };
    number.checked_mul(seconds).map(Duration::from_secs)
}

/// Bytes, or `kB`, `MB`, `GB`, `TB`: decimal, in any case, the `B` left out or not.
fn size(text: &str) -> Option<u64> {
    let (number, unit) = split(text)?;
    let unit = unit.to_ascii_lowercase();
    let scale = match unit.strip_suffix('b').unwrap_or(&unit) {
        "" => 1,
        "k" => 1000,
        "m" => 1_000_000,
        "g" => 1_000_000_000,
        "t" => 1_000_000_000_000,
        _ => return None,
    };
    number.checked_mul(scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_sizes() {
        assert_eq!(
            ["90m", "24h", "7d", "5s"].map(time),
            [5400, 86400, 604_800, 5].map(|s| Some(Duration::from_secs(s)))
        );
        assert_eq!(
            ["20GB", "500 mb", "12", "3k"].map(size),
            [20_000_000_000, 500_000_000, 12, 3000].map(Some)
        );
        for bad in ["", "h", "12", "1w", "99999999999999999999d"] {
            assert_eq!(time(bad), None, "{bad}");
        }
        assert_eq!([size("GB"), size("1XB"), size("99999999999TB")], [None; 3]);
    }
}
