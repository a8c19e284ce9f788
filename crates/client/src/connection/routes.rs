//! Who waits for what on a connection.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, oneshot};

use wellspring_protocol::error::WireError;

use super::queue::{End, Queue};
use crate::wire::{Answer, FeedPart};

/// The client's name for a request or a subscription; a decimal number on the wire. Never used
/// twice by one client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Id(pub(crate) u64);

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What became of one attempt at a request.
#[derive(Debug)]
pub(crate) enum Outcome {
    Answered(Answer),
    Refused(WireError),
    /// The connection was lost before the answer.
    Lost,
    /// The client was closed.
    Closed,
}

/// Why a client's connection will not be made again.
#[derive(Clone, Debug)]
pub(crate) enum Ending {
    Closed,
    Refused(WireError),
}

/// The table of who waits. The connection's task, requests and streams share it; nobody holds its
/// lock across an `.await`.
#[derive(Debug, Default)]
pub(crate) struct Routes {
    tables: Mutex<Tables>,
    /// Some subscription is to be ended on the server.
    pub(crate) unwanted: Notify,
}

#[derive(Debug, Default)]
struct Tables {
    requests: HashMap<Id, Waiting<oneshot::Sender<Outcome>>>,
    feeds: HashMap<Id, Waiting<Arc<Queue>>>,
    unsubscribe: Vec<Id>,
    ending: Option<Ending>,
}

#[derive(Debug)]
struct Waiting<T> {
    who: T,
    /// Whether this connection has sent it: what has not been sent is not lost with it.
    sent: bool,
}

impl Routes {
    fn tables(&self) -> MutexGuard<'_, Tables> {
        // Nothing that holds this lock can panic half-way.
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Enters a request that is about to be handed to the connection.
    pub(crate) fn expect_answer(&self, id: Id) -> Result<oneshot::Receiver<Outcome>, Ending> {
        let (who, answer) = oneshot::channel();
        let mut tables = self.tables();
        if let Some(ending) = &tables.ending {
            return Err(ending.clone());
        }
        tables.requests.insert(id, Waiting { who, sent: false });
        Ok(answer)
    }

    /// Enters a subscription that is about to be handed to the connection.
    pub(crate) fn expect_feed(&self, id: Id, queue: Arc<Queue>) -> Result<(), Ending> {
        let mut tables = self.tables();
        if let Some(ending) = &tables.ending {
            return Err(ending.clone());
        }
        tables.feeds.insert(
            id,
            Waiting {
                who: queue,
                sent: false,
            },
        );
        Ok(())
    }

    /// Nobody waits for this request's answer any more.
    pub(crate) fn forget_request(&self, id: Id) {
        self.tables().requests.remove(&id);
    }

    /// Nobody reads this subscription any more.
    pub(crate) fn forget_feed(&self, id: Id) {
        let mut tables = self.tables();
        if tables.feeds.remove(&id).is_some_and(|feed| feed.sent) {
            tables.unsubscribe.push(id);
            drop(tables);
            self.unwanted.notify_one();
        }
    }

    /// Marks what is sent from here on; false if nobody waits for it any more.
    pub(crate) fn mark_sent(&self, id: Id) -> bool {
        let mut tables = self.tables();
        if let Some(request) = tables.requests.get_mut(&id) {
            request.sent = true;
            return true;
        }
        if let Some(feed) = tables.feeds.get_mut(&id) {
            feed.sent = true;
            return true;
        }
        false
    }

    /// The subscriptions that are to be ended on the server.
    pub(crate) fn take_unwanted(&self) -> Vec<Id> {
        std::mem::take(&mut self.tables().unsubscribe)
    }

    /// A request's answer came.
    pub(crate) fn answer(&self, id: Id, outcome: Outcome) {
        if let Some(request) = self.tables().requests.remove(&id) {
            // The receiver is gone when the request was given up meanwhile.
            request.who.send(outcome).ok();
        }
    }

    /// An error came: a request's, or that of a `subscribe`.
    pub(crate) fn refuse(&self, id: Id, error: WireError) {
        let feed = self.tables().feeds.remove(&id);
        match feed {
            Some(feed) => feed.who.end(End::Ended { error, token: None }),
            None => self.answer(id, Outcome::Refused(error)),
        }
    }

    /// A message of a subscription came.
    pub(crate) fn deliver(&self, id: Id, part: FeedPart, bytes: usize) {
        let queue = self
            .tables()
            .feeds
            .get(&id)
            .map(|feed| Arc::clone(&feed.who));
        if let Some(queue) = queue
            && !queue.push(part, bytes)
        {
            self.forget_feed(id);
        }
    }

    /// The server ended a subscription.
    pub(crate) fn end_feed(&self, id: Id, end: End) {
        let feed = self.tables().feeds.remove(&id);
        if let Some(feed) = feed {
            feed.who.end(end);
        }
    }

    /// The connection was lost, and with it all that it had sent.
    pub(crate) fn lose(&self) {
        let mut tables = self.tables();
        tables.unsubscribe.clear();
        for (_, request) in tables.requests.extract_if(|_, request| request.sent) {
            request.who.send(Outcome::Lost).ok();
        }
        for (_, feed) in tables.feeds.extract_if(|_, feed| feed.sent) {
            feed.who.end(End::Lost);
        }
    }

    /// The connection will not be made again.
    pub(crate) fn finish(&self, ending: &Ending) {
        let mut tables = self.tables();
        tables.ending = Some(ending.clone());
        for (_, request) in tables.requests.drain() {
            request.who.send(ending.outcome()).ok();
        }
        for (_, feed) in tables.feeds.drain() {
            feed.who.end(ending.end());
        }
    }
}

impl Ending {
    /// As a request sees it.
    pub(crate) fn outcome(&self) -> Outcome {
        match self {
            Ending::Closed => Outcome::Closed,
            Ending::Refused(error) => Outcome::Refused(error.clone()),
        }
    }

    /// As a stream sees it.
    pub(crate) fn end(&self) -> End {
        match self {
            Ending::Closed => End::Closed,
            Ending::Refused(error) => End::Ended {
                error: error.clone(),
                token: None,
            },
        }
    }
}
