//! A run: rounds, in each of which the peers take turns at every cell.

use std::path::PathBuf;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result};

use crate::cores::Core;
use crate::launch::Running;
use crate::peers::Peer;
use crate::programs::Programs;
use crate::results::{Line, Measurement, Outcome, Results, Run};
use crate::scenarios::{Cell, Figures, measure};

/// What is to be run.
pub(crate) struct Race {
    pub(crate) rounds: u32,
    pub(crate) cells: Vec<Cell>,
    pub(crate) peers: Vec<&'static Peer>,
    pub(crate) programs: Programs,
    /// Where servers keep their data while they run.
    pub(crate) data: PathBuf,
    pub(crate) results: PathBuf,
    /// What the run began with, told by whoever started it.
    pub(crate) versions: Vec<String>,
}

impl Race {
    /// Runs on the load generator's core; servers run on `core`.
    pub(crate) async fn run(&self, core: Core) -> Result<()> {
        std::fs::create_dir_all(&self.data).context("making a directory for the servers")?;
        let mut results = Results::append(&self.results)?;
        let run = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        results.add(&Line::Run(Run {
            run,
            machine: machine(&self.data),
            versions: self.versions(),
        }))?;
        for round in 1..=self.rounds {
            for cell in &self.cells {
                for peer in self.turn(round) {
                    let Some(outcome) = self.measure(*cell, peer, core).await else {
                        continue;
                    };
                    let measurement = Measurement {
                        run,
                        round,
                        peer: peer.name.to_owned(),
                        cell: *cell,
                        outcome,
                    };
                    eprintln!("{}", serde_json::to_string(&measurement)?);
                    results.add(&Line::Measured(measurement))?;
                }
            }
        }
        Ok(())
    }

    /// Who comes after whom changes from round to round; who stands beside whom does not.
    fn turn(&self, round: u32) -> Vec<&'static Peer> {
        let mut peers = self.peers.clone();
        if round.is_multiple_of(2) {
            peers.reverse();
        }
        peers
    }

    /// Nothing if the peer does not take part in the cell.
    async fn measure(&self, cell: Cell, peer: &Peer, core: Core) -> Option<Outcome> {
        if cell.excludes(peer).is_some() {
            return None;
        }
        match Box::pin(self.try_measure(cell, peer, core)).await {
            Ok(figures) => Some(Outcome::Figures(figures)),
            Err(error) => Some(Outcome::Failed(format!("{error:#}"))),
        }
    }

    async fn try_measure(&self, cell: Cell, peer: &Peer, core: Core) -> Result<Figures> {
        let started = Running::start(peer, &self.programs, &self.data, core).await;
        let (running, driver) = started.context("starting")?;
        let figures = measure(cell, driver.as_ref(), running.id()).await;
        running.stop().await?;
        figures
    }

    fn versions(&self) -> Vec<String> {
        let asked = [
            ("wellspring", "--version"),
            ("redis-server", "--version"),
            ("nats-server", "--version"),
            ("etcd", "--version"),
            ("postgres", "--version"),
            ("pocketbase", "--version"),
        ];
        let mut versions = self.versions.clone();
        for (program, argument) in asked {
            let Ok(path) = self.programs.find(program) else {
                continue;
            };
            let said = Command::new(path).arg(argument).output();
            let said = said.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
            let first = said
                .unwrap_or_default()
                .lines()
                .next()
                .unwrap_or("")
                .to_owned();
            versions.push(first);
        }
        versions
    }
}

/// The processor, the kernel and the file system.
fn machine(data: &std::path::Path) -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let cpu = read("/proc/cpuinfo");
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name"));
    let model = model
        .unwrap_or("")
        .trim_start_matches(['\t', ' ', ':'])
        .to_owned();
    let kernel = read("/proc/sys/kernel/osrelease");
    let kernel: Vec<&str> = kernel.split('.').take(2).collect();
    let file_system = Command::new("df").arg("--output=fstype").arg(data).output();
    let file_system =
        file_system.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    let cores = cpu
        .lines()
        .filter(|line| line.starts_with("processor"))
        .count();
    format!(
        "{cores} cores of {model}, Linux {}, {}",
        kernel.join("."),
        file_system.unwrap_or_default().lines().nth(1).unwrap_or("")
    )
}
