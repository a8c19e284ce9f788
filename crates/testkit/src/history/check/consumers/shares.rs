//! What each who took part was sent, share by share; and until when it surely took part.

use std::collections::HashMap;
use std::ops::Range;

use super::acks::Acks;
use crate::history::check::facts::Facts;
use crate::history::check::feed::s7_early;
use crate::history::model::{Ack, Feed, Got, Name, Opened, Received, Seen};
use crate::history::record::Outcome;
use crate::history::verdict::{Report, Rule};

/// After which nobody takes part any more who did.
const ENDS_OF_A_SERVER: [&str; 6] = ["kill", "power_cut", "restart", "stop", "close", "drop"];
/// Of who did not say another.
const ACK_TIMEOUT_MS: u64 = wellspring_types::limits::ACK_TIMEOUT_MS;

/// Everything that was sent.
#[derive(Default)]
pub(super) struct Taken<'h> {
    pub(super) sessions: Vec<Session>,
    pub(super) shares: Vec<Share<'h>>,
    pub(super) deliveries: Vec<Delivery<'h>>,
    /// Acknowledgements, each with its share.
    pub(super) acks: Vec<(&'h Ack, usize)>,
    /// Those who were told that the position is of no use any more.
    expired: Vec<(Name, &'h Received)>,
}

/// One connection's part in the consumer.
pub(super) struct Session {
    feed: Name,
    t_inv: u64,
    /// When the last acknowledgement was sent that was answered: then it still took part.
    heard: u64,
    ack_timeout_ns: u64,
    end: End,
    /// Since when it may not take part any more.
    pub(super) gone: u64,
}

/// How a session came to its end.
#[derive(Clone, Copy, Debug)]
enum End {
    /// The history ends before it.
    Open,
    /// The client went, at this time.
    Left(u64),
    /// The server said so, some time before this.
    Ended(u64),
    /// The connection was found to be gone at this time.
    Lost(u64),
}

/// From one `subscribed` to the next.
pub(super) struct Share<'h> {
    pub(super) session: usize,
    pub(super) opened: &'h Opened,
    pub(super) first: &'h Received,
    pub(super) acks: Acks,
    /// Where what it was sent is among all that was.
    deliveries: Range<usize>,
}

/// A change that was sent.
#[derive(Clone, Copy)]
pub(super) struct Delivery<'h> {
    pub(super) feed: Name,
    pub(super) share: usize,
    pub(super) seen: &'h Seen,
    pub(super) received: &'h Received,
}

impl<'h> Taken<'h> {
    /// What a share was sent, in order.
    pub(super) fn sent_of(&self, share: usize) -> &[Delivery<'h>] {
        &self.deliveries[self.shares[share].deliveries.clone()]
    }

    pub(super) fn session_of(&self, share: usize) -> &Session {
        &self.sessions[self.shares[share].session]
    }

    /// When a share had begun at the latest.
    pub(super) fn began(&self, share: usize) -> u64 {
        self.shares[share]
            .first
            .t_recv
            .min(self.session_of(share).gone)
    }

    /// When something had been sent at the latest: what a server has sent before it was killed may be
    /// read long after that.
    pub(super) fn sent(&self, delivery: &Delivery<'_>) -> u64 {
        delivery
            .received
            .t_recv
            .min(self.session_of(delivery.share).gone)
    }
}

pub(super) fn take<'h>(facts: &Facts<'h>, feeds: &[&'h Feed], report: &mut Report) -> Taken<'h> {
    let mut taken = Taken::default();
    let mut acks: HashMap<Name, Vec<&Ack>> = HashMap::new();
    for ack in &facts.history.acks {
        acks.entry(ack.feed).or_default().push(ack);
    }
    for feed in feeds {
        let first = taken.shares.len();
        walk(facts, feed, &mut taken, report);
        let acks = acks.remove(&feed.name).unwrap_or_default();
        acknowledge(&mut taken, first, &acks);
    }
    for session in &mut taken.sessions {
        session.gone = gone(facts, session);
    }
    for (feed, received) in &taken.expired {
        expires(facts, *feed, (received, &taken), report);
    }
    taken
}

fn walk<'h>(facts: &Facts<'h>, feed: &'h Feed, taken: &mut Taken<'h>, report: &mut Report) {
    let mut number = None;
    let mut position = Position::default();
    for received in &feed.receptions {
        let is_begun = number == Some(received.session);
        let session = number.and_then(|_| taken.sessions.last_mut());
        match &received.got {
            Got::Subscribed(opened) => {
                if !is_begun {
                    end(session, End::Lost(received.t_recv));
                    number = Some(received.session);
                    taken
                        .sessions
                        .push(Session::new(feed.name, opened, received));
                }
                taken.shares.push(Share {
                    session: taken.sessions.len() - 1,
                    opened,
                    first: received,
                    acks: Acks::default(),
                    deliveries: taken.deliveries.len()..taken.deliveries.len(),
                });
                position = Position::new(opened.seq);
                s7_early::told(facts, feed.name, (received, opened.seq), report);
            }
            Got::Change(seen) => {
                if seen.seq <= facts.history.dump.head {
                    s7_early::told(facts, feed.name, (received, seen.seq), report);
                }
                position.rises(facts, feed, received, report);
                taken.deliveries.push(Delivery {
                    feed: feed.name,
                    share: taken.shares.len().saturating_sub(1),
                    seen,
                    received,
                });
                if let Some(share) = taken.shares.last_mut() {
                    share.deliveries.end = taken.deliveries.len();
                }
            }
            Got::Checkpoint(seq) => {
                s7_early::told(facts, feed.name, (received, *seq), report);
                position.rises(facts, feed, received, report);
            }
            Got::Ended { expired } => {
                end(session.filter(|_| is_begun), End::Ended(received.t_recv));
                if *expired && number.is_some() {
                    taken.expired.push((feed.name, received));
                }
            }
            Got::Left { lost: true } => {
                end(session.filter(|_| is_begun), End::Lost(received.t_recv))
            }
            Got::Left { lost: false } => {
                end(session.filter(|_| is_begun), End::Left(received.t_recv))
            }
            _ => {}
        }
    }
}

