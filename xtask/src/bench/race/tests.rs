//! Timing takes turns, leaves out the warm-up, and says what failed.

use std::cell::RefCell;

use super::*;

fn shell(script: &str) -> Command {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", script]);
    command
}

#[test]
fn medians() {
    assert_eq!(median(&[]), None);
    assert_eq!(median(&[3.0]), Some(3.0));
    assert_eq!(median(&[1.0, 2.0]), Some(1.5));
    assert_eq!(median(&[1.0, 2.0, 9.0]), Some(2.0));
}

#[test]
fn entrants_take_turns_and_the_warm_up_does_not_count() {
    let order = RefCell::new(String::new());
    let entrant = |role, letter: char| {
        Entrant::new(role, |_| shell("true")).before({
            let order = &order;
            move |round| {
                order.borrow_mut().push_str(&format!("{letter}{round} "));
                Ok(())
            }
        })
    };
    let scratch = tempfile::tempdir().unwrap();
    let entrants = [entrant(Role::Galley, 'g'), entrant(Role::Control, 'c')];
    let all = race(&entrants, 2, 1, &scratch.path().join("log"));
    assert_eq!(*order.borrow(), "g0 c0 g1 c1 g2 c2 ");
    assert!(
        all.iter().all(|samples| samples.seconds.len() == 2 && samples.problem.is_none() && samples.peak > 0)
    );
}

#[test]
fn a_failure_ends_one_entrant_and_is_told() {
    let scratch = tempfile::tempdir().unwrap();
    let entrants = [
        Entrant::new(Role::Galley, |_| shell("echo the reason; exit 3")),
        Entrant::new(Role::Control, |_| shell("true"))
            .after(|round| if round < 2 { Ok(()) } else { Err("wrong".into()) }),
    ];
    let all = race(&entrants, 4, 1, &scratch.path().join("log"));
    assert!(all[0].problem.as_ref().unwrap().contains("the reason"));
    assert_eq!((all[1].seconds.len(), all[1].problem.as_deref()), (1, Some("wrong")));
}
