//! What one subscription is sent.

use serde_json::value::RawValue;
use wellspring_protocol::error::Code;
use wellspring_protocol::json::client::{FeedPart, ReceivedCommit};
use wellspring_types::feed::{self, FeedMessage, SubscribeRequest};
use wellspring_types::{Document, DocumentPath, ResumeToken, Sequence};

use super::{PendingAck, Recorder};
use crate::history::DocumentHash;
use crate::history::record::{
    ChangeEvent, CheckpointEvent, CurrentEvent, DrainedEvent, EndedEvent, Event, How, LeftEvent,
    Op, Origin, PageEvent, Reception, Record, RemovedEvent, ResetEvent, ResetReason, SnapshotEvent,
    SubscribedEvent,
};

/// A token, and where in the subscription's record it was received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenPlace {
    /// The token.
    pub token: ResumeToken,
    /// The event's `idx`.
    pub idx: u64,
}

/// What is known of a session's connection when the session is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connection {
    /// It is there, and is about to be closed.
    Closing,
    /// It is gone.
    Gone,
}

/// Records one subscription through all its sessions.
#[derive(Debug)]
pub struct FeedRecorder {
    recorder: Recorder,
    sub: Box<str>,
    view: SubscribedEvent,
    session: u32,
    idx: u64,
    token: Option<TokenPlace>,
}

impl FeedRecorder {
    /// A subscription of this name. Where sessions begin is said by [`FeedRecorder::begin`].
    #[must_use]
    pub fn new(recorder: Recorder, sub: &str, request: &SubscribeRequest) -> FeedRecorder {
        let view = &request.view;
        // A filter's text is JSON.
        let filter = view.filter.as_ref().map(|f| f.canonical().to_owned());
        let filter = filter.and_then(|text| RawValue::from_string(text).ok());
        let select = view.select.as_ref().map(|select| select.fields());
        let select = select.unwrap_or_default().iter();
        let consumer = request.consumer.as_ref();
        FeedRecorder {
            recorder,
            sub: sub.into(),
            view: SubscribedEvent {
                transport: "".into(),
                collection: request.collections.to_string().into(),
                filter,
                select: select.map(|field| field.to_string().into()).collect(),
                old: view.old,
                checkpoint_interval_ms: Some(request.checkpoint_interval_ms),
                from: Origin::Now,
                at_idx: None,
                after: None,
                t_inv: None,
                how: How::Live,
                seq: 0,
                known: false,
                conflate: request.conflate,
                consumer: consumer.map(|of| of.name.as_str().into()),
                ack_timeout_ms: consumer.map(|of| of.ack_timeout_ms),
            },
            session: 0,
            idx: 0,
            token: None,
        }
    }

    /// A session is about to be asked for: anew, as `from` says.
    pub fn begin(&mut self, transport: &str, from: &feed::From) {
        let from = match from {
            feed::From::Now => Origin::Now,
            feed::From::Snapshot => Origin::Snapshot,
            feed::From::Beginning => Origin::Beginning,
            feed::From::Time(_) => Origin::Time,
            // Not one of this subscription: nothing is known of it.
            feed::From::Token(_) => Origin::Foreign,
        };
        self.begin_with(transport, from, None);
    }

    /// A session is about to be asked for after a token of this subscription.
    pub fn resume(&mut self, transport: &str, at: &TokenPlace) {
        self.begin_with(transport, Origin::Token, Some(at.idx));
    }

    fn begin_with(&mut self, transport: &str, from: Origin, at_idx: Option<u64>) {
        self.session += 1;
        self.view.transport = transport.into();
        self.view.from = from;
        self.view.at_idx = at_idx;
        self.view.t_inv = Some(self.recorder.now());
    }

    /// Where the subscription can go on: the newest token received.
    #[must_use]
    pub fn token(&self) -> Option<&TokenPlace> {
        self.token.as_ref()
    }

    /// A message of the engine.
    pub fn message(&mut self, message: &FeedMessage) {
        match message {
            FeedMessage::Subscribed {
                how,
                seq,
                token,
                known,
            } => {
                self.view.known = *known;
                self.subscribed(*how, *seq, token.as_ref());
            }
            FeedMessage::Snapshot {
                documents,
                removed,
                token,
            } => self.snapshot(documents, removed, Some(token)),
            FeedMessage::Current { seq, token } => self.current(*seq, token),
            FeedMessage::Changes { commits, token } => {
                for commit in commits {
                    let told = (commit.conflated, Ends::Whole);
                    self.changes(commit.seq, &commit.changes, told);
                }
                self.keep(token);
            }
            FeedMessage::Checkpoint { seq, token } => self.checkpoint(*seq, token),
            FeedMessage::Reset { reason, known } => self.reset(*reason, *known),
        }
    }

