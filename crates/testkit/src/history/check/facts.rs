//! What every rule asks: commits by name and sequence, documents through time, who knew what when.

use std::collections::HashMap;

use crate::history::model::{
    Attempt, AttemptedWrite, History, LoggedChange, LoggedCommit, Name, Place,
};
use crate::history::record::Outcome;

/// A commit that a client asked for, all its tries together.
pub(super) struct Operation<'h> {
    pub(super) op: Name,
    pub(super) place: Place,
    pub(super) writes: &'h [AttemptedWrite],
    /// Sent first.
    pub(super) t_inv: u64,
    /// What is known of it after all tries.
    pub(super) outcome: Outcome,
    /// Acknowledged first.
    pub(super) acknowledged: Option<Acknowledged>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Acknowledged {
    pub(super) place: Place,
    pub(super) t_ret: u64,
    pub(super) seq: u64,
}

/// One change of a document, by its place in the log.
#[derive(Clone, Copy, Debug)]
pub(super) struct Touch {
    path: Name,
    pub(super) seq: u64,
    pub(super) commit: usize,
    pub(super) change: usize,
}

pub(super) struct Facts<'h> {
    pub(super) history: &'h History,
    pub(super) operations: Vec<Operation<'h>>,
    by_op: HashMap<Name, usize>,
    commit_of: HashMap<Name, usize>,
    /// For each commit, the latest time at which one through it was sent.
    invoked: Vec<u64>,
    /// By time: the highest sequence acknowledged by then.
    known: Vec<(u64, u64)>,
    /// Documents of the state that are older than the log, and their versions.
    older: HashMap<Name, u64>,
    /// By path, then by sequence.
    touches: Vec<Touch>,
}

impl<'h> Facts<'h> {
    pub(super) fn new(history: &'h History) -> Facts<'h> {
        let (operations, by_op) = operations(&history.attempts);
        let mut commit_of = HashMap::with_capacity(history.commits.len());
        let mut invoked = Vec::with_capacity(history.commits.len());
        let mut touches = Vec::new();
        let mut latest = 0;
        for (commit, logged) in history.commits.iter().enumerate() {
            if let Some(op) = logged.op {
                commit_of.entry(op).or_insert(commit);
                let operation = by_op.get(&op).map(|index| &operations[*index]);
                latest = latest.max(operation.map_or(0, |operation| operation.t_inv));
            }
            invoked.push(latest);
            touches.extend(logged.changes.iter().enumerate().map(|(change, of)| Touch {
                path: of.document.path,
                seq: logged.seq,
                commit,
                change,
            }));
        }
        touches.sort_by_key(|touch| (touch.path, touch.seq));
        Facts {
            known: known(&operations),
            older: older(history),
            history,
            operations,
            by_op,
            commit_of,
            invoked,
            touches,
        }
    }

    pub(super) fn operation(&self, op: Name) -> Option<&Operation<'h>> {
        self.by_op.get(&op).map(|index| &self.operations[*index])
    }

