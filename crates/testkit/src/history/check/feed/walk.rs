//! Walks through what one subscription was sent, once, and finds each event's place.

use std::collections::HashMap;

use super::session::{Placement, Seam, Session, Start, Stretch};
use crate::history::check::view::{Claim, Contents};
use crate::history::model::{Feed, Got, Held, Name, Opened, Received, Seen};
use crate::history::record::{How, Origin};
use crate::history::verdict::Rule;

/// What a token of an event stands for.
#[derive(Clone, Copy, Debug)]
enum Token {
    Position(u64),
    AtLeast(u64),
    InSnapshot,
}

/// What the client holds of a document, and since which session.
#[derive(Clone, Copy, Debug)]
struct Entry {
    held: Option<Held>,
    session: u32,
}

struct Walk<'h> {
    feed: &'h Feed,
    sessions: Vec<Session<'h>>,
    claims: Vec<Claim>,
    tokens: Vec<Token>,
    /// Changes, by the last session that received them.
    seen: HashMap<(u64, Name), u32>,
    /// Commits, likewise.
    commits: HashMap<u64, u32>,
    holding: HashMap<Name, Entry>,
    /// Whether that should be the whole view.
    holds_all: bool,
    now: Now,
}

/// Where the session is.
#[derive(Clone, Copy, Debug, Default)]
struct Now {
    /// The session's number, from 1.
    session: u32,
    in_snapshot: bool,
    /// Nothing at or before it may come.
    start: u64,
    position: u64,
    checkpoint: Option<u64>,
    /// A commit of which more is to come.
    open: Option<u64>,
}

/// The sessions of a subscription, and what its snapshots claim.
pub(super) fn walk(feed: &Feed) -> (Vec<Session<'_>>, Vec<Claim>) {
    let mut walk = Walk {
        feed,
        sessions: Vec::new(),
        claims: Vec::new(),
        tokens: Vec::with_capacity(feed.receptions.len()),
        seen: HashMap::new(),
        commits: HashMap::new(),
        holding: HashMap::new(),
        holds_all: false,
        now: Now::default(),
    };
    for received in &feed.receptions {
        let token = match &received.got {
            Got::Subscribed(opened) => walk.subscribed(received, opened),
            got => {
                let placement = walk.event(received, got);
                if let Some(session) = walk.sessions.last_mut() {
                    session.events.push((received, placement));
                }
                walk.token_of(got)
            }
        };
        walk.tokens.push(token);
    }
    (walk.sessions, walk.claims)
}

impl<'h> Walk<'h> {
    fn subscribed(&mut self, received: &'h Received, opened: &'h Opened) -> Token {
        let start = self.start(opened);
        if opened.from == Origin::Snapshot && !opened.known {
            self.holding.clear();
        }
        // A page's token was of a position that only this session tells: the page was complete
        // through it. Not where it is of no use any more: then a new position is told.
        if let (Start::AtLeast(_), Some(session)) = (start, self.sessions.last_mut())
            && opened.how != How::Snapshot
            && let Some(stretch) = session.stretches.last_mut()
        {
            stretch.reach(opened.seq, opened.seq, received);
        }
        let known = match start {
            Start::Position(position) | Start::AtLeast(position) => position,
            _ => 0,
        };
        // What commits come to is relative to the token: who goes on from an older one than what it
        // holds keeps what came before and went after it.
        let goes_back = opened.conflate && known < self.now.position;
        let in_snapshot = opened.how == How::Snapshot || start == Start::InSnapshot;
        self.now = Now {
            session: self.now.session + 1,
            in_snapshot,
            start: opened.seq.max(known),
            position: opened.seq.max(known),
            checkpoint: None,
            open: None,
        };
        self.holds_all = match start {
            Start::Fresh | Start::Foreign => opened.seq == 0 && !in_snapshot,
            _ => self.holds_all && !goes_back,
        };
        let seam = match start {
            Start::Fresh | Start::Foreign => Seam::None,
            _ => Seam::Token,
        };
        let mut stretches = Vec::new();
        if !in_snapshot {
            stretches.push(Stretch::new(seam, opened.seq, received));
        }
        self.sessions.push(Session {
            feed: self.feed,
            opened,
            first: received,
            start,
            events: Vec::new(),
            stretches,
        });
        self.position_token()
    }

    fn start(&self, opened: &Opened) -> Start {
        if opened.from == Origin::Foreign {
            return Start::Foreign;
        }
        if let Some(after) = opened.after {
            return Start::Position(after);
        }
        let index = opened.at_idx.and_then(|idx| usize::try_from(idx).ok());
        match index.and_then(|index| self.tokens.get(index)) {
            None => Start::Fresh,
            Some(Token::Position(position)) => Start::Position(*position),
            Some(Token::AtLeast(position)) => Start::AtLeast(*position),
            Some(Token::InSnapshot) => Start::InSnapshot,
        }
    }

    fn position_token(&self) -> Token {
        if self.now.in_snapshot {
            Token::InSnapshot
        } else {
            Token::Position(self.now.position)
        }
    }

    fn token_of(&self, got: &Got) -> Token {
        match got {
            Got::Page if !self.now.in_snapshot => Token::AtLeast(self.now.position),
            _ => self.position_token(),
        }
    }

