//! Verdicts, from numbers made up.

use super::super::{CASES, seconds};
use super::*;

fn samples(role: Role, times: &[f64]) -> Samples {
    Samples { role, seconds: times.to_vec(), peak: 1 << 20, problem: None }
}

/// Whether a case with this bar passes with these samples.
fn passes(bar: Bar, samples: Vec<Samples>) -> bool {
    let case = Case { bar, ..CASES[0] };
    Row::new(&case, Outcome { samples, notes: Vec::new() }).passed()
}

#[test]
fn a_bar_in_seconds() {
    assert!(passes(seconds(1.0), vec![samples(Role::Galley, &[0.5, 1.0, 9.0])]));
    assert!(!passes(seconds(1.0), vec![samples(Role::Galley, &[0.5, 1.1, 1.2])]));
    assert!(!passes(seconds(1.0), vec![]));
}

#[test]
fn bars_against_others() {
    let bar = Bar { seconds: None, control: Some(2.0), peer: Some(1.0 / 3.0) };
    let race = |galley, control, peer| {
        vec![
            samples(Role::Galley, &[galley]),
            samples(Role::Control, &[control]),
            samples(Role::Buildah, &[peer]),
        ]
    };
    assert!(passes(bar, race(2.0, 1.0, 6.0)));
    assert!(!passes(bar, race(2.1, 1.0, 9.0)));
    assert!(!passes(bar, race(2.0, 1.0, 5.0)));
    assert!(!passes(bar, vec![samples(Role::Galley, &[0.1])]), "a control that was not measured");
}

#[test]
fn memory_and_right_results_are_part_of_it() {
    let fat = Samples { peak: PEAK, ..samples(Role::Galley, &[0.1]) };
    assert!(!passes(seconds(1.0), vec![fat]));
    let wrong = Samples { problem: Some("wrong".to_owned()), ..samples(Role::Galley, &[0.1]) };
    assert!(!passes(seconds(1.0), vec![wrong]));
}

#[test]
fn the_table_shows_what_was_noted_for_absent_peers() {
    let row = Row::new(&CASES[0], Outcome { samples: vec![samples(Role::Galley, &[0.010])], notes: vec![] });
    let table = render(&[row]);
    assert!(table.contains("| 10.0 ms (10.0 ms..10.0 ms; n=1) |  | [0.07-0.12 s] |"), "{table}");
    assert!(table.contains("| 20.0 ms | PASS | 1 MiB |"), "{table}");
}
