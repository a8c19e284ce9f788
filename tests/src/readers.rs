//! Clients that write down what they see of one subscription, whatever transport each of its
//! sessions comes over.

use std::collections::{BTreeMap, HashSet};
use std::net::SocketAddr;
use std::time::Duration;

use wellspring_protocol::json::client::{FeedPart, ReceivedCommit};
use wellspring_testkit::random::Random;
use wellspring_types::feed::{Change, From, How, SubscribeRequest};
use wellspring_types::{Document, MutationId, ResumeToken, Sequence, Timestamp};

use crate::transports::{Got, PATIENCE, Transport, open, token_of};

/// How long one who polls waits after an empty page.
const POLL_AGAIN: Duration = Duration::from_millis(5);

/// How a client moves.
#[derive(Debug)]
pub enum Moves {
    /// It stays on one transport, and on one connection as long as that allows.
    Stays(Transport),
    /// Any number of messages, up to so many, over each of many transports; and away from inside
    /// whatever comes in several messages.
    Hops(Random, u64),
}

/// A change, and what is told of its commit.
#[derive(Clone, Debug, PartialEq)]
pub struct SeenChange {
    /// The commit's place in the order.
    pub seq: Sequence,
    /// Its time.
    pub time: Timestamp,
    /// Who committed it.
    pub actor: Option<String>,
    /// The committing client's name for it.
    pub mutation_id: Option<MutationId>,
    /// The change.
    pub change: Change,
}

/// What a client has seen, without the borders between messages.
#[derive(Debug, Default, PartialEq)]
pub struct Seen {
    /// Entries of the snapshot.
    pub documents: Vec<Document>,
    /// As of which sequence that is.
    pub current: Option<Sequence>,
    /// Changes after it.
    pub changes: Vec<SeenChange>,
}

/// A client of one subscription.
#[derive(Debug)]
pub struct Reader {
    request: SubscribeRequest,
    moves: Moves,
    token: ResumeToken,
    /// What the token stands for.
    pub seen: Seen,
    /// The tokens of positions.
    pub positions: BTreeMap<Sequence, ResumeToken>,
    /// The tokens of places inside the snapshot, by the number of documents up to there.
    pub places: BTreeMap<usize, ResumeToken>,
    /// Sessions.
    pub sessions: usize,
    /// Commits that it left in the middle of.
    pub broken: HashSet<Sequence>,
    /// What came after the token.
    pending: Seen,
    /// The part of a commit that it waits for the rest of.
    is_inside: bool,
}

impl Reader {
    /// Goes on after `request`'s token.
    #[must_use]
    pub fn new(request: SubscribeRequest, token: ResumeToken, moves: Moves) -> Reader {
        Reader {
            request,
            moves,
            token,
            seen: Seen::default(),
            positions: BTreeMap::new(),
            places: BTreeMap::new(),
            sessions: 0,
            broken: HashSet::new(),
            pending: Seen::default(),
            is_inside: false,
        }
    }

    /// Reads until a change of the document `last` is whole.
    pub async fn read_until(mut self, server: SocketAddr, last: &str) -> Reader {
        while !self.has_seen(last) {
            self.session(server, last).await;
            self.sessions += 1;
            self.pending = Seen::default();
            self.is_inside = false;
        }
        self
    }

    fn has_seen(&self, last: &str) -> bool {
        let seen = self.seen.changes.last();
        seen.is_some_and(|seen| seen.change.path.id() == last)
    }

    async fn session(&mut self, server: SocketAddr, last: &str) {
        let (transport, mut messages) = match &mut self.moves {
            Moves::Stays(transport) => (*transport, u64::MAX),
            Moves::Hops(random, messages_max) => {
                let any = random.below(Transport::ALL.len() as u64);
                let transport = Transport::ALL[usize::try_from(any).unwrap()];
                (transport, random.below(*messages_max))
            }
        };
        let request = SubscribeRequest {
            from: From::Token(self.token.clone()),
            ..self.request.clone()
        };
        let session = tokio::time::timeout(PATIENCE, open(server, transport, &request)).await;
        let mut session = session.expect("in time").expect("the server is there");
        let mut is_first = true;
        while messages > 0 && !self.has_seen(last) {
            let got = tokio::time::timeout(PATIENCE, session.next()).await;
            match got.expect("a message in time") {
                Got::Part(part) if is_first => self.begin(&part),
                Got::Part(part) => self.take(part),
                Got::Page(token) => {
                    assert_eq!(self.pending, Seen::default(), "a page ends at a token");
                    if self.token == token {
                        tokio::time::sleep(POLL_AGAIN).await;
                    }
                    self.token = token;
                }
                Got::Ended(code) => panic!("{transport:?} ended: {code}"),
                Got::Nothing => return,
            }
            is_first = false;
            messages -= 1;
            if self.leaves_inside() {
                return;
            }
        }
    }

