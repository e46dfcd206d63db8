//! What a test needs of the machine it runs on, and what becomes of a test that does not find it.

use std::path::Path;

/// Set to `1` where every test has to run: one that cannot then fails.
pub const MUST_RUN: &str = "GALLEY_TESTS_MUST_RUN";

/// Whether all of `programs` are here: names to look for in `PATH`, or absolute paths.
///
/// False means that the test cannot run, and has said so on standard error.
///
/// # Panics
/// Where a program is missing and [`MUST_RUN`] is set.
#[must_use]
pub fn has_programs(programs: &[&str]) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = |program: &str| match program.starts_with('/') {
        true => Path::new(program).is_file(),
        false => std::env::split_paths(&path).any(|directory| directory.join(program).is_file()),
    };
    let missing: Vec<&str> = programs.iter().copied().filter(|program| !found(program)).collect();
    missing.is_empty() || cannot_run(&format!("it needs {}", missing.join(", ")))
}

/// Says that a test cannot run here and why; always false.
///
/// # Panics
/// Where [`MUST_RUN`] is set.
pub fn cannot_run(why: &str) -> bool {
    let must = std::env::var_os(MUST_RUN).is_some_and(|value| value == "1");
    assert!(!must, "this test has to run ({MUST_RUN}=1), and cannot: {why}");
    eprintln!("NOT RUN: {why}");
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_by_name_and_by_path() {
        assert!(has_programs(&["sh", "/bin/sh"]));
    }
}
