//! `cargo xtask TASK`: says which tasks there are and calls the one asked for.
//!
//! Exit codes: 0 done and nothing to complain about, 1 a finding or a missed bar, 2 not understood or not able to.

use std::process::ExitCode;

use xtask::{Result, bases, bench, conformance, examples, tidy, workspace_root};

const USAGE: &str = "\
usage: cargo xtask TASK

  demo [OPTIONS] [NAME]        builds galley, and with it an example from one stage and from several; `demo --help` for more
  tidy                         the house's rules that no compiler checks
  bench [OPTIONS] [CASE...]    galley as whole processes, beside a control and its peers; `bench --help` for more
  examples [OPTIONS] [NAME...] builds, runs and measures what is in examples/; `examples --help` for more
  bases [OPTIONS] [NAME...]    what is in bases/ tests its toolchains; `bases --help` for more
  conformance [OPTIONS] [CASE...]
                               the cases of the Dockerfile language, beside the peers; `conformance --help` for more
";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match args.split_first() {
        Some((task, rest)) if task == "tidy" && rest.is_empty() => run_tidy(),
        Some((task, rest)) if task == "demo" => examples::demo::main(rest),
        Some((task, rest)) if task == "bench" => bench::main(rest),
        Some((task, rest)) if task == "examples" => examples::main(rest),
        Some((task, rest)) if task == "bases" => bases::main(rest),
        Some((task, rest)) if task == "conformance" => conformance::main(rest),
        _ => {
            eprint!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("xtask: {error}");
            ExitCode::from(2)
        }
    }
}

/// Prints what tidy finds; true if that is nothing.
fn run_tidy() -> Result<bool> {
    let problems = tidy::check(workspace_root())?;
    for problem in &problems {
        println!("{problem}");
    }
    println!("tidy: {} problem(s)", problems.len());
    Ok(problems.is_empty())
}
