//! Tasks of the repository: `cargo xtask` lists them.
#![expect(
    clippy::print_stdout,
    reason = "a developer's tool talks on standard output"
)]

mod clients;
mod codegen;
mod install;
mod race;
mod repository;
mod rust_tests;
mod seeded;
mod tally;
mod tidy;

use std::process::ExitCode;

use anyhow::{Result, bail};

use crate::repository::Repository;
use crate::tally::Tally;

/// One task: how it is called, what it is for, and what runs it.
struct Task {
    name: &'static str,
    arguments: &'static str,
    about: &'static str,
    run: fn(&Repository, &[String]) -> Result<ExitCode>,
}

const TASKS: &[Task] = &[
    Task {
        name: "test",
        arguments: "",
        about: "every Rust test, bugs that are put in, every real client; the last line counts all",
        run: test,
    },
    Task {
        name: "seeded",
        arguments: "[BUG…]",
        about: "puts bugs into the engine, one at a time, and says what finds them",
        run: seeded::run,
    },
    Task {
        name: "clients",
        arguments: "[GROUP…]",
        about: "real clients only: all groups, or those named",
        run: clients,
    },
    Task {
        name: "long",
        arguments: "NAME",
        about: "a client check that takes minutes: silence, flights",
        run: long,
    },
    Task {
        name: "race",
        arguments: "[--publish] […]",
        about: "Wellspring against other servers and two floors; `cargo xtask race --help`",
        run: race::run,
    },
    Task {
        name: "codegen",
        arguments: "[--check]",
        about: "Rust code from proto/; with --check, whether the checked-in code is up to date",
        run: codegen,
    },
    Task {
        name: "tidy",
        arguments: "",
        about: "file lengths, dependency edges, links, left-overs, manifests",
        run: tidy,
    },
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> Result<ExitCode> {
    let Some((name, rest)) = arguments.split_first() else {
        print_help();
        return Ok(ExitCode::SUCCESS);
    };
    if matches!(name.as_str(), "help" | "--help" | "-h") {
        print_help();
        return Ok(ExitCode::SUCCESS);
    }
    let Some(task) = TASKS.iter().find(|task| task.name == name) else {
        print_help();
        bail!("there is no task {name:?}");
    };
    (task.run)(&Repository::find()?, rest)
}

fn print_help() {
    println!("Usage: cargo xtask TASK\n");
    for task in TASKS {
        let call = format!("{} {}", task.name, task.arguments);
        println!("  {call:<21} {}", task.about);
    }
}

fn test(repository: &Repository, arguments: &[String]) -> Result<ExitCode> {
    no_arguments("test", arguments)?;
    let mut tally = rust_tests::run(repository)?;
    tally += rust_tests::run_seeded(repository)?;
    // Whatever goes wrong here, what was counted so far is still told.
    tally += clients::run(repository, &[]).unwrap_or_else(|error| {
        println!("not ok the clients run: {error:#}");
        Tally::FAILED
    });
    Ok(conclude(tally))
}

fn clients(repository: &Repository, arguments: &[String]) -> Result<ExitCode> {
    Ok(conclude(clients::run(repository, arguments)?))
}

fn long(repository: &Repository, arguments: &[String]) -> Result<ExitCode> {
    Ok(conclude(clients::run_long(repository, arguments)?))
}

fn codegen(repository: &Repository, arguments: &[String]) -> Result<ExitCode> {
    let mode = match arguments {
        [] => codegen::Mode::Write,
        [argument] if argument == "--check" => codegen::Mode::Check,
        _ => bail!("codegen takes --check or nothing, got {arguments:?}"),
    };
    codegen::run(repository, mode)?;
    Ok(ExitCode::SUCCESS)
}

fn tidy(repository: &Repository, arguments: &[String]) -> Result<ExitCode> {
    no_arguments("tidy", arguments)?;
    let findings = tidy::findings(repository)?;
    for finding in &findings {
        println!("{finding}");
    }
    if findings.is_empty() {
        println!("tidy: nothing found");
        return Ok(ExitCode::SUCCESS);
    }
    println!("tidy: {} found", findings.len());
    Ok(ExitCode::FAILURE)
}

fn no_arguments(task: &str, arguments: &[String]) -> Result<()> {
    match arguments.first() {
        None => Ok(()),
        Some(argument) => bail!("{task} takes no argument, got {argument:?}"),
    }
}

/// The last line of a test run, and whether it stands for success.
fn conclude(tally: Tally) -> ExitCode {
    let skips_fail = std::env::var_os("CI").is_some_and(|value| value == "true");
    if skips_fail && tally.skipped > 0 {
        println!("a skip is a failure where CI=true: everything must be installed there");
    }
    println!("{tally}");
    if tally.failed > 0 || (skips_fail && tally.skipped > 0) {
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
