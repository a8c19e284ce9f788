//! Wellspring raced against other servers, and against the least that a server can do.
//!
//! `cargo xtask race` installs the servers, builds this program and runs it. A run starts each
//! server on loopback with an empty directory, on a core of its own, does the same to each of them
//! through one load generator on another core, and writes down what it saw. The peers take turns at
//! each measurement, so that what is compared ran within a minute or two: on a machine that others use
//! too, figures of one minute say little about the next.
//!
//! [`scenarios`] is what is done, [`drivers`] how one speaks with each server, [`floor`] what they
//! are held against, [`report`] the tables and pictures.

mod cores;
mod document;
mod driver;
mod drivers;
mod floor;
mod launch;
mod peers;
mod process;
mod programs;
mod race;
mod report;
mod results;
mod scenarios;
#[cfg(test)]
mod tests;
mod wire;

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Result;
use clap::{Parser, Subcommand, ValueEnum as _};

use crate::floor::Floor;
use crate::programs::Programs;
use crate::race::Race;
use crate::report::Report;
use crate::scenarios::Scenario;

/// 10,000 subscribers, and what else is open.
const OPEN_FILES: u64 = 12_000;

#[derive(Debug, Parser)]
#[command(about)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Measures, and adds what it saw to a file
    Run {
        #[arg(long, default_value_t = 3)]
        rounds: u32,
        /// These scenarios only
        #[arg(long, value_delimiter = ',')]
        only: Vec<Scenario>,
        /// These peers only
        #[arg(long, value_delimiter = ',')]
        peers: Vec<String>,
        /// Where programs are looked for first
        #[arg(long)]
        programs: Vec<PathBuf>,
        /// Where servers keep their data, on the disk that is measured
        #[arg(long)]
        data: PathBuf,
        /// A file of JSON lines
        #[arg(long)]
        results: PathBuf,
        /// What to note of the versions beside what programs say
        #[arg(long)]
        version_note: Vec<String>,
        #[arg(env = "PATH", long, hide = true, default_value = "")]
        path: OsString,
    },
    /// Makes tables and pictures of what was measured
    Report {
        #[arg(long)]
        results: PathBuf,
        /// Where to put them
        #[arg(long)]
        output: PathBuf,
        /// A document whose block between the marks is replaced by the summary
        #[arg(long)]
        document: Option<PathBuf>,
    },
    /// Serves as a floor
    #[command(hide = true)]
    Floor {
        floor: Floor,
        #[arg(long)]
        listen: SocketAddr,
        #[arg(long)]
        data: PathBuf,
    },
}

fn main() -> Result<()> {
    match Arguments::parse().task {
        Task::Run {
            rounds,
            only,
            peers,
            programs,
            data,
            results,
            version_note,
            path,
        } => {
            let scenarios = if only.is_empty() {
                Scenario::value_variants()
            } else {
                &only
            };
            let race = Race {
                rounds,
                cells: scenarios
                    .iter()
                    .flat_map(|scenario| scenario.cells())
                    .collect(),
                peers: peers::chosen(&peers)?,
                programs: Programs::new(&programs, &path),
                data: std::path::absolute(data)?,
                results,
                versions: version_note,
            };
            run(&race)
        }
        Task::Report {
            results,
            output,
            document,
        } => Report::of(results::read(&results)?)?.write(&output, document.as_deref()),
        Task::Floor {
            floor,
            listen,
            data,
        } => {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .enable_all()
                .build()?;
            runtime.block_on(floor::run(floor, listen, &data))
        }
    }
}

fn run(race: &Race) -> Result<()> {
    let [server, generator] = cores::two()?;
    cores::raise_open_files(OPEN_FILES)?;
    cores::pin_this_thread(generator)?;
    // One thread: it has one core.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(race.run(server))
}