    /// A message as it came over a wire.
    pub fn part(&mut self, part: &FeedPart) {
        match part {
            FeedPart::Subscribed {
                how,
                seq,
                token,
                known,
            } => {
                self.view.known = *known;
                self.subscribed(*how, *seq, token.as_ref());
            }
            FeedPart::Snapshot {
                documents,
                removed,
                token,
            } => self.snapshot(documents, removed, token.as_ref()),
            FeedPart::Current { seq, token } => self.current(*seq, token),
            FeedPart::Changes { commits, token } => {
                for commit in commits {
                    self.commit(commit);
                }
                if let Some(token) = token {
                    self.keep(token);
                }
            }
            FeedPart::Checkpoint { seq, token } => self.checkpoint(*seq, token),
            FeedPart::Reset { reason, known } => self.reset(*reason, *known),
        }
    }

    /// A poll's page has ended; the next goes on after `token`.
    pub fn page(&mut self, token: &ResumeToken) {
        self.event(Event::Page(PageEvent {}));
        self.keep(token);
    }

    /// The server ended the subscription, or refused it, with this code. A token that has expired is
    /// of no use any more.
    pub fn ended(&mut self, code: &str) {
        self.event(Event::Ended(EndedEvent { code: code.into() }));
        if code == Code::TokenExpired.as_str() {
            self.token = None;
        }
    }

    /// The session is over without a word of the server: its connection is gone, or the client is
    /// about to close it.
    pub fn left(&mut self, connection: Connection) {
        let lost = connection == Connection::Gone;
        self.event(Event::Left(LeftEvent { lost }));
    }

    /// The client has followed to the end: until nothing more came, of a database that nobody wrote to.
    pub fn drained(&mut self) {
        self.event(Event::Drained(DrainedEvent {}));
    }

    /// The token that is newest is about to be acknowledged; `None` where there is none.
    #[must_use]
    pub fn ack(&self) -> Option<PendingAck> {
        let at = self.token.clone()?;
        let sub = self.sub.clone();
        Some(PendingAck::new(self.recorder.clone(), sub, at))
    }

    fn subscribed(&mut self, how: feed::How, seq: Sequence, token: Option<&ResumeToken>) {
        self.view.how = match how {
            feed::How::Live => How::Live,
            feed::How::Snapshot => How::Snapshot,
            feed::How::Resumed => How::Resumed,
        };
        self.view.seq = seq.0;
        self.event(Event::Subscribed(Box::new(self.view.clone())));
        if let Some(token) = token {
            self.keep(token);
        }
    }

    fn snapshot(
        &mut self,
        documents: &[Document],
        removed: &[DocumentPath],
        token: Option<&ResumeToken>,
    ) {
        for document in documents {
            self.event(Event::Snapshot(SnapshotEvent {
                path: document.path.as_str().into(),
                version: document.version.0,
                hash: Some(DocumentHash::of(&document.data)),
                data: None,
            }));
        }
        for path in removed {
            let path = path.as_str().into();
            self.event(Event::Removed(RemovedEvent { path }));
        }
        if let Some(token) = token {
            self.keep(token);
        }
    }

    fn current(&mut self, seq: Sequence, token: &ResumeToken) {
        self.event(Event::Current(CurrentEvent { seq: seq.0 }));
        self.keep(token);
    }

    fn commit(&mut self, commit: &ReceivedCommit) {
        let ends = if commit.more {
            Ends::GoesOn
        } else {
            Ends::Whole
        };
        self.changes(commit.seq, &commit.changes, (commit.conflated, ends));
    }

    fn changes(
        &mut self,
        seq: Sequence,
        changes: &[feed::Change],
        (conflated, ends): (bool, Ends),
    ) {
        for (index, change) in changes.iter().enumerate() {
            let is_last = index + 1 == changes.len();
            self.event(Event::Change(ChangeEvent {
                seq: seq.0,
                version: (change.version != seq).then_some(change.version.0),
                conflated,
                op: match change.op {
                    feed::Op::Insert => Op::Insert,
                    feed::Op::Update => Op::Update,
                    feed::Op::Delete => Op::Delete,
                },
                path: change.path.as_str().into(),
                old_hash: change.old.as_ref().map(DocumentHash::of),
                old: None,
                hash: change.data.as_ref().map(DocumentHash::of),
                data: None,
                last_of_commit: is_last && ends == Ends::Whole,
            }));
        }
    }

    fn checkpoint(&mut self, seq: Sequence, token: &ResumeToken) {
        self.event(Event::Checkpoint(CheckpointEvent { seq: seq.0 }));
        self.keep(token);
    }

    fn reset(&mut self, reason: feed::ResetReason, known: bool) {
        let reason = match reason {
            feed::ResetReason::Retention => ResetReason::Retention,
            feed::ResetReason::Epoch => ResetReason::Epoch,
            feed::ResetReason::Rules => ResetReason::Rules,
        };
        self.event(Event::Reset(ResetEvent { reason, known }));
    }

    fn keep(&mut self, token: &ResumeToken) {
        let token = token.clone();
        let idx = self.idx.saturating_sub(1);
        self.token = Some(TokenPlace { token, idx });
    }

    fn event(&mut self, got: Event) {
        self.recorder.record(&Record::R(Box::new(Reception {
            sub: self.sub.clone(),
            session: self.session,
            idx: self.idx,
            t_recv: self.recorder.now(),
            got,
        })));
        self.idx += 1;
    }
}

/// Whether a commit's last change in a message is the commit's last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ends {
    Whole,
    GoesOn,
}
