//! `galley why`: a journal, step by step.

use galley_build::journal::{Journal, StepEntry, StepOutcome};
use galley_build::why;

use super::timeline::one_line;

/// Every step with the reason why it ran or was reused, and the summary with advice.
pub fn text(journal: &Journal) -> String {
    let mut text = String::new();
    for step in &journal.steps {
        let (mark, reason) = outcome(&step.outcome);
        text += &format!("{mark} {}\n    {reason}\n", title(step));
    }
    match why::summary(journal) {
        Some(summary) => text + "\n" + &summary + "\n",
        None => text + "\nnothing ran: every step was reused\n",
    }
}

fn title(step: &StepEntry) -> String {
    let label = one_line(&step.label);
    let line = if step.line > 0 { format!("line {}: ", step.line) } else { String::new() };
    if step.stage.is_empty() { format!("{line}{label}") } else { format!("{line}[{}] {label}", step.stage) }
}

fn outcome(outcome: &StepOutcome) -> (&'static str, String) {
    match outcome {
        StepOutcome::Unchanged => ("reused", "it and everything before it are unchanged".into()),
        StepOutcome::SameContent => ("reused", "what it reads came out the same".into()),
        StepOutcome::NotNeeded => ("reused", "a later step's result served, so nobody needed it".into()),
        StepOutcome::Ran(cause) => ("ran   ", cause.to_string()),
    }
}
