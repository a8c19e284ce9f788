//! What is measured, the same for everyone. Each measurement is made on a new server with no data.

mod catch_up;
mod fan_out;
mod filtered;
mod idle;
mod latency;
mod listening;
mod tally;
mod writes;
mod writing;

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Result, bail};
use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep, timeout};

use crate::driver::Driver;
use crate::peers::{Kept, Peer};
use crate::process::generator_waited_s;

/// Between the last subscription and the first write, for what a server does about the former.
const SETTLE: Duration = Duration::from_millis(500);

/// The share of the time in which something else had the load generator's core: how far a
/// measurement is to be trusted on a machine that others use.
pub(crate) const WAITED: &str = "generator_waited";

/// What is done to a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Scenario {
    /// Writers that write the next document when the last one is acknowledged, for seconds.
    Writes,
    /// The same for a minute.
    Sustained,
    /// One writer, 500 documents a second, and one subscriber.
    Latency,
    /// One writer, and many subscribers that want everything.
    FanOut,
    /// Many subscribers, and nothing happens.
    Idle,
    /// One consumer of all that was written before.
    CatchUp,
    /// Many subscribers, each of another room, and writers of random rooms.
    Filtered,
}

/// A scenario at one of its sizes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Cell {
    pub(crate) scenario: Scenario,
    /// How many: writers, subscribers, documents.
    pub(crate) size: u32,
}

impl Scenario {
    pub(crate) fn cells(self) -> impl Iterator<Item = Cell> {
        let sizes: &[u32] = match self {
            Scenario::Writes => &[1, 16, 64],
            Scenario::Sustained => &[64],
            Scenario::Latency => &[1],
            Scenario::FanOut => &[100, 1000],
            Scenario::Idle => &[1000, 5000, 10_000],
            Scenario::CatchUp => &[100_000],
            Scenario::Filtered => &[1000],
        };
        sizes.iter().map(move |&size| Cell {
            scenario: self,
            size,
        })
    }

    /// What the size counts.
    pub(crate) fn size_of(self) -> &'static str {
        match self {
            Scenario::Writes | Scenario::Sustained => "writers",
            Scenario::Latency | Scenario::FanOut | Scenario::Idle | Scenario::Filtered => {
                "subscribers"
            }
            Scenario::CatchUp => "changes",
        }
    }

    /// After which it is given up.
    fn deadline(self) -> Duration {
        match self {
            Scenario::Sustained => Duration::from_secs(120),
            _ => Duration::from_secs(90),
        }
    }
}

impl Cell {
    /// Why a peer does not take part, if it does not.
    pub(crate) fn excludes(self, peer: &Peer) -> Option<&'static str> {
        let has_subscribers = self.scenario.size_of() == "subscribers";
        if has_subscribers && self.size as usize > peer.subscribers_max {
            return Some("does not take so many subscribers");
        }
        match self.scenario {
            Scenario::CatchUp if !peer.replays => Some("keeps nothing that could be read again"),
            Scenario::Sustained if peer.kept != Kept::Synced => Some("does not sync"),
            _ => None,
        }
    }
}

/// What was measured, by name; the unit stands last.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Figures(BTreeMap<String, f64>);

impl Figures {
    pub(crate) fn get(&self, name: &str) -> Option<f64> {
        self.0.get(name).copied()
    }

    pub(crate) fn set(&mut self, name: &str, figure: f64) {
        // Three digits behind the point are more than any of them is worth.
        self.0
            .insert(name.to_owned(), (figure * 1000.0).round() / 1000.0);
    }
}

/// A server that is measured.
#[derive(Clone, Copy)]
struct Measured<'a> {
    driver: &'a dyn Driver,
    /// Its process.
    id: u32,
}

/// Measures one cell.
pub(crate) async fn measure(cell: Cell, driver: &dyn Driver, id: u32) -> Result<Figures> {
    let server = Measured { driver, id };
    let work = async {
        match cell.scenario {
            Scenario::Writes => writes::measure(server, cell.size, writes::SHORT).await,
            Scenario::Sustained => writes::measure(server, cell.size, writes::MINUTE).await,
            Scenario::Latency => latency::measure(server).await,
            Scenario::FanOut => fan_out::measure(server, cell.size).await,
            Scenario::Idle => idle::measure(server, cell.size).await,
            Scenario::CatchUp => catch_up::measure(server, cell.size).await,
            Scenario::Filtered => filtered::measure(server).await,
        }
    };
    let (start, before) = (Instant::now(), generator_waited_s()?);
    let Ok(figures) = timeout(cell.scenario.deadline(), work).await else {
        bail!("gave up after {:?}", cell.scenario.deadline());
    };
    let mut figures = figures?;
    let waited = (generator_waited_s()? - before) / start.elapsed().as_secs_f64();
    figures.set(WAITED, waited);
    Ok(figures)
}

async fn settle() {
    sleep(SETTLE).await;
}

#[expect(clippy::cast_precision_loss, reason = "counts far below 2^53")]
fn real(count: impl TryInto<u64>) -> f64 {
    count.try_into().unwrap_or(u64::MAX) as f64
}

/// The value below which so many per cent of the sorted values are.
fn percentile(sorted: &[u64], percent: usize) -> f64 {
    let index = sorted.len() * percent / 100;
    let at = sorted.get(index.min(sorted.len().saturating_sub(1)));
    at.map_or(f64::NAN, |value| real(*value))
}
