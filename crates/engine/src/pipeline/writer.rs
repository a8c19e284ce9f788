//! The writer: takes what is waiting, judges it, appends it as one group, syncs once,
//! makes it visible, answers.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::oneshot;
use wellspring_log::Log;
use wellspring_types::write::CommitResult;
use wellspring_types::{Sequence, Timestamp};

use super::judge::{Judge, Staged};
use super::recent::Recent;
use super::space::{Reserve, Space};
use super::{Commands, Mutations, Ordered};
use crate::apply::ApplyQueue;
use crate::commit::{CommitError, Group};
use crate::executor::{Next, Patience, Turn, Worker};
use crate::feed::Ring;
use crate::health::{Condition, ReadOnlyReason};
use crate::read::Sources;
use crate::statistics::WriterCounters;

/// Bytes of commits after which a group takes no more.
const GROUP_BYTES: usize = 4 << 20;
/// Commits after which a group takes no more.
const GROUP_COMMITS: usize = 1024;

const _: () = {
    // A group takes one more record when it is one byte short of full.
    let largest = GROUP_BYTES + wellspring_types::limits::RECORD_BYTES_MAX;
    assert!(
        largest < wellspring_log::GROUP_BYTES_MAX,
        "the log takes every group"
    );
};

/// What the writer works with.
pub(crate) struct WriterParts {
    pub(crate) log: Log,
    pub(crate) commands: Commands,
    /// Where the log goes when nobody can send any more and everything sent is answered.
    pub(crate) closing: oneshot::Sender<Log>,
    pub(crate) read: Sources,
    pub(crate) mutations: Mutations,
    pub(crate) last: Sequence,
    pub(crate) last_time: Timestamp,
    pub(crate) condition: Arc<Condition>,
    pub(crate) apply: Arc<ApplyQueue>,
    pub(crate) ring: Arc<Ring>,
    pub(crate) reserve: Reserve,
    pub(crate) overlay_bytes_max: usize,
    pub(crate) counters: Arc<WriterCounters>,
}

/// The writer, a worker of its own.
pub(crate) struct Writer {
    log: Log,
    commands: Commands,
    closing: oneshot::Sender<Log>,
    judge: Judge,
    condition: Arc<Condition>,
    apply: Arc<ApplyQueue>,
    ring: Arc<Ring>,
    space: Space,
    overlay_bytes_max: usize,
    counters: Arc<WriterCounters>,
}

type Answer = (
    oneshot::Sender<Result<CommitResult, CommitError>>,
    Result<CommitResult, CommitError>,
);

impl Worker for Writer {
    fn turn(&mut self, patience: Patience) -> Turn {
        let visible = &self.judge.read.visible;
        if !visible.has_room(self.overlay_bytes_max, patience) {
            return Turn::Idle;
        }
        match self.commands.next(patience) {
            Next::Found(first) => self.group(first),
            Next::Nothing => return Turn::Idle,
            Next::Over => return Turn::Over,
        }
        Turn::Done
    }

    fn finish(self: Box<Self>) {
        // Who does not wait for it lets it go as a crash would.
        self.closing.send(self.log).ok();
    }
}

impl Writer {
    pub(crate) fn new(parts: WriterParts) -> Writer {
        Writer {
            log: parts.log,
            commands: parts.commands,
            closing: parts.closing,
            judge: Judge {
                next_collection: parts.read.collections.next_id(),
                read: parts.read,
                mutations: parts.mutations,
                recent: Recent::default(),
                last: parts.last,
                last_time: parts.last_time,
            },
            condition: parts.condition,
            apply: parts.apply,
            ring: parts.ring,
            space: Space::new(parts.reserve),
            overlay_bytes_max: parts.overlay_bytes_max,
            counters: parts.counters,
        }
    }

    /// Makes a group of what waits, beginning with `first`.
    fn group(&mut self, first: Ordered) {
        self.judge
            .mutations
            .retire(self.judge.read.visible.progress().applied);
        let mut staged = Staged::default();
        let mut answers = Vec::new();
        let mut next = Some(first);
        while let Some(ordered) = next {
            answers.push(self.judge(&mut staged, ordered));
            let full = staged.bytes >= GROUP_BYTES || staged.commits.len() >= GROUP_COMMITS;
            if full {
                break;
            }
            next = match self.commands.next(Patience::None) {
                Next::Found(ordered) => Some(ordered),
                Next::Nothing | Next::Over => None,
            };
        }
        self.finish_group(staged, answers);
    }

    fn judge(&mut self, staged: &mut Staged, ordered: Ordered) -> Answer {
        let command = &ordered.command;
        let verdict = match self.refuses_all() {
            None => self.judge.judge(staged, command),
            // What was remembered last may be what the log has lost.
            Some(ReadOnlyReason::LogFailed) => {
                Err(CommitError::ReadOnly(ReadOnlyReason::LogFailed))
            }
            // A repeat is told what it was told before: nothing has to be written for it.
            Some(reason) => match self.judge.first_result(command) {
                Ok(first) => first.ok_or(CommitError::ReadOnly(reason)),
                Err(reused) => Err(reused),
            },
        };
        (ordered.answer, verdict)
    }

    /// Why no commit is taken now, if so.
    fn refuses_all(&mut self) -> Option<ReadOnlyReason> {
        self.condition.set_disk_full(!self.space.is_enough());
        self.condition.read_only()
    }

    /// Makes what is staged durable, then visible, then answers: acceptances, and refusals and
    /// repeats too, as they may rest on what was staged.
    fn finish_group(&mut self, staged: Staged, answers: Vec<Answer>) {
        if !staged.commits.is_empty() {
            let began = Instant::now();
            if let Err(error) = self.log.append(&staged.records) {
                tracing::error!(%error, "the log cannot be written; read-only until reopened");
                self.condition.fail(ReadOnlyReason::LogFailed);
                for (answer, _verdict) in answers {
                    answer.send(Err(CommitError::OutcomeUnknown)).ok();
                }
                return;
            }
            let (commits, took) = (staged.commits.len(), began.elapsed());
            self.counters.appended(commits, staged.bytes, took);
            self.space.wrote(staged.bytes);
            self.publish(staged);
        }
        for (answer, verdict) in answers {
            // Who does not wait for the answer any more has lost nothing.
            answer.send(verdict).ok();
        }
    }

    fn publish(&self, staged: Staged) {
        // Before the group is visible: whoever sees it must find its collections.
        for (id, path) in staged
            .commits
            .iter()
            .flat_map(|commit| &commit.new_collections)
        {
            self.judge.read.collections.add(*id, path.clone());
        }
        let group = Arc::new(Group::new(staged.commits));
        self.judge.read.visible.publish(&group);
        self.ring.push(Arc::clone(&group));
        self.apply.push(group);
    }
}
