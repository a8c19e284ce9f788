//! One pass over all segments, with the snapshots in their places.

use std::collections::VecDeque;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use wellspring_types::Sequence;

use super::finding::{Finding, Findings};
use super::fold::Fold;
use super::mutations::MutationWalk;
use super::part::Part;
use super::segment::SegmentPass;
use super::{Plan, SegmentPart, Verified, VerifyProgress, Watch};
use crate::error::{Damage, DamageKind, Disagreement};
use crate::group::Link;
use crate::record::CommitRecord;
use crate::segment::segment_name;
use crate::snapshot::Snapshot;

/// What a pass came to.
pub(super) struct Passed {
    pub(super) verified: Verified,
    /// What has to be gone through yet.
    pub(super) later: Vec<Part>,
}

pub(super) struct Pass<'a> {
    pub(super) plan: &'a Plan,
    pub(super) fold: Fold,
    pub(super) watch: &'a mut dyn Watch,
    progress: &'a mut VerifyProgress,
    pub(super) verified: Verified,
    /// What the next group must follow; `None` where what is before it could not be read.
    pub(super) link: Option<Link>,
    /// The last commit that was passed, read or not.
    pub(super) position: Sequence,
    /// Where the last group ends in its segment.
    pub(super) end_of_last: u64,
    /// Those that the log has not come to yet.
    snapshots: VecDeque<Snapshot>,
    /// Of the first of them.
    walk: Option<MutationWalk>,
}

impl<'a> Pass<'a> {
    pub(super) fn new(
        plan: &'a Plan,
        part: Part,
        progress: &'a mut VerifyProgress,
        watch: &'a mut dyn Watch,
    ) -> Pass<'a> {
        Pass {
            fold: Fold::new(part, plan.documents_max),
            plan,
            watch,
            progress,
            verified: Verified::default(),
            link: None,
            position: Sequence::ZERO,
            end_of_last: 0,
            snapshots: plan.snapshots.iter().cloned().collect(),
            walk: None,
        }
    }

    pub(super) fn run(mut self, findings: &mut Findings) -> Passed {
        self.begin_walk(findings);
        let parts = &self.plan.segments;
        for (place, part) in parts.iter().enumerate() {
            if place == 0 {
                self.begin(part, findings);
            }
            let next = parts.get(place + 1).map(|next| next.first);
            self.segment(part, next, findings);
        }
        self.end(findings);
        while let Some(snapshot) = self.take_snapshot() {
            self.at_snapshot(&snapshot, findings);
        }
        Passed {
            verified: self.verified,
            later: self.fold.into_later(),
        }
    }

    fn begin(&mut self, first: &SegmentPart, findings: &mut Findings) {
        let first = first.first;
        self.verified.oldest = first;
        self.position = Sequence(first.0 - 1);
        self.fold.begin(first);
        if first == Sequence(1) {
            self.watch.begin(None);
        } else {
            self.watch.lose();
        }
        let newest = self.plan.snapshots.last();
        let snapshot = newest.map_or(Sequence::ZERO, Snapshot::sequence);
        // A backup says of itself which parts of the history it has.
        let is_database = self.plan.segments.iter().all(|part| part.held.is_none());
        if is_database && first > snapshot.next() {
            let what = DamageKind::StartLost {
                oldest: first,
                snapshot,
            };
            let file = self.plan.log.dir().join(segment_name(first));
            let offset = 0;
            findings.add(Finding::Damaged {
                damage: Damage { file, offset, what },
                commits: Some(snapshot.next()..=Sequence(first.0 - 1)),
            });
        }
    }

    fn segment(&mut self, part: &SegmentPart, next: Option<Sequence>, findings: &mut Findings) {
        let before = self.progress.done;
        match SegmentPass::open(self, part, next, findings) {
            Ok(Some(mut segment)) => segment.run(),
            Ok(None) => {}
            Err(error) => {
                findings.add(error);
                self.lose();
                self.link = None;
            }
        }
        // What could not be read is passed too.
        let unread = (before + part.bytes).saturating_sub(self.progress.done);
        self.advance(unread);
        if let Some(next) = next {
            self.position = Sequence(next.0 - 1);
        }
    }

    /// Looks at how the log ends.
    fn end(&mut self, findings: &mut Findings) {
        if self.plan.segments.is_empty() && self.plan.witnessed > Sequence::ZERO {
            self.head_lost(self.plan.log.dir().to_path_buf(), 0, findings);
        }
    }

    /// Tells that the log ends before what is known to have been there.
    pub(super) fn head_lost(&mut self, file: PathBuf, offset: u64, findings: &mut Findings) {
        let (head, witnessed) = (self.position, self.plan.witnessed);
        let what = DamageKind::HeadLost { head, witnessed };
        findings.add(Finding::Damaged {
            damage: Damage { file, offset, what },
            commits: Some(head.next()..=witnessed),
        });
    }

    /// Tells what is wrong, for which commits cannot be read.
    pub(super) fn damaged(
        &mut self,
        damage: Damage,
        commits: Option<RangeInclusive<Sequence>>,
        findings: &mut Findings,
    ) {
        findings.add(Finding::Damaged { damage, commits });
        self.lose();
    }

    /// Commits are missing here.
    pub(super) fn lose(&mut self) {
        self.fold.lose();
        self.watch.lose();
    }

    pub(super) fn advance(&mut self, bytes: u64) {
        let VerifyProgress { done, total } = &mut *self.progress;
        *done = done.saturating_add(bytes);
        *total = (*total).max(*done);
        self.watch.progress(*self.progress);
    }

    /// Passes a commit that was read.
    pub(super) fn commit(
        &mut self,
        (file, offset): (&std::path::Path, u64),
        commit: &CommitRecord,
        findings: &mut Findings,
    ) {
        self.come_to(Sequence(commit.sequence.0 - 1), findings);
        if let Some(walk) = &mut self.walk {
            walk.commit(commit, findings);
        }
        self.fold.commit(commit, &mut |what| {
            let what = DamageKind::Disagreement(what);
            findings.add(Damage {
                file: file.to_path_buf(),
                offset,
                what,
            });
        });
        self.watch.commit((file, offset), commit);
        self.position = commit.sequence;
        self.verified.commits += 1;
        self.verified.head = commit.sequence;
    }

    /// Reads the snapshots that the log has come to at a commit, or before where it was lost.
    pub(super) fn come_to(&mut self, sequence: Sequence, findings: &mut Findings) {
        while { self.snapshots.front() }.is_some_and(|next| next.sequence() <= sequence)
            && let Some(snapshot) = self.take_snapshot()
        {
            self.at_snapshot(&snapshot, findings);
        }
    }

    fn take_snapshot(&mut self) -> Option<Snapshot> {
        self.snapshots.pop_front()
    }

    fn begin_walk(&mut self, findings: &mut Findings) {
        let next = self.snapshots.front();
        self.walk = next.map(|next| MutationWalk::new(next, findings));
    }

    /// Ends the walk through mutation ids, and begins that of the next snapshot.
    pub(super) fn end_walk(&mut self, findings: &mut Findings) {
        if let Some(walk) = self.walk.take() {
            walk.end(findings);
        }
        self.begin_walk(findings);
    }

    /// What a disagreement about the whole of a snapshot is told with.
    pub(super) fn of_manifest(snapshot: &Snapshot, what: Disagreement) -> Damage {
        Damage {
            file: snapshot.dir().join("manifest"),
            offset: 0,
            what: DamageKind::Disagreement(what),
        }
    }
}
