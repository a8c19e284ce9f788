//! What the benchmarks share: documents, databases, and figures that are compared within one run.
//!
//! The machines that these run on are noisy, so a figure is never one measurement: the two sides
//! of a comparison take turns, and the median of their ratios is what to quote.
//! `docs/benchmarks.md` has the figures and their commands.
#![allow(clippy::print_stdout, reason = "a benchmark prints its figures")]

pub mod served;

use std::time::Duration;

use anyhow::{Context as _, Result};
use tempfile::TempDir;
use wellspring_engine::{Database, Options};
use wellspring_types::Data;
use wellspring_types::write::{CommitRequest, Write};

/// A document of about 200 bytes, as the comparison with other databases uses.
///
/// # Errors
/// Never: the text is a document.
pub fn document(n: u64) -> Result<Data> {
    let text = format!(
        r#"{{"n":{n},"room":"r{}","title":"a message of some length","body":"{:0>120}"}}"#,
        n % 100,
        n
    );
    Ok(Data::parse(text.as_bytes())?)
}

/// A commit of one such document.
///
/// # Errors
/// Never: the path is one.
pub fn commit(n: u64) -> Result<CommitRequest> {
    Ok(CommitRequest::of(vec![Write::set(
        format!("docs/{n}").parse()?,
        document(n)?,
    )]))
}

/// A new database in a directory of its own under `parent`, which goes with the returned guard.
/// The benchmarks give cargo's directory for them: `/tmp` may be in memory, where a sync is free.
///
/// # Errors
/// If the directory or the database cannot be made.
pub fn database(parent: &str) -> Result<(Database, TempDir)> {
    let directory = tempfile::tempdir_in(parent)?;
    let options = Options::new(directory.path().join("data"));
    Ok((Database::open(options, &mut |_| {})?, directory))
}

/// How often something happened within a time.
#[must_use]
pub fn per_second(count: u64, elapsed: Duration) -> f64 {
    // Exact up to 2^53 events.
    #[expect(clippy::cast_precision_loss, reason = "counts far below 2^53")]
    let count = count as f64;
    count / elapsed.as_secs_f64()
}

/// Minimum, median and maximum.
#[must_use]
pub fn spread(mut figures: Vec<f64>) -> (f64, f64, f64) {
    figures.sort_by(f64::total_cmp);
    let at = |index: usize| figures.get(index).copied().unwrap_or(f64::NAN);
    (
        at(0),
        at(figures.len() / 2),
        at(figures.len().saturating_sub(1)),
    )
}

/// Prints a row of a table in Markdown: name, then minimum, median and maximum.
pub fn print_row(name: &str, figures: Vec<f64>, decimals: usize) {
    let (min, median, max) = spread(figures);
    println!("| {name} | {min:.decimals$} | {median:.decimals$} | {max:.decimals$} |");
}

/// What this process holds in memory.
///
/// # Errors
/// Where the system is not Linux.
pub fn resident_bytes() -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let resident = resident.context("resident memory")?.trim_end_matches("kB");
    Ok(resident.trim().parse::<u64>()? * 1024)
}
