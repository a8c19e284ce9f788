//! How a subscription reads the log by itself, and has what it reads written by its transport.

use std::sync::Arc;

use tokio::time::Instant;
use wellspring_types::Sequence;
use wellspring_types::feed::{ChangesWriter, FeedMessage, WrittenChanges};

use super::{MESSAGE_BYTES, Phase, Step, Subscription};
use crate::executor::Job;
use crate::feed::SubscriptionError;
use crate::feed::catch_up::{self, CaughtUp, Found};
use crate::feed::written::{self, Script};
use crate::read::ReadError;
use crate::seeded::SeededBug;

/// What [`Subscription::next_written`] returns.
#[derive(Clone, Debug)]
pub enum Told {
    /// A message to be framed.
    Message(FeedMessage),
    /// A message of changes, written already.
    Written(WrittenChanges),
}

impl Subscription {
    /// As [`next`](Subscription::next), but a long part of the log may come as what `writer` writes
    /// of it: the thread that reads the log has it written as it reads. It is to be the same writer
    /// each time.
    ///
    /// # Errors
    /// When the subscription is over. It stays over.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped: the next call goes on where it was.
    pub async fn next_written(
        &mut self,
        writer: &Arc<dyn ChangesWriter>,
    ) -> Result<Told, SubscriptionError> {
        self.writer.get_or_insert_with(|| Arc::clone(writer));
        loop {
            let told = match self.step().await? {
                Step::Message(message) => Told::Message(message),
                Step::Written(written) => Told::Written(written),
                Step::Idle => {
                    self.wait().await;
                    continue;
                }
            };
            self.checkpoint_later();
            return Ok(told);
        }
    }

    /// Reads once more, for who wants messages, what was being written for who asked before.
    pub(in crate::feed) fn take_back(&mut self, written: &WrittenChanges) {
        self.position = Sequence(written.first.0.saturating_sub(1));
    }

    /// Reads on in the log; registers with the hub once the end is near.
    pub(super) fn catch_up(&mut self) {
        let Phase::CatchUp(registered) = std::mem::replace(&mut self.phase, Phase::Over) else {
            return;
        };
        let registered =
            registered.filter(|(registration, _)| !registration.queue.has_overflowed());
        let visible = self.sources.read.visible.sequence();
        let registered = match registered {
            None if self.position >= visible => Some(self.register()),
            registered => registered,
        };
        let through = match registered {
            Some((registration, through)) if self.position >= through => {
                self.phase = Phase::Live(registration);
                return;
            }
            Some((_, through)) => through,
            None => visible,
        };
        let sources = Arc::clone(&self.sources);
        let (collections, view) = (self.wanted.collections.clone(), self.wanted.view.clone());
        let telling = self.wanted.telling.clone();
        let script = Script::of(&view, &telling, self.writer.as_ref());
        let range = (self.position, through);
        let work = move || {
            let read = &sources.read;
            if let Some(script) = script {
                return written::read(read, &collections, &script, range, MESSAGE_BYTES);
            }
            catch_up::read(read, &collections, (&view, &telling), range, MESSAGE_BYTES)
        };
        self.phase = Phase::CatchUpWork(registered, Job::start(&self.sources.executor, work));
    }

    /// Takes what was read; returns it where it was written.
    pub(super) fn caught_up(
        &mut self,
        caught_up: Result<CaughtUp, ReadError>,
    ) -> Result<Option<WrittenChanges>, SubscriptionError> {
        let Phase::CatchUpWork(registered, _) = std::mem::replace(&mut self.phase, Phase::Over)
        else {
            return Ok(None);
        };
        let caught_up = match caught_up {
            Ok(caught_up) => caught_up,
            Err(error) => {
                self.gap_or(error)?;
                return Ok(None);
            }
        };
        self.tracking.caught_up(caught_up.scanned);
        self.phase = match registered {
            None if self.has(SeededBug::DropAtSwitch) => Phase::Live(self.register().0),
            None if !caught_up.is_full => Phase::Behind,
            registered => Phase::CatchUp(registered),
        };
        self.position = caught_up.through;
        match caught_up.found {
            Found::Text {
                mut text,
                first,
                last,
            } => {
                let token = self.sources.sealer.position(last);
                if let Some(writer) = &self.writer {
                    writer.end(&mut text, &token);
                }
                // It may wait for a slow client, who is charged for its bytes and not for the room
                // that was made for more of them.
                if text.capacity() / 2 > text.len() {
                    text.shrink_to_fit();
                }
                self.tell_tracker();
                return Ok(Some(WrittenChanges { text, first, token }));
            }
            Found::Commits(commits) => {
                if let Some(last) = commits.last().map(|commit| commit.seq) {
                    let token = self.sources.sealer.position(last);
                    self.outbox
                        .push_back(FeedMessage::Changes { commits, token });
                } else if Instant::now() >= self.checkpoint_due {
                    self.push_checkpoint();
                }
            }
        }
        Ok(None)
    }
}