    /// The first commit in the log with this name.
    pub(super) fn commit_of(&self, op: Name) -> Option<&'h LoggedCommit> {
        self.commit_of
            .get(&op)
            .map(|index| &self.history.commits[*index])
    }

    pub(super) fn commit_at(&self, seq: u64) -> Option<&'h LoggedCommit> {
        let commits = &self.history.commits;
        let index = commits.partition_point(|commit| commit.seq < seq);
        commits.get(index).filter(|commit| commit.seq == seq)
    }

    /// The latest time at which a commit at or before `seq` was sent: nobody can know of all of
    /// them earlier.
    pub(super) fn invoked_through(&self, seq: u64) -> u64 {
        let after = self
            .history
            .commits
            .partition_point(|commit| commit.seq <= seq);
        after.checked_sub(1).map_or(0, |index| self.invoked[index])
    }

    /// The highest sequence that was acknowledged before `time`.
    pub(super) fn acknowledged_before(&self, time: u64) -> u64 {
        let after = self.known.partition_point(|(t_ret, _)| *t_ret < time);
        after.checked_sub(1).map_or(0, |index| self.known[index].1)
    }

    /// Every change of a document, oldest first.
    pub(super) fn touches_of(&self, path: Name) -> &[Touch] {
        let start = self.touches.partition_point(|touch| touch.path < path);
        let end = self.touches.partition_point(|touch| touch.path <= path);
        &self.touches[start..end]
    }

    pub(super) fn touched(&self, touch: Touch) -> &'h LoggedChange {
        &self.history.commits[touch.commit].changes[touch.change]
    }

    pub(super) fn text(&self, name: Name) -> &'h str {
        self.history.names.text(name)
    }

    /// The version of a document that the log never changes and that is there since before it.
    pub(super) fn older_version(&self, path: Name) -> Option<u64> {
        self.older.get(&path).copied()
    }

    /// Whether a commit is the database's own: it writes what no client can name.
    pub(super) fn is_own(&self, commit: &LoggedCommit) -> bool {
        let mut collections = commit.changes.iter().map(|c| c.document.collection);
        commit.op.is_none() && collections.all(|name| self.text(name).starts_with("__"))
    }

    /// Whether a position of this collection was below a floor, by a commit through `seq`.
    pub(super) fn is_withheld(&self, collection: Name, position: u64, seq: u64) -> bool {
        let mut floors = self.history.floors.iter();
        floors.any(|floor| {
            let is_its = floor.collection.is_none_or(|of| of == collection);
            is_its && floor.seq <= seq && floor.through > position
        })
    }

    /// Whether a collection, or everything, ever had its floor just here.
    pub(super) fn is_floor(&self, collection: Name, seq: u64) -> bool {
        let mut floors = self.history.floors.iter();
        floors
            .any(|floor| floor.through == seq && floor.collection.is_none_or(|of| of == collection))
    }

    /// Whether the log's dump should have this sequence.
    pub(super) fn is_kept(&self, seq: u64) -> bool {
        seq >= self.history.dump.oldest
    }
}

fn operations(attempts: &[Attempt]) -> (Vec<Operation<'_>>, HashMap<Name, usize>) {
    let mut operations: Vec<Operation<'_>> = Vec::with_capacity(attempts.len());
    let mut by_op = HashMap::with_capacity(attempts.len());
    for attempt in attempts {
        let index = *by_op.entry(attempt.op).or_insert_with(|| {
            operations.push(Operation {
                op: attempt.op,
                place: attempt.place,
                writes: &attempt.writes,
                t_inv: attempt.t_inv,
                outcome: attempt.outcome,
                acknowledged: None,
            });
            operations.len() - 1
        });
        let operation = &mut operations[index];
        operation.t_inv = operation.t_inv.min(attempt.t_inv);
        operation.outcome = together(operation.outcome, attempt.outcome);
        if let (Some(t_ret), Some(seq)) = (attempt.t_ret, attempt.seq)
            && operation
                .acknowledged
                .is_none_or(|first| t_ret < first.t_ret)
        {
            let place = attempt.place;
            operation.acknowledged = Some(Acknowledged { place, t_ret, seq });
        }
    }
    (operations, by_op)
}

/// One acknowledgement says it all. A refusal says nothing of an earlier try whose outcome nobody
/// knows: that one may still have been under way.
fn together(a: Outcome, b: Outcome) -> Outcome {
    match (a, b) {
        (Outcome::Ok, _) | (_, Outcome::Ok) => Outcome::Ok,
        (Outcome::Unknown, _) | (_, Outcome::Unknown) => Outcome::Unknown,
        (Outcome::Fail, Outcome::Fail) => Outcome::Fail,
    }
}

fn known(operations: &[Operation<'_>]) -> Vec<(u64, u64)> {
    let acknowledged = operations
        .iter()
        .filter_map(|operation| operation.acknowledged);
    let mut known: Vec<_> = acknowledged.map(|a| (a.t_ret, a.seq)).collect();
    known.sort_unstable();
    let mut highest = 0;
    for (_, seq) in &mut known {
        highest = highest.max(*seq);
        *seq = highest;
    }
    known
}

fn older(history: &History) -> HashMap<Name, u64> {
    let oldest = history.dump.oldest;
    let states = history.states.iter().filter(|state| state.version < oldest);
    states
        .map(|state| (state.document.path, state.version))
        .collect()
}