    /// Whether it is inside a commit, and leaves: each once, or it might never come to the end.
    fn leaves_inside(&mut self) -> bool {
        let Some(inside) = self.pending.changes.last().filter(|_| self.is_inside) else {
            return false;
        };
        matches!(self.moves, Moves::Hops(..)) && self.broken.insert(inside.seq)
    }

    fn begin(&mut self, part: &FeedPart) {
        let FeedPart::Subscribed {
            how, seq, token, ..
        } = part
        else {
            panic!("{part:?}");
        };
        assert_eq!(*how, How::Resumed, "nothing is lost");
        let asked = self.token.clone();
        assert_eq!(token.as_ref(), Some(&asked), "it goes on at its place");
        if self.seen.current.is_some() {
            self.position(*seq, &asked);
        }
    }

    fn take(&mut self, part: FeedPart) {
        let token = token_of(&part).cloned();
        match part {
            FeedPart::Snapshot {
                documents, removed, ..
            } => {
                assert!(removed.is_empty(), "the pin stays");
                self.pending.documents.extend(documents);
            }
            FeedPart::Current { seq, token } => {
                self.pending.current = Some(seq);
                self.position(seq, &token);
            }
            FeedPart::Changes { commits, .. } => {
                commits.into_iter().for_each(|commit| self.commit(commit));
                if let (Some(last), Some(token)) =
                    (self.pending.changes.last().map(|last| last.seq), &token)
                {
                    self.position(last, token);
                }
            }
            FeedPart::Checkpoint { seq, token } => self.position(seq, &token),
            part @ (FeedPart::Subscribed { .. } | FeedPart::Reset { .. }) => panic!("{part:?}"),
        }
        let Some(token) = token else { return };
        assert!(!self.is_inside, "no token stands for half a commit");
        let pending = std::mem::take(&mut self.pending);
        self.seen.documents.extend(pending.documents);
        self.seen.current = self.seen.current.or(pending.current);
        self.seen.changes.extend(pending.changes);
        if self.seen.current.is_none() {
            let place = self.places.insert(self.seen.documents.len(), token.clone());
            assert!(place.is_none_or(|place| place == token), "equal places");
        }
        self.token = token;
    }

    fn commit(&mut self, commit: ReceivedCommit) {
        self.is_inside = commit.more;
        for change in commit.changes {
            self.pending.changes.push(SeenChange {
                seq: commit.seq,
                time: commit.time,
                actor: commit.actor.clone(),
                mutation_id: commit.mutation_id.clone(),
                change,
            });
        }
    }

    /// Notes the token of a position, to which it has come.
    fn position(&mut self, seq: Sequence, token: &ResumeToken) {
        let newest = self.positions.keys().next_back();
        assert!(newest.is_none_or(|newest| *newest <= seq), "back to {seq}");
        let before = self.positions.insert(seq, token.clone());
        assert!(before.is_none_or(|before| before == *token), "of {seq}");
    }
}

/// The token of the first message inside a new snapshot.
pub async fn inside_a_snapshot(server: SocketAddr, request: &SubscribeRequest) -> ResumeToken {
    let request = SubscribeRequest {
        from: From::Snapshot,
        ..request.clone()
    };
    let mut session = open(server, Transport::WebSocket, &request).await.unwrap();
    loop {
        match tokio::time::timeout(PATIENCE, session.next()).await {
            Ok(Got::Part(FeedPart::Snapshot {
                token: Some(token), ..
            })) => return token,
            Ok(Got::Part(FeedPart::Subscribed { .. } | FeedPart::Snapshot { .. })) => {}
            _ => panic!("the snapshot has several messages"),
        }
    }
}
