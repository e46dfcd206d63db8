//! From a solved stage to its image configuration. Pure: the same layers give the same bytes, whenever they are put together.

use std::time::{Duration, UNIX_EPOCH};

use galley_image::{DiffId, History, ImageConfig};
use galley_plan::{HISTORY_COMMENT, PlannedStage, VertexId};

/// What a step added to the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StepLayer {
    /// The layer's diff ID.
    pub diff_id: DiffId,
    /// When the step ran: seconds since 1970.
    pub created: i64,
}

/// The configuration of `stage`'s image: its planned configuration with the steps' layers and history behind the base's.
///
/// Times are those at which the steps ran, so a rebuild in which nothing ran gives the same bytes; with `epoch` (seconds
/// since 1970, `SOURCE_DATE_EPOCH`) every new entry has that time instead. An entry without a layer has the time of the entry before it.
pub fn configuration(
    stage: &PlannedStage,
    epoch: Option<i64>,
    mut layer: impl FnMut(VertexId) -> Option<StepLayer>,
) -> ImageConfig {
    let mut config = stage.config.clone();
    let mut created = epoch.map(rfc3339).or_else(|| config.created.clone());
    for step in &stage.history {
        let made = step.vertex.and_then(&mut layer);
        if let Some(made) = made {
            config.rootfs.diff_ids.push(made.diff_id);
            created = Some(rfc3339(epoch.unwrap_or(made.created)));
        }
        config.history.push(History {
            created: created.clone(),
            author: config.author.clone(),
            created_by: Some(step.created_by.clone()),
            comment: Some(HISTORY_COMMENT.into()),
            empty_layer: made.is_none(),
        });
    }
    config.created = created;
    config
}

/// Seconds since 1970 as RFC 3339 in UTC; times before 1970 become 1970.
#[must_use]
pub fn rfc3339(seconds: i64) -> String {
    let since = Duration::from_secs(u64::try_from(seconds).unwrap_or(0).min(MAX_SECONDS));
    humantime::format_rfc3339_seconds(UNIX_EPOCH + since).to_string()
}

/// The last second of the year 9999, the last that RFC 3339 can write.
const MAX_SECONDS: u64 = 253_402_300_799;

#[cfg(test)]
mod tests {
    use super::rfc3339;

    #[test]
    fn times_are_written_in_utc() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00Z");
        assert_eq!(rfc3339(1_709_210_096), "2024-02-29T12:34:56Z");
        assert_eq!(rfc3339(-5), "1970-01-01T00:00:00Z");
        assert_eq!(rfc3339(i64::MAX), "9999-12-31T23:59:59Z");
    }
}
