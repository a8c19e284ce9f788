//! The mutation ids of a snapshot, beside the log that it was made of.

use wellspring_types::Sequence;

use super::finding::Findings;
use crate::error::{DamageKind, Disagreement};
use crate::record::CommitRecord;
use crate::snapshot::{Salvage, Snapshot, SnapshotMutation};

/// Goes through the mutation ids of a snapshot as the log is gone through.
pub(super) struct MutationWalk {
    of: Snapshot,
    entries: Salvage<SnapshotMutation>,
    next: Option<SnapshotMutation>,
    /// The number of the last one that was read.
    last_ordinal: Option<u64>,
    /// Whether those that come now must all be there: those before may be forgotten.
    is_complete: bool,
    is_damaged: bool,
}

impl MutationWalk {
    pub(super) fn new(of: &Snapshot, findings: &mut Findings) -> MutationWalk {
        let mut walk = MutationWalk {
            of: of.clone(),
            entries: of.salvage_mutations(),
            next: None,
            last_ordinal: None,
            is_complete: false,
            is_damaged: false,
        };
        walk.advance(findings);
        walk
    }

    fn advance(&mut self, findings: &mut Findings) {
        self.next = None;
        for entry in self.entries.by_ref() {
            match entry {
                Ok(entry) => {
                    self.next = Some(entry);
                    break;
                }
                Err(error) => {
                    self.is_damaged = true;
                    findings.add_snapshot(error);
                }
            }
        }
        let Some(next) = &self.next else { return };
        let follows =
            { self.last_ordinal }.is_none_or(|last| last.checked_add(1) == Some(next.ordinal));
        self.last_ordinal = Some(next.ordinal);
        if !follows && !self.is_damaged {
            let sequence = next.sequence;
            self.tell(Disagreement::MutationNumber { sequence }, findings);
        }
    }

    fn tell(&self, what: Disagreement, findings: &mut Findings) {
        if let Some(damage) = self.entries.damage(DamageKind::Disagreement(what)) {
            findings.add(damage);
        }
    }

    /// Goes on to a commit of the log.
    pub(super) fn commit(&mut self, commit: &CommitRecord, findings: &mut Findings) {
        if commit.sequence > self.of.sequence() {
            return;
        }
        let sequence = commit.sequence;
        // Of commits that the log does not have any more.
        self.pass_before(sequence, findings);
        match &self.next {
            Some(next) if next.sequence == sequence => {
                if !is_of(next, commit) {
                    self.tell(Disagreement::Mutation { sequence }, findings);
                }
                self.is_complete = true;
                self.advance(findings);
            }
            _ if commit.mutation.is_some() && self.is_complete && !self.is_damaged => {
                self.tell(Disagreement::Mutation { sequence }, findings);
            }
            _ => {}
        }
    }

    fn pass_before(&mut self, sequence: Sequence, findings: &mut Findings) {
        while self
            .next
            .as_ref()
            .is_some_and(|next| next.sequence < sequence)
        {
            self.advance(findings);
        }
    }

    /// The log has come to the snapshot.
    pub(super) fn end(mut self, findings: &mut Findings) {
        while let Some(next) = &self.next {
            let sequence = next.sequence;
            if sequence > self.of.sequence() {
                self.tell(Disagreement::Mutation { sequence }, findings);
            }
            self.advance(findings);
        }
        let newest = self.of.newest_mutation();
        if self.last_ordinal.is_some_and(|last| last != newest) && !self.is_damaged {
            let sequence = self.of.sequence();
            self.tell(Disagreement::MutationNumber { sequence }, findings);
        }
    }
}

fn is_of(entry: &SnapshotMutation, commit: &CommitRecord) -> bool {
    let paths = entry
        .paths
        .iter()
        .map(|(collection, id)| (*collection, &**id));
    let changes = { commit.changes.iter() }.map(|change| (change.collection, &*change.id));
    entry.principal == commit.principal
        && entry.time == commit.time
        && { commit.mutation.as_ref() }
            .is_some_and(|mutation| mutation.id == entry.id && mutation.digest == entry.digest)
        && paths.eq(changes)
}
