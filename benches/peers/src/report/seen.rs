//! Figures by cell and peer: the spread over the rounds, and ratios within each of them.

use std::collections::BTreeMap;

use crate::results::{Line, Measurement, Outcome, Run};
use crate::scenarios::{Cell, Figures};

/// The least, the median and the greatest of some figures.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spread {
    pub(crate) min: f64,
    pub(crate) median: f64,
    pub(crate) max: f64,
}

impl Spread {
    pub(crate) fn of(mut figures: Vec<f64>) -> Option<Spread> {
        figures.sort_by(f64::total_cmp);
        let half = figures.len() / 2;
        let upper = *figures.get(half)?;
        let median = if figures.len().is_multiple_of(2) {
            f64::midpoint(*figures.get(half - 1)?, upper)
        } else {
            upper
        };
        Some(Spread {
            min: *figures.first()?,
            median,
            max: *figures.last()?,
        })
    }
}

/// What was measured of each cell, in the newest run that has it: so a run of one scenario renews
/// that scenario, and figures of one cell are never of two runs.
pub(crate) struct Seen {
    runs: BTreeMap<u64, Run>,
    cells: BTreeMap<Cell, (u64, Vec<Measurement>)>,
}

impl Seen {
    pub(crate) fn of(lines: Vec<Line>) -> Seen {
        let mut runs = BTreeMap::new();
        let mut cells: BTreeMap<Cell, (u64, Vec<Measurement>)> = BTreeMap::new();
        for line in lines {
            match line {
                Line::Run(run) => _ = runs.insert(run.run, run),
                Line::Measured(measurement) => {
                    let (run, measured) = cells.entry(measurement.cell).or_default();
                    if *run < measurement.run {
                        (*run, *measured) = (measurement.run, Vec::new());
                    }
                    measured.push(measurement);
                }
            }
        }
        runs.retain(|run, _| cells.values().any(|(of, _)| of == run));
        Seen { runs, cells }
    }

    pub(crate) fn runs(&self) -> impl Iterator<Item = &Run> {
        self.runs.values()
    }

    pub(crate) fn cells(&self) -> Vec<Cell> {
        self.cells.keys().copied().collect()
    }

    /// Whether a peer was measured at all.
    pub(crate) fn has(&self, peer: &str) -> bool {
        let mut measured = self.cells.values().flat_map(|(_, measured)| measured);
        measured.any(|measurement| measurement.peer == peer)
    }

    /// Rounds of a cell.
    pub(crate) fn rounds(&self, cell: Cell) -> u32 {
        let rounds = self
            .measured(cell)
            .iter()
            .map(|measurement| measurement.round);
        rounds.max().unwrap_or(0)
    }

    /// A peer's figures of a cell, one of each round in which it was measured.
    pub(crate) fn figures(&self, cell: Cell, peer: &str, name: &str) -> Vec<f64> {
        let of_peer = self.of_peer(cell, peer);
        of_peer
            .filter_map(|(_, figures)| figures.get(name))
            .collect()
    }

    pub(crate) fn spread(&self, cell: Cell, peer: &str, name: &str) -> Option<Spread> {
        Spread::of(self.figures(cell, peer, name))
    }

    /// A figure of one peer divided by that of another, in each round that has both.
    pub(crate) fn ratio(&self, cell: Cell, name: &str, peers: [&str; 2]) -> Option<Spread> {
        let [of, to] = peers.map(|peer| -> BTreeMap<u32, f64> {
            let of_peer = self.of_peer(cell, peer);
            of_peer
                .filter_map(|(round, figures)| Some((round, figures.get(name)?)))
                .collect()
        });
        Spread::of(
            of.iter()
                .filter_map(|(round, figure)| Some(figure / to.get(round)?))
                .collect(),
        )
    }

    /// Why a peer was not measured in a round of a cell.
    pub(crate) fn failures(&self, cell: Cell, peer: &str) -> Vec<&str> {
        let measured = self
            .measured(cell)
            .iter()
            .filter(|measurement| measurement.peer == peer);
        measured
            .filter_map(|measurement| match &measurement.outcome {
                Outcome::Failed(why) => Some(why.as_str()),
                Outcome::Figures(_) => None,
            })
            .collect()
    }

    fn of_peer(&self, cell: Cell, peer: &str) -> impl Iterator<Item = (u32, &Figures)> {
        let measured = self
            .measured(cell)
            .iter()
            .filter(move |measurement| measurement.peer == peer);
        measured.filter_map(|measurement| match &measurement.outcome {
            Outcome::Figures(figures) => Some((measurement.round, figures)),
            Outcome::Failed(_) => None,
        })
    }

    fn measured(&self, cell: Cell) -> &[Measurement] {
        self.cells.get(&cell).map_or(&[], |(_, measured)| measured)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenarios::Scenario;

    const CELL: Cell = Cell {
        scenario: Scenario::Writes,
        size: 64,
    };

    fn measured(run: u64, round: u32, peer: &str, figure: f64) -> Line {
        let mut figures = Figures::default();
        figures.set("writes_per_s", figure);
        Line::Measured(Measurement {
            run,
            round,
            peer: peer.to_owned(),
            cell: CELL,
            outcome: Outcome::Figures(figures),
        })
    }

    #[test]
    fn ratios_are_taken_within_a_round_and_only_there() {
        let seen = Seen::of(vec![
            measured(1, 1, "a", 1.0),
            measured(1, 1, "b", 2.0),
            measured(1, 2, "b", 100.0),
            measured(1, 2, "a", 90.0),
            measured(1, 3, "a", 7.0),
        ]);
        let ratio = seen.ratio(CELL, "writes_per_s", ["a", "b"]);
        let wanted = Spread {
            min: 0.5,
            median: 0.7,
            max: 0.9,
        };
        assert_eq!(ratio, Some(wanted));
    }

    #[test]
    fn the_newest_run_of_a_cell_stands_alone() {
        let lines = [
            measured(1, 1, "a", 1.0),
            measured(2, 1, "a", 3.0),
            measured(2, 2, "a", 4.0),
        ];
        let seen = Seen::of(lines.to_vec());
        assert_eq!(seen.figures(CELL, "a", "writes_per_s"), [3.0, 4.0]);
        assert_eq!(seen.rounds(CELL), 2);
    }

    #[test]
    fn a_line_is_read_as_it_was_written() -> anyhow::Result<()> {
        let line = measured(1, 2, "a", 5.5);
        assert_eq!(
            serde_json::from_str::<Line>(&serde_json::to_string(&line)?)?,
            line
        );
        Ok(())
    }
}
