//! What Wellspring is to reach, held against what was measured.

use std::fmt::Write as _;

use super::seen::{Seen, Spread};
use super::show;
use crate::peers::{Kept, LIMIT_SYNC, PEERS, WELLSPRING};
use crate::scenarios::{Cell, Scenario};

/// A goal for one figure.
struct Goal {
    what: &'static str,
    scenario: Scenario,
    size: u32,
    figure: &'static str,
    bound: Bound,
}

/// What the figure is held against.
enum Bound {
    /// At least so many times another's.
    Least(f64, &'static str),
    /// At most so many times another's.
    Most(f64, &'static str),
    /// At least so much.
    LeastOf(f64),
    /// At most so much.
    MostOf(f64),
    /// More than everyone else has who syncs before acknowledging, the floor apart.
    AheadOfSynced,
}

const fn goal(
    what: &'static str,
    (scenario, size): (Scenario, u32),
    figure: &'static str,
    bound: Bound,
) -> Goal {
    Goal {
        what,
        scenario,
        size,
        figure,
        bound,
    }
}

const PER_CPU_S: &str = "deliveries_per_server_cpu_s";

const GOALS: &[Goal] = &[
    goal(
        "durable writes, 64 writers",
        (Scenario::Writes, 64),
        "writes_per_s",
        Bound::Least(0.85, LIMIT_SYNC),
    ),
    goal(
        "durable writes, 64 writers",
        (Scenario::Writes, 64),
        "writes_per_s",
        Bound::AheadOfSynced,
    ),
    goal(
        "durable writes, 64 writers, a minute",
        (Scenario::Sustained, 64),
        "writes_per_s",
        Bound::Least(0.65, LIMIT_SYNC),
    ),
    goal(
        "durable writes, 64 writers, a minute",
        (Scenario::Sustained, 64),
        "writes_per_s",
        Bound::AheadOfSynced,
    ),
    goal(
        "durable writes, 1 writer",
        (Scenario::Writes, 1),
        "writes_per_s",
        Bound::Least(0.9, LIMIT_SYNC),
    ),
    goal(
        "write to subscriber, p50",
        (Scenario::Latency, 1),
        "delivered_p50_us",
        Bound::Most(1.2, LIMIT_SYNC),
    ),
    goal(
        "write to subscriber, p99",
        (Scenario::Latency, 1),
        "delivered_p99_us",
        Bound::Most(1.2, LIMIT_SYNC),
    ),
    goal(
        "fan-out to 1,000, deliveries a server CPU second",
        (Scenario::FanOut, 1000),
        PER_CPU_S,
        Bound::Least(0.9, LIMIT_SYNC),
    ),
    goal(
        "fan-out to 1,000, deliveries a server CPU second",
        (Scenario::FanOut, 1000),
        PER_CPU_S,
        Bound::Least(2.0, "nats-core"),
    ),
    goal(
        "fan-out to 1,000, deliveries a server CPU second",
        (Scenario::FanOut, 1000),
        PER_CPU_S,
        Bound::Least(2.0, "redis-stream-always"),
    ),
    goal(
        "memory of an idle subscription, 1,000",
        (Scenario::Idle, 1000),
        "kib_per_subscriber",
        Bound::MostOf(12.0),
    ),
    goal(
        "memory of an idle subscription, 5,000",
        (Scenario::Idle, 5000),
        "kib_per_subscriber",
        Bound::MostOf(12.0),
    ),
    goal(
        "catch-up of one consumer, changes/s",
        (Scenario::CatchUp, 100_000),
        "changes_per_s",
        Bound::LeastOf(1_000_000.0),
    ),
    goal(
        "catch-up of one consumer, changes/s",
        (Scenario::CatchUp, 100_000),
        "changes_per_s",
        Bound::Least(1.0, "jetstream"),
    ),
    goal(
        "catch-up of one consumer, changes/s",
        (Scenario::CatchUp, 100_000),
        "changes_per_s",
        Bound::Least(1.0, "redis-stream-always"),
    ),
    goal(
        "1,000 filtered subscriptions, 16 writers",
        (Scenario::Filtered, 1000),
        "writes_per_s",
        Bound::Least(0.8, LIMIT_SYNC),
    ),
];

/// What a goal came to.
struct Verdict {
    wanted: String,
    spread: Option<Spread>,
    is_reached: bool,
}

/// A row for each goal.
pub(super) fn table(seen: &Seen) -> String {
    let mut text = String::from(
        "| goal | at least, at most | measured | reached |\n| --- | --- | --- | --- |\n",
    );
    for goal in GOALS {
        let Verdict {
            wanted,
            spread,
            is_reached,
        } = goal.verdict(seen);
        let reached = match (spread, is_reached) {
            (None, _) => "not measured",
            (Some(_), true) => "yes",
            (Some(_), false) => "**no**",
        };
        let measured = show::spread(spread);
        // Writing to a string does not fail.
        writeln!(
            text,
            "| {} | {wanted} | {measured} | {reached} |",
            goal.what
        )
        .ok();
    }
    text
}

impl Goal {
    fn verdict(&self, seen: &Seen) -> Verdict {
        let ratio = |to: &str| seen.ratio(self.cell(), self.figure, [WELLSPRING, to]);
        let of = || seen.spread(self.cell(), WELLSPRING, self.figure);
        let median = |spread: Option<Spread>| spread.map_or(f64::NAN, |spread| spread.median);
        let (wanted, spread, is_reached) = match self.bound {
            Bound::Least(bound, to) => {
                let spread = ratio(to);
                (
                    format!("≥ {bound} of {to}"),
                    spread,
                    median(spread) >= bound,
                )
            }
            Bound::Most(bound, to) => {
                let spread = ratio(to);
                (
                    format!("≤ {bound} of {to}"),
                    spread,
                    median(spread) <= bound,
                )
            }
            Bound::LeastOf(bound) => {
                let spread = of();
                (
                    format!("≥ {}", show::figure(bound)),
                    spread,
                    median(spread) >= bound,
                )
            }
            Bound::MostOf(bound) => {
                let spread = of();
                (
                    format!("≤ {}", show::figure(bound)),
                    spread,
                    median(spread) <= bound,
                )
            }
            Bound::AheadOfSynced => match self.nearest(seen) {
                Some((to, spread)) => {
                    let wanted = format!("ahead of all that sync; nearest: {to}");
                    (wanted, Some(spread), spread.median > 1.0)
                }
                None => ("ahead of all that sync".to_owned(), None, false),
            },
        };
        Verdict {
            wanted,
            spread,
            is_reached,
        }
    }

    /// Who comes nearest to Wellspring, or is furthest ahead of it.
    fn nearest(&self, seen: &Seen) -> Option<(&'static str, Spread)> {
        let synced = PEERS.iter().filter(|peer| peer.kept == Kept::Synced);
        let others = synced.filter(|peer| peer.name != WELLSPRING && peer.name != LIMIT_SYNC);
        let ratios = others.filter_map(|peer| {
            let ratio = seen.ratio(self.cell(), self.figure, [WELLSPRING, peer.name])?;
            Some((peer.name, ratio))
        });
        ratios.min_by(|(_, one), (_, other)| one.median.total_cmp(&other.median))
    }

    fn cell(&self) -> Cell {
        Cell {
            scenario: self.scenario,
            size: self.size,
        }
    }
}
