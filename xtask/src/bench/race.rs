//! Whole processes, timed in turns.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use wait4::Wait4;

use crate::Result;

/// A peer whose warm-up takes longer than this runs only `FEW` times.
const SLOW_SECONDS: f64 = 10.0;
const FEW: usize = 3;

/// Part of whoever is measured, in the table's columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// The one that has a bar.
    Galley,
    /// The least that the task takes, without any builder.
    Control,
    /// BuildKit, through docker buildx.
    BuildKit,
    /// buildah.
    Buildah,
}

/// Someone who does the task. The closures get the round, 0 for the warm-up.
pub(crate) struct Entrant<'a> {
    pub(crate) role: Role,
    /// Not timed: brings about the state that the run starts from.
    pub(crate) before: Box<dyn Fn(usize) -> Result<()> + 'a>,
    /// What is timed.
    pub(crate) command: Box<dyn Fn(usize) -> Command + 'a>,
    /// Not timed: says whether the result is right.
    pub(crate) after: Box<dyn Fn(usize) -> Result<()> + 'a>,
}

impl<'a> Entrant<'a> {
    /// An entrant that needs no preparation and whose result is not looked at.
    pub(crate) fn new(role: Role, command: impl Fn(usize) -> Command + 'a) -> Entrant<'a> {
        Entrant {
            role,
            before: Box::new(|_| Ok(())),
            command: Box::new(command),
            after: Box::new(|_| Ok(())),
        }
    }

    /// Sets what comes before each run.
    pub(crate) fn before(self, before: impl Fn(usize) -> Result<()> + 'a) -> Entrant<'a> {
        Entrant { before: Box::new(before), ..self }
    }

    /// Sets what comes after each run.
    pub(crate) fn after(self, after: impl Fn(usize) -> Result<()> + 'a) -> Entrant<'a> {
        Entrant { after: Box::new(after), ..self }
    }
}

/// What was measured of one entrant.
#[derive(Debug)]
pub(crate) struct Samples {
    pub(crate) role: Role,
    /// Wall time of each run in seconds, the warm-up left out; sorted by `race`.
    pub(crate) seconds: Vec<f64>,
    /// The most memory that any of its processes held, in bytes (`ru_maxrss` of `wait4`, which is VmHWM, children that it waited for included).
    pub(crate) peak: u64,
    /// Why there are no more samples: what failed, or what is wrong with the result.
    pub(crate) problem: Option<String>,
}

impl Samples {
    /// None where nothing was measured.
    pub(crate) fn median(&self) -> Option<f64> {
        median(&self.seconds)
    }
}

/// What a case comes to.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) samples: Vec<Samples>,
    /// Sentences that stand below the table.
    pub(crate) notes: Vec<String>,
}

/// Runs everybody once to warm up and then `rounds` times in turns. `log` takes what the processes print; `divide` is how many
/// like parts the task has, each of which is meant.
pub(crate) fn race(entrants: &[Entrant<'_>], rounds: usize, divide: u32, log: &Path) -> Vec<Samples> {
    let blank =
        |entrant: &Entrant<'_>| Samples { role: entrant.role, seconds: Vec::new(), peak: 0, problem: None };
    let mut all: Vec<Samples> = entrants.iter().map(blank).collect();
    let mut limits = vec![rounds; entrants.len()];
    for round in 0..=rounds {
        for ((entrant, samples), limit) in entrants.iter().zip(&mut all).zip(&mut limits) {
            if samples.problem.is_some() || round > *limit {
                continue;
            }
            match run_once(entrant, round, log) {
                Ok((seconds, peak)) => {
                    samples.peak = samples.peak.max(peak);
                    if round > 0 {
                        samples.seconds.push(seconds / f64::from(divide));
                    } else if seconds > SLOW_SECONDS && entrant.role != Role::Galley {
                        *limit = FEW.min(rounds);
                    }
                }
                Err(error) => samples.problem = Some(error.to_string()),
            }
        }
    }
    for samples in &mut all {
        samples.seconds.sort_by(f64::total_cmp);
    }
    all
}

/// Runs one entrant once, without a warm-up: for where a person waits.
pub(crate) fn once(entrant: &Entrant<'_>, log: &Path) -> Samples {
    let (seconds, peak, problem) = match run_once(entrant, 1, log) {
        Ok((seconds, peak)) => (vec![seconds], peak, None),
        Err(error) => (Vec::new(), 0, Some(error.to_string())),
    };
    Samples { role: entrant.role, seconds, peak, problem }
}

/// One run with all that belongs to it: its wall time in seconds, and its peak memory in bytes.
fn run_once(entrant: &Entrant<'_>, round: usize, log: &Path) -> Result<(f64, u64)> {
    (entrant.before)(round)?;
    let mut command = (entrant.command)(round);
    // What others wrote must not be paid for by this one.
    rustix::fs::sync();
    let measured = timed(&mut command, log)?;
    (entrant.after)(round)?;
    Ok(measured)
}

/// Runs a process to its end: its wall time in seconds, and its peak memory in bytes.
///
/// # Errors
/// One that cannot be started or does not exit with 0, with the end of what it printed.
pub(crate) fn timed(command: &mut Command, log: &Path) -> Result<(f64, u64)> {
    let output = File::create(log)?;
    command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
    let start = Instant::now();
    let mut child = command.spawn().map_err(|error| format!("{command:?}: {error}"))?;
    let usage = child.wait4()?;
    let seconds = start.elapsed().as_secs_f64();
    if !usage.status.success() {
        let printed = String::from_utf8_lossy(&fs::read(log)?).into_owned();
        return Err(format!("{command:?}: {}\n{}", usage.status, tail(&printed, 20)).into());
    }
    Ok((seconds, usage.rusage.maxrss))
}

/// Runs a process that is not measured, and gives what it wrote to its standard output.
///
/// # Errors
/// As `timed`.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let output = command.stdin(Stdio::null()).output().map_err(|error| format!("{command:?}: {error}"))?;
    if !output.status.success() {
        let printed = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(format!("{command:?}: {}\n{}", output.status, tail(&printed, 20)).into());
    }
    Ok(String::from_utf8(output.stdout)?)
}

/// The last lines of a text.
fn tail(text: &str, lines: usize) -> String {
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

/// The middle of sorted numbers; the mean of the two middle ones where their count is even.
fn median(sorted: &[f64]) -> Option<f64> {
    let upper = *sorted.get(sorted.len() / 2)?;
    let lower = *sorted.get(sorted.len().saturating_sub(1) / 2)?;
    Some(f64::midpoint(lower, upper))
}

#[cfg(test)]
mod tests;
