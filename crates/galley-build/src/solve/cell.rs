//! Solves a vertex once, however many others ask for it at once.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use super::{Need, Solved, Stopped};

/// Where the solving of one vertex stands.
enum State {
    /// Nobody has asked, or nobody is working on it now; what is known so far.
    Rest(Option<(Solved, Need)>),
    /// A thread is working on it.
    Busy,
    /// It failed; the reason is told elsewhere.
    Failed,
}

/// The result of one vertex, made by the first thread that asks and waited for by the others.
pub(super) struct Cell {
    state: Mutex<State>,
    changed: Condvar,
}

impl Cell {
    pub(super) fn new() -> Self {
        Self { state: Mutex::new(State::Rest(None)), changed: Condvar::new() }
    }

    /// The result, at least as complete as `need`. `solve` makes it where it is not there; it is given what was known.
    pub(super) fn get(
        &self,
        need: Need,
        solve: impl FnOnce(Option<Solved>) -> Result<Solved, Stopped>,
    ) -> Result<Solved, Stopped> {
        let mut state = self.lock();
        let earlier = loop {
            match &*state {
                State::Busy => state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
                State::Failed => return Err(Stopped),
                State::Rest(Some((solved, had))) if *had >= need => return Ok(solved.clone()),
                State::Rest(earlier) => break earlier.clone(),
            }
        };
        *state = State::Busy;
        drop(state);
        let had = earlier.as_ref().map(|(_, had)| *had);
        let busy = Busy { cell: self, outcome: State::Failed };
        let result = solve(earlier.map(|(solved, _)| solved));
        busy.end(match &result {
            // What ran has its files, whatever was asked for.
            Ok(solved) if solved.ran => State::Rest(Some((solved.clone(), Need::Bytes))),
            Ok(solved) => State::Rest(Some((solved.clone(), had.map_or(need, |had| had.max(need))))),
            Err(Stopped) => State::Failed,
        });
        result
    }

    /// The result so far, without solving anything.
    pub(super) fn peek(&self) -> Option<Solved> {
        match &*self.lock() {
            State::Rest(Some((solved, _))) => Some(solved.clone()),
            _ => None,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends the waiting of others even where solving panics.
struct Busy<'c> {
    cell: &'c Cell,
    outcome: State,
}

impl Busy<'_> {
    fn end(mut self, outcome: State) {
        self.outcome = outcome;
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        *self.cell.lock() = std::mem::replace(&mut self.outcome, State::Failed);
        self.cell.changed.notify_all();
    }
}
