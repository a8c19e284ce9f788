//! Runs `cargo test` and counts what it reports, for the workspace and for what stands outside of it.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use crate::repository::Repository;
use crate::seeded;
use crate::tally::Tally;

/// Runs every Rust test of the workspace, shows cargo's own output, and counts it.
pub(crate) fn run(repository: &Repository) -> Result<Tally> {
    println!("== Rust tests");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["test", "--workspace", "--no-fail-fast"]);
    cargo.current_dir(repository.root());
    count(cargo)
}

/// Runs the tests of the package that puts bugs in, in the same way.
pub(crate) fn run_seeded(repository: &Repository) -> Result<Tally> {
    println!("== bugs that are put in");
    let mut cargo = seeded::cargo(repository, "test");
    cargo.arg("--no-fail-fast");
    count(cargo)
}

fn count(mut cargo: Command) -> Result<Tally> {
    let mut cargo = cargo
        .stdout(Stdio::piped())
        .spawn()
        .context("starting cargo test")?;
    let mut tally = Tally::default();
    let output = cargo.stdout.take().context("cargo's output is piped")?;
    for line in BufReader::new(output).lines() {
        let line = line.context("reading cargo's output")?;
        println!("{line}");
        if let Some(counted) = parse_result(&line) {
            tally += counted;
        }
    }
    let status = cargo.wait().context("waiting for cargo test")?;
    if !status.success() && tally.failed == 0 {
        println!("cargo test ended with {status} and no failed test: did it compile?");
        tally += Tally::FAILED;
    }
    Ok(tally)
}

/// `test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 3 filtered out; finished in 0.1s`.
fn parse_result(line: &str) -> Option<Tally> {
    let (_, counts) = line.strip_prefix("test result: ")?.split_once(". ")?;
    let mut tally = Tally::default();
    for part in counts.split("; ") {
        let Some((number, word)) = part.split_once(' ') else {
            continue;
        };
        let Ok(number) = number.parse::<u64>() else {
            continue;
        };
        match word {
            "passed" => tally.passed = number,
            "failed" => tally.failed = number,
            "ignored" => tally.skipped = number,
            _ => {}
        }
    }
    Some(tally)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_of_a_test_binary_are_read() {
        let line = "test result: FAILED. 12 passed; 2 failed; 1 ignored; 0 measured; \
                    3 filtered out; finished in 0.10s";
        assert_eq!(
            parse_result(line),
            Some(Tally {
                passed: 12,
                failed: 2,
                skipped: 1
            })
        );
    }

    #[test]
    fn other_lines_count_nothing() {
        assert_eq!(parse_result("test path::tests::splits ... ok"), None);
        assert_eq!(parse_result("running 4 tests"), None);
    }
}
