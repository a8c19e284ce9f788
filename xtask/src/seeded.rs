//! The package `seeded`, which puts bugs in. It is a workspace of its own: built together with
//! others, cargo would give the bugs to all of them.

use std::process::{Command, ExitCode};

use anyhow::{Context, Result};

use crate::repository::Repository;

/// The package's directory.
pub(crate) const DIRECTORY: &str = "seeded";

/// A cargo that does this with the package. What it has in common with the workspace is built once.
pub(crate) fn cargo(repository: &Repository, what: &str) -> Command {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.arg(what).arg("--locked");
    cargo.args(["--manifest-path", &format!("{DIRECTORY}/Cargo.toml")]);
    cargo.args(["--target-dir", "target"]);
    cargo.current_dir(repository.root());
    cargo
}

/// Looks for the bugs of these names, or for all.
pub(crate) fn run(repository: &Repository, names: &[String]) -> Result<ExitCode> {
    let mut cargo = cargo(repository, "run");
    cargo.arg("--quiet").arg("--").args(names);
    let status = cargo.status().context("starting cargo run")?;
    Ok(if status.success() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