    fn event(&mut self, received: &'h Received, got: &Got) -> Placement {
        let session = self.now.session;
        match got {
            Got::Snapshot(path, held) => {
                let held = Some(*held);
                self.holding.insert(*path, Entry { held, session });
                Placement::Fine
            }
            Got::Removed(path) => {
                let held = None;
                self.holding.insert(*path, Entry { held, session });
                Placement::Fine
            }
            Got::Current(seq) => self.current(received, *seq),
            Got::Change(seen) => self.change(received, *seen),
            Got::Checkpoint(seq) => self.checkpoint(received, *seq),
            Got::Reset { known, .. } => {
                if !known {
                    self.holding.clear();
                }
                Placement::StartsOver(self.start_over())
            }
            Got::Ended { .. } => {
                let position = (!self.now.in_snapshot).then_some(self.now.position);
                Placement::StartsOver(position)
            }
            Got::Drained => {
                self.drained(received);
                Placement::Fine
            }
            Got::Page | Got::Left { .. } | Got::Subscribed(_) => Placement::Fine,
        }
    }

    /// The position that is given up, if it is known: of a session that has just begun with a
    /// snapshot it is that of its token.
    fn start_over(&mut self) -> Option<u64> {
        let was_in_snapshot = self.now.in_snapshot;
        self.now.in_snapshot = true;
        self.now.open = None;
        let session = self.sessions.last()?;
        match session.start {
            Start::Position(position) if was_in_snapshot && session.events.is_empty() => {
                Some(position)
            }
            _ => (!was_in_snapshot).then_some(self.now.position),
        }
    }

    fn current(&mut self, received: &'h Received, seq: u64) -> Placement {
        if !self.now.in_snapshot {
            return Placement::Fell; // A snapshot that nobody has begun.
        }
        let session = self.now.session;
        let Some(last) = self.sessions.last_mut() else {
            return Placement::Fine;
        };
        // What an earlier session was sent on the way to a later pin, which this one has not gone
        // to, is right only once the changes up to there have come.
        let entries = self.holding.iter().filter_map(|(path, entry)| {
            let is_older = entry.session != session;
            match entry.held {
                Some(held) if is_older && held.version > seq => Some((*path, None)),
                Some(held) => Some((*path, Some(held))),
                None => is_older.then_some((*path, None)),
            }
        });
        self.claims.push(Claim {
            view: last.opened.view,
            seq,
            place: received.place,
            rule: Rule::C5,
            what: "a snapshot",
            contents: Contents::new(entries),
        });
        self.holding.retain(|_, entry| entry.held.is_some());
        self.holds_all = true;
        last.stretches
            .push(Stretch::new(Seam::Snapshot, seq, received));
        self.now = Now {
            session,
            in_snapshot: false,
            start: seq,
            position: seq,
            checkpoint: None,
            open: None,
        };
        Placement::Fine
    }

    /// What it was sent adds up to the view.
    fn drained(&mut self, received: &'h Received) {
        let Some(session) = self.sessions.last().filter(|_| self.holds_all) else {
            return;
        };
        let documents = self.holding.iter().map(|(path, entry)| (*path, entry.held));
        self.claims.push(Claim {
            view: session.opened.view,
            seq: self.now.position,
            place: received.place,
            rule: Rule::S10,
            what: "what it was sent in all",
            contents: Contents::of_contents(documents),
        });
    }

    fn checkpoint(&mut self, received: &'h Received, seq: u64) -> Placement {
        if self.now.in_snapshot {
            return Placement::DuringSnapshot;
        }
        let interrupted = self.now.open.take().is_some();
        if seq < self.now.position {
            return Placement::Fell;
        }
        self.now.position = seq;
        self.now.checkpoint = Some(seq);
        if let Some(stretch) = self
            .sessions
            .last_mut()
            .and_then(|s| s.stretches.last_mut())
        {
            stretch.reach(seq, seq, received);
            let before = stretch.changes.len();
            stretch.checkpoints.push((before, seq, received));
        }
        if interrupted {
            Placement::Interrupts
        } else {
            Placement::Fine
        }
    }

    fn change(&mut self, received: &'h Received, seen: Seen) -> Placement {
        if self.now.in_snapshot {
            return Placement::DuringSnapshot;
        }
        let session = self.now.session;
        let placement = self.place(seen);
        self.seen.insert((seen.seq, seen.path), session);
        self.commits.insert(seen.seq, session);
        let version = seen.version;
        let held = seen.new.map(|hash| Held { version, hash });
        match held {
            Some(_) => self.holding.insert(seen.path, Entry { held, session }),
            None => self.holding.remove(&seen.path),
        };
        if let Some(stretch) = self
            .sessions
            .last_mut()
            .and_then(|s| s.stretches.last_mut())
        {
            let complete = match (seen.last_of_commit, seen.conflated) {
                (true, _) => seen.seq,
                (false, false) => seen.seq.saturating_sub(1),
                // Of all that it stands for only a part is there.
                (false, true) => stretch.to,
            };
            stretch.reach(seen.seq, complete, received);
            stretch.changes.push((seen, received));
        }
        if matches!(placement, Placement::Fine | Placement::Interrupts) {
            self.now.position = seen.seq;
            self.now.open = (!seen.last_of_commit).then_some(seen.seq);
        }
        placement
    }

    fn place(&self, seen: Seen) -> Placement {
        let now = &self.now;
        let known = self.seen.get(&(seen.seq, seen.path));
        if known.is_some_and(|session| *session == now.session || seen.seq <= now.start) {
            return Placement::Repeated;
        }
        if seen.seq <= now.start {
            return Placement::BeforeStart;
        }
        if seen.seq > now.position {
            let interrupts = now.open.is_some();
            return if interrupts {
                Placement::Interrupts
            } else {
                Placement::Fine
            };
        }
        if now.open == Some(seen.seq) {
            return Placement::Fine;
        }
        if self.commits.get(&seen.seq) == Some(&now.session) {
            return Placement::Split;
        }
        if now
            .checkpoint
            .is_some_and(|checkpoint| seen.seq <= checkpoint)
        {
            return Placement::LateAfterCheckpoint;
        }
        Placement::Late
    }
}
