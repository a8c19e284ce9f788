//! The writer: takes what is waiting, judges it, appends it as one group, syncs once,
//! makes it visible, answers.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::oneshot;
use wellspring_log::{AppendError, Log};
use wellspring_types::write::CommitResult;
use wellspring_types::{Sequence, Timestamp};

use super::judge::{Judge, Staged};
use super::recent::Recent;
use super::space::{Reserve, Space};
use super::{Command, Commands, Mutations, Ordered};
use crate::apply::ApplyQueue;
use crate::commit::{Commit, CommitError, Group};
use crate::executor::{Next, Patience, Turn, Worker};
use crate::feed::Ring;
use crate::health::{Condition, ReadOnlyReason};
use crate::read::Sources;
use crate::seeded::SeededBug;
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
    /// Whether it has left what it was doing: nothing here is to be changed then.
    has_panicked: bool,
}

type Verdict = Result<CommitResult, CommitError>;

/// What somebody who waits is to be told.
struct Answer {
    to: oneshot::Sender<Verdict>,
    verdict: Verdict,
}

impl Worker for Writer {
    fn turn(&mut self, patience: Patience) -> Turn {
        let visible = &self.judge.read.visible;
        if !visible.has_room(self.overlay_bytes_max, patience) {
            return Turn::Idle;
        }
        match self.commands.next(patience) {
            Next::Found(ordered) if self.has_panicked => {
                let told = catch_unwind(AssertUnwindSafe(|| {
                    let reason = ReadOnlyReason::WriterFailed;
                    self.refuse(reason, &Staged::default(), &ordered.command)
                }));
                let told = told.unwrap_or(Err(CommitError::OutcomeUnknown));
                ordered.answer.send(told).ok();
            }
            Next::Found(first) => self.group(first),
            Next::Nothing => return Turn::Idle,
            Next::Over => return Turn::Over,
        }
        Turn::Done
    }

    fn finish(self: Box<Self>) {
        if self.has_panicked {
            return; // There is no log that could be closed cleanly.
        }
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
            has_panicked: false,
        }
    }

    /// Makes a group of what waits, beginning with `first`, and answers.
    fn group(&mut self, first: Ordered) {
        let mut answers = Vec::new();
        let work = || self.work(first, &mut answers);
        if catch_unwind(AssertUnwindSafe(work)).is_err() {
            tracing::error!("the writer panicked; read-only until reopened");
            // Before anyone is told: health must not say something else meanwhile.
            self.condition.fail(ReadOnlyReason::WriterFailed);
            self.has_panicked = true;
            for answer in &mut answers {
                answer.verdict = Err(CommitError::OutcomeUnknown);
            }
        }
        for answer in answers {
            // Who does not wait for the answer any more has lost nothing.
            answer.to.send(answer.verdict).ok();
        }
    }

    /// Carries out what waits. What is to be said is left in `answers`: acceptances, and refusals
    /// and repeats too, as they may rest on what was staged.
    fn work(&mut self, first: Ordered, answers: &mut Vec<Answer>) {
        self.judge
            .mutations
            .retire(self.judge.read.visible.progress().applied);
        let mut staged = Staged::default();
        let mut next = Some(first);
        while let Some(ordered) = next {
            let Ordered {
                command,
                answer: to,
                _budget,
            } = ordered;
            // There before anything is done for it, whatever happens then.
            let verdict = Err(CommitError::OutcomeUnknown);
            answers.push(Answer { to, verdict });
            let verdict = self.judge(&mut staged, &command);
            if let Some(answer) = answers.last_mut() {
                answer.verdict = verdict;
            }
            let full = staged.bytes >= GROUP_BYTES || staged.commits.len() >= GROUP_COMMITS;
            if full {
                break;
            }
            next = match self.commands.next(Patience::None) {
                Next::Found(ordered) => Some(ordered),
                Next::Nothing | Next::Over => None,
            };
        }
        if let Err(error) = self.finish_group(staged) {
            tracing::error!(%error, "the log cannot be written; read-only until reopened");
            self.condition.fail(ReadOnlyReason::LogFailed);
            for answer in answers {
                answer.verdict = Err(CommitError::OutcomeUnknown);
            }
        }
    }

    fn judge(&mut self, staged: &mut Staged, command: &Command) -> Verdict {
        match self.refuses_all() {
            None => self.judge.judge(staged, command),
            Some(ReadOnlyReason::DiskFull) if command.frees_space => {
                self.judge.judge(staged, command)
            }
            Some(reason) => self.refuse(reason, staged, command),
        }
    }

    /// What a command is told while none is taken. A repeat is told what it was told before: nothing
    /// has to be written for it.
    fn refuse(&self, reason: ReadOnlyReason, staged: &Staged, command: &Command) -> Verdict {
        let first = self.judge.first_result(command)?;
        let first = first.ok_or(CommitError::ReadOnly(reason))?;
        let is_visible = first.seq <= self.judge.read.visible.sequence();
        // Of a group that could not be made durable it may be there after the next opening.
        if is_visible || staged.holds(first.seq) {
            Ok(first)
        } else {
            Err(CommitError::OutcomeUnknown)
        }
    }

    /// Why no commit is taken now, if so.
    fn refuses_all(&mut self) -> Option<ReadOnlyReason> {
        self.condition.set_disk_full(!self.space.is_enough());
        self.condition.read_only()
    }

    /// Makes what is staged durable, then visible.
    fn finish_group(&mut self, staged: Staged) -> Result<(), AppendError> {
        if staged.commits.is_empty() {
            return Ok(());
        }
        let is_early = self.judge.read.bugs.has(SeededBug::PublishBeforeAppend);
        if is_early {
            self.publish(staged.commits.clone());
        }
        let began = Instant::now();
        self.log.append(&staged.records)?;
        let (commits, took) = (staged.commits.len(), began.elapsed());
        self.counters.appended(commits, staged.bytes, took);
        self.space.wrote(staged.bytes);
        if !is_early {
            self.publish(staged.commits);
        }
        Ok(())
    }

    fn publish(&self, commits: Vec<Arc<Commit>>) {
        // Before the group is visible: whoever sees it must find its collections.
        for (id, path) in commits.iter().flat_map(|commit| &commit.new_collections) {
            self.judge.read.collections.add(*id, path.clone());
        }
        let group = Arc::new(Group::new(commits));
        self.judge.read.visible.publish(&group);
        for commit in &group.commits {
            self.judge.read.floors.absorb(commit);
        }
        self.ring.push(Arc::clone(&group));
        self.apply.push(group);
    }
}
