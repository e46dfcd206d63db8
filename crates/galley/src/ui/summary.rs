//! The last lines of a build: warnings, why steps ran, and one line of result.

use std::time::Duration;

use galley_build::events::Exported;

use super::plain;
use super::quantity;
use super::timeline::{State, Timeline};

/// What a log has said long before, for the end of a live screen: one line for each bound base, and the warnings, one line each at least,
/// each with its step.
pub fn warnings(timeline: &Timeline) -> String {
    let mut text: String = timeline.bases.iter().map(|base| format!("{base}\n")).collect();
    for (step, message) in &timeline.warnings {
        let step = step.and_then(|index| timeline.steps.get(index));
        let place = step.map(|step| format!("{}: ", step.title())).unwrap_or_default();
        text += &format!("warning: {place}{message}\n");
    }
    text
}

/// The `remarks` (why steps ran), every file that was written, and one line of result.
pub fn closing(timeline: &Timeline, took: Duration, remarks: &[String]) -> String {
    let mut text: String = remarks.iter().map(|remark| format!("{remark}\n")).collect();
    let mut image = String::new();
    for result in &timeline.exported {
        match result {
            Exported::Image { id, tags, size, layers } => {
                let names: Vec<String> = tags.iter().map(galley_image::Reference::familiar).collect();
                let name = if names.is_empty() { id.short() } else { names.join(", ") };
                let layers = quantity::count(*layers, "layer");
                image = format!(" {name} ({} in {layers})", quantity::bytes(*size));
            }
            Exported::Path { .. } => text += &(plain::exported(result) + "\n"),
        }
    }
    let instructions =
        |state: fn(&State) -> bool| timeline.count(|step| step.step.position.is_some() && state(&step.state));
    let cached = instructions(|state| matches!(state, State::Cached(_)));
    let ran = quantity::count(instructions(|state| matches!(state, State::Done { .. })), "step");
    text + &format!("built{image} in {}: {ran} ran, {cached} cached\n", quantity::duration(took))
}
