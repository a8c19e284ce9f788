//! `wellspring-simulate`: many seeds, or one with everything that it does.

use std::io::{self, Write as _};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

use clap::Parser;
use wellspring_simulation::{Counts, Outcome, Trace, run};

/// Runs Wellspring's engine over a simulated disk, clock and scheduler, one history for each seed,
/// and checks every promise. Ends with 1, and the seeds, if some were not kept.
#[derive(Parser)]
struct Arguments {
    /// How many seeds.
    #[arg(long, default_value_t = 10_000)]
    seeds: u64,
    /// The first of them.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// How many run at a time.
    #[arg(long, default_value_t = 2)]
    threads: u64,
    /// Runs this one alone and writes down what it does.
    #[arg(long, env = "WELLSPRING_SEED")]
    seed: Option<u64>,
    /// Ends after so many seeds that failed.
    #[arg(long, default_value_t = 5)]
    failures: u64,
}

#[derive(Default)]
struct Total {
    seeds: u64,
    counts: Counts,
    failed: Vec<(u64, String)>,
}

fn main() -> io::Result<ExitCode> {
    let arguments = Arguments::parse();
    match arguments.seed {
        Some(seed) => one(seed),
        None => many(&arguments),
    }
}

fn one(seed: u64) -> io::Result<ExitCode> {
    let outcome = run(seed, Trace::Written);
    let mut out = io::stdout().lock();
    for line in &outcome.trace {
        writeln!(out, "{line}")?;
    }
    writeln!(out, "{}history {}", outcome.counts, hexadecimal(&outcome))?;
    match outcome.failure {
        None => Ok(ExitCode::SUCCESS),
        Some(failure) => {
            writeln!(out, "seed {seed}: {failure}")?;
            Ok(ExitCode::FAILURE)
        }
    }
}

fn hexadecimal(outcome: &Outcome) -> String {
    let bytes = outcome.history.iter();
    bytes.map(|byte| format!("{byte:02x}")).collect()
}

fn many(arguments: &Arguments) -> io::Result<ExitCode> {
    let began = Instant::now();
    let next = AtomicU64::new(arguments.from);
    let end = arguments.from.saturating_add(arguments.seeds);
    let total = Mutex::new(Total::default());
    thread::scope(|scope| {
        for _ in 0..arguments.threads.max(1) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= end {
                        return;
                    }
                    let outcome = run(seed, Trace::None);
                    let Ok(mut total) = total.lock() else { return };
                    total.seeds += 1;
                    total.counts.add(&outcome.counts);
                    total
                        .failed
                        .extend(outcome.failure.map(|failure| (seed, failure)));
                    let failed = u64::try_from(total.failed.len()).unwrap_or(u64::MAX);
                    if failed >= arguments.failures {
                        next.store(end, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    let total = total.into_inner().unwrap_or_default();
    let mut out = io::stdout().lock();
    let took = began.elapsed();
    writeln!(out, "{:>12}  seeds, in {took:.1?}", total.seeds)?;
    write!(out, "{}", total.counts)?;
    for (seed, failure) in &total.failed {
        writeln!(out, "seed {seed}: {failure}")?;
        writeln!(
            out,
            "  again: WELLSPRING_SEED={seed} cargo run --release -p wellspring-simulation"
        )?;
    }
    if total.failed.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    Ok(ExitCode::FAILURE)
}
