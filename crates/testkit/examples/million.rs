//! How long the checker takes: `cargo run --release -p wellspring-testkit --example million`
//! generates correct histories of some 100,000 to some 3,000,000 records and times reading and checking.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "an example that is a measurement"
)]

#[path = "../tests/testkit/generate.rs"]
mod generate;

use std::fmt::Write as _;
use std::time::Instant;

use generate::{Shape, history};
use wellspring_testkit::history::{History, check};

fn main() {
    for steps in [14_000, 28_000, 56_000, 112_000] {
        let shape = Shape {
            seed: 7,
            steps,
            documents: 10_000,
            subscriptions: 8,
        };
        let mut text = String::new();
        for record in history(shape) {
            writeln!(text, "{}", serde_json::to_string(&record).unwrap()).unwrap();
        }
        let began = Instant::now();
        let history = History::parse("generated", text.as_bytes()).unwrap();
        let read = began.elapsed();
        let report = check(&history).unwrap();
        let checked = began.elapsed() - read;
        assert!(report.is_clean());
        println!(
            "{} records, {} MB: read in {read:.2?}, checked in {checked:.2?}",
            report.summary.records,
            text.len() / 1_000_000
        );
    }
}