/// How far a share is.
#[derive(Default)]
struct Position {
    seq: u64,
    /// The newest change of each document.
    documents: HashMap<Name, u64>,
}

impl Position {
    fn new(seq: u64) -> Position {
        Position {
            seq,
            documents: HashMap::new(),
        }
    }

    /// S1, of changes and checkpoints. The changes of one document have rules of their own.
    fn rises(&mut self, facts: &Facts<'_>, feed: &Feed, received: &Received, report: &mut Report) {
        let (seq, newest) = match &received.got {
            Got::Change(seen) => (seen.seq, self.documents.insert(seen.path, seen.seq)),
            Got::Checkpoint(seq) => (*seq, None),
            _ => return,
        };
        if seq < self.seq && newest.is_none_or(|newest| newest < seq) {
            let (name, position) = (facts.text(feed.name), self.seq);
            let sentence = format!("{name} was sent {seq}, though it was already at {position}");
            report.add(Rule::S1, &[received.place], sentence);
        }
        self.seq = self.seq.max(seq);
    }
}

/// S4: a position is of use as long as everything after it is kept. A consumer's is where the last share
/// of any who took part began, or later: whoever subscribes next may get that one.
fn expires(
    facts: &Facts<'_>,
    feed: Name,
    (received, taken): (&Received, &Taken<'_>),
    report: &mut Report,
) {
    let mut last: HashMap<Name, usize> = HashMap::new();
    for (index, session) in taken.sessions.iter().enumerate() {
        if session.t_inv < received.t_recv {
            last.insert(session.feed, index);
        }
    }
    let shares = taken.shares.iter();
    let lasting = shares
        .filter(|share| last.get(&taken.sessions[share.session].feed) == Some(&share.session));
    let Some(share) = lasting.min_by_key(|share| share.opened.seq) else {
        return;
    };
    let (position, dump) = (share.opened.seq, &facts.history.dump);
    let view = facts.history.views.get(share.opened.view);
    let collection = view.map_or(Name::MAX, |view| view.collection);
    let is_kept = position + 1 >= dump.kept;
    if is_kept && !facts.is_withheld(collection, position, dump.head) {
        let name = facts.text(feed);
        let sentence = format!("{name} had to end at {position}, and the log has all after it");
        report.add(Rule::S4, &[received.place, share.first.place], sentence);
    }
}

fn end(session: Option<&mut Session>, end: End) {
    if let Some(session) = session.filter(|session| matches!(session.end, End::Open)) {
        session.end = end;
    }
}

/// Gives each share from `first` on what was acknowledged of it.
fn acknowledge<'h>(taken: &mut Taken<'h>, first: usize, acks: &[&'h Ack]) {
    let mut of_share: Vec<Vec<&Ack>> = vec![Vec::new(); taken.shares.len() - first];
    for ack in acks {
        let shares = &taken.shares[first..];
        let after = shares.partition_point(|share| share.first.idx <= ack.at_idx);
        // Of what came before its first share nothing was sent.
        let Some(share) = after.checked_sub(1) else {
            continue;
        };
        of_share[share].push(ack);
        taken.acks.push((ack, first + share));
        let session = &mut taken.sessions[taken.shares[first + share].session];
        if ack.outcome == Outcome::Ok {
            session.heard = session.heard.max(ack.t_inv);
        }
    }
    for (share, acks) in taken.shares[first..].iter_mut().zip(of_share) {
        share.acks = Acks::new(&acks);
    }
}

impl Session {
    fn new(feed: Name, opened: &Opened, first: &Received) -> Session {
        let t_inv = opened.t_inv.unwrap_or(first.t_recv);
        let timeout_ms = opened.ack_timeout_ms.unwrap_or(ACK_TIMEOUT_MS);
        Session {
            feed,
            t_inv,
            heard: t_inv,
            ack_timeout_ns: timeout_ms.saturating_mul(1_000_000),
            end: End::Open,
            gone: u64::MAX,
        }
    }
}

fn gone(facts: &Facts<'_>, session: &Session) -> u64 {
    let until = match session.end {
        End::Open => u64::MAX,
        End::Left(t) | End::Ended(t) | End::Lost(t) => t,
    };
    let faults = facts.history.faults.iter();
    let of_servers = faults.filter(|x| ENDS_OF_A_SERVER.contains(&&*x.fault));
    let during = of_servers
        .map(|x| x.t)
        .filter(|t| session.t_inv < *t && *t <= until);
    let at = match session.end {
        End::Open | End::Left(_) => during.min().unwrap_or(until),
        End::Lost(_) => during.min().unwrap_or(session.heard),
        End::Ended(_) => session.heard,
    };
    // Who acknowledges nothing for too long is ended, whether it has heard of that or not.
    at.min(session.heard.saturating_add(session.ack_timeout_ns))
}
