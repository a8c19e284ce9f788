//! Every figure, in a table for each cell.

use std::fmt::Write as _;

use super::columns::{columns, floor, is_compared};
use super::seen::Seen;
use super::show;
use crate::peers::{Kept, PEERS, Peer};
use crate::scenarios::{Cell, Scenario, WAITED};

/// A cell in words.
pub(super) fn title(cell: Cell) -> String {
    let size = show::figure(f64::from(cell.size));
    let size = size.strip_suffix(".00").unwrap_or(&size);
    let size = size.strip_suffix(".0").unwrap_or(size);
    let (what, noun) = match cell.scenario {
        Scenario::Writes => ("Acknowledged writes", "writers"),
        Scenario::Sustained => ("Acknowledged writes for a minute", "writers"),
        Scenario::Latency => return "From write to subscriber, 500 documents a second".to_owned(),
        Scenario::FanOut => ("Fan-out", "subscribers"),
        Scenario::Idle => ("Memory", "idle subscribers"),
        Scenario::CatchUp => ("Catching up", "changes"),
        Scenario::Filtered => ("Filtered subscriptions, 16 writers", "subscribers"),
    };
    let noun = if cell.size == 1 {
        noun.trim_end_matches('s')
    } else {
        noun
    };
    format!("{what}, {size} {noun}")
}

/// What all of it was measured on.
pub(super) fn preface(seen: &Seen) -> String {
    let mut text = String::from(
        "# The race, all figures\n\n\
         Written by `cargo xtask race --publish`; [benchmarks](../benchmarks.md) says what they mean. Each figure is the \
         median of the rounds, with the least and the greatest in parentheses; ÷ is the ratio within a round. *Wrong* \
         counts what came to subscribers lost / repeated / out of order, over all rounds. *Others had the core* is \
         the share of the time in which the load generator could have run and something else did.\n",
    );
    let mut systems: Vec<String> = seen
        .runs()
        .map(|run| format!("{}; {}", run.machine, run.versions.join("; ")))
        .collect();
    systems.dedup();
    for system in systems {
        // Writing to a string does not fail.
        writeln!(text, "\n- {system}").ok();
    }
    text
}

pub(super) fn all(seen: &Seen) -> String {
    seen.cells()
        .into_iter()
        .map(|cell| table(seen, cell))
        .collect::<Vec<_>>()
        .join("\n")
}

fn table(seen: &Seen, cell: Cell) -> String {
    let floor = floor(cell.scenario);
    let columns = columns(cell.scenario);
    let rounds = seen.rounds(cell);
    let counted = if rounds == 1 {
        "One round."
    } else {
        &format!("{rounds} rounds.")
    };
    let mut titles = vec!["server".to_owned(), "acknowledged is".to_owned()];
    for (index, (_, title)) in columns.iter().enumerate() {
        titles.push((*title).to_owned());
        if let Some(floor) = floor
            && is_compared(cell.scenario, index)
        {
            titles.push(format!("÷ {floor}"));
        }
    }
    titles.extend(["wrong", "others had the core"].map(str::to_owned));
    let mut text = format!("## {}\n\n{counted}\n\n", title(cell));
    push_row(&mut text, &titles);
    push_row(&mut text, &vec!["---".to_owned(); titles.len()]);
    for peer in PEERS {
        let failures = seen.failures(cell, peer.name);
        if let Some(why) = failures.first() {
            let why = why.replace('|', "/").replace('\n', " ");
            let times = format!("failed in {} of {rounds} rounds: {why}", failures.len());
            push_row(&mut text, &[peer.name.to_owned(), times]);
        }
        if seen.figures(cell, peer.name, columns[0].0).is_empty() {
            continue;
        }
        push_row(&mut text, &row(seen, cell, peer));
    }
    text
}

fn row(seen: &Seen, cell: Cell, peer: &Peer) -> Vec<String> {
    let mut row = vec![peer.name.to_owned(), kept(peer.kept).to_owned()];
    for (index, (figure, _)) in columns(cell.scenario).iter().enumerate() {
        row.push(show::spread(seen.spread(cell, peer.name, figure)));
        if let Some(floor) = floor(cell.scenario)
            && is_compared(cell.scenario, index)
        {
            row.push(show::spread(seen.ratio(cell, figure, [peer.name, floor])));
        }
    }
    let wrong = ["lost", "repeated", "disordered"].map(|name| {
        let figures = seen.figures(cell, peer.name, name);
        (!figures.is_empty()).then(|| format!("{:.0}", figures.iter().sum::<f64>()))
    });
    row.push(match wrong {
        [Some(lost), Some(repeated), Some(disordered)] => {
            format!("{lost} / {repeated} / {disordered}")
        }
        _ => "–".to_owned(),
    });
    row.push(show::spread(seen.spread(cell, peer.name, WAITED)));
    row
}

fn kept(kept: Kept) -> &'static str {
    match kept {
        Kept::Synced => "synced",
        Kept::Written => "written, not synced",
        Kept::Nothing => "not kept",
    }
}

/// The medians of what each scenario is about, a column for each server.
pub(super) fn headline(seen: &Seen) -> String {
    let peers: Vec<&Peer> = PEERS.iter().filter(|peer| seen.has(peer.name)).collect();
    let mut titles = vec!["median of the rounds".to_owned()];
    titles.extend(peers.iter().map(|peer| peer.name.to_owned()));
    let mut text = String::new();
    push_row(&mut text, &titles);
    push_row(&mut text, &vec!["---".to_owned(); titles.len()]);
    let mut row = vec!["an acknowledged write is".to_owned()];
    row.extend(
        peers
            .iter()
            .map(|peer| format!("{}: {}", kept(peer.kept), peer.how)),
    );
    push_row(&mut text, &row);
    for cell in seen.cells() {
        let (figure, unit) = columns(cell.scenario)[0];
        let mut row = vec![format!("{}: {unit}", title(cell))];
        row.extend(peers.iter().map(|peer| {
            let spread = seen.spread(cell, peer.name, figure);
            spread.map_or("–".to_owned(), |spread| show::figure(spread.median))
        }));
        push_row(&mut text, &row);
    }
    text
}

fn push_row(text: &mut String, cells: &[String]) {
    // Writing to a string does not fail.
    writeln!(text, "| {} |", cells.join(" | ")).ok();
}
