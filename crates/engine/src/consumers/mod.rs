//! Consumers: subscriptions with a name, whose position the database keeps, and whose documents are
//! shared out among those who take part.
//!
//! A consumer is a document of a reserved collection, written by ordinary commits: its position is
//! as durable, and as ordered, as what it is a position of. The documents that it is sent fall into
//! [slots] by their paths; each slot has a position of its own and is with one subscription at a
//! time ([state]). Acknowledgements move positions in memory, and those who wait for them to be on
//! disk have them written together: one commit at a time, with all that has come by then.

mod record;
mod slots;
mod state;
mod subscription;

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use tokio::sync::watch;
use wellspring_types::consumer::{ConsumerName, ConsumerState};
use wellspring_types::write::{CommitRequest, Precondition, Write};
use wellspring_types::{Document, ResumeToken, Sequence};

use crate::commit::CommitError;
use crate::executor::Job;
use crate::feed::{FeedSources, SubscribeError, SubscriptionError};
use crate::options::Clock;
use crate::pipeline::{Command, Pipeline};
use crate::read::{self, ReadError};
use crate::token::{Place, TokenError};

use record::{Positions, Target};
use slots::Slots;
use state::{Acked, Generation, State};

pub(crate) use record::collection;
pub use subscription::ConsumerSubscription;

/// Why a consumer's subscription was not accepted, or has ended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConsumeError {
    /// The request names no consumer.
    #[error("a consumer's subscription names the consumer")]
    Nameless,
    /// What does not go with a consumer.
    #[error("{what} does not go with a consumer")]
    Unfit {
        /// The word that the request has.
        what: &'static str,
    },
    /// `unacked_max` is out of range.
    #[error("unacked_max is 1 to {}", wellspring_types::limits::UNACKED_MAX)]
    UnackedMax,
    /// `ack_timeout_ms` is out of range.
    #[error(
        "ack_timeout_ms is {} to {}",
        wellspring_types::limits::ACK_TIMEOUT_MS_RANGE.start(),
        wellspring_types::limits::ACK_TIMEOUT_MS_RANGE.end()
    )]
    AckTimeout,
    /// The consumer is there, and was made for something else.
    #[error(
        "the consumer {name} was made with other collections, where, select, old or patch; use \
         another name, or delete it"
    )]
    OtherTarget {
        /// The consumer.
        name: ConsumerName,
    },
    /// There are as many as there may be, and this would be one more.
    #[error(
        "there are {count} consumers, of at most {max}: delete one that nobody needs any more, or raise \
         the setting consumers_max"
    )]
    TooMany {
        /// How many there are.
        count: u64,
        /// How many there may be.
        max: u32,
    },
    /// It was deleted.
    #[error("the consumer {name} was deleted")]
    Deleted {
        /// The consumer.
        name: ConsumerName,
    },
    /// Nothing was acknowledged for too long. What it was sent is given to others.
    #[error("nothing was acknowledged for {timeout_ms} ms, and {unacked} commits are due")]
    Unacknowledged {
        /// The longest time.
        timeout_ms: u64,
        /// How many are due.
        unacked: usize,
    },
    /// Where it begins is no place to begin at.
    #[error(transparent)]
    Subscribe(#[from] SubscribeError),
    /// The feed has ended.
    #[error(transparent)]
    Subscription(#[from] SubscriptionError),
    /// What is stored of consumers could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The consumer could not be written.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// What is stored under this name is no consumer: another program has written it.
    #[error("the consumer {name} cannot be read")]
    Unreadable {
        /// The consumer.
        name: ConsumerName,
    },
}

/// Why an acknowledgement was not accepted, or a consumer not deleted.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConsumerError {
    /// It is not a token that can be acknowledged.
    #[error("token: {0}")]
    Token(#[from] TokenError),
    /// The subscription that was sent this has ended, or begun again: what is not acknowledged is
    /// sent again.
    #[error("the subscription that the token is of has ended; what it was sent is sent again")]
    SubscriptionOver,
    /// There is no consumer of this name.
    #[error("there is no consumer {name}")]
    NotFound {
        /// The name.
        name: ConsumerName,
    },
    /// It could not be written.
    #[error(transparent)]
    Commit(#[from] CommitError),
}

/// The consumers of a database that somebody has taken part in since it was opened.
///
/// What is written of them is written on threads that may block, and none of these locks is held by
/// a future: one that nobody polls, as its client does not read, would hold up everybody else.
pub(crate) struct Consumers {
    feed: Arc<FeedSources>,
    pipeline: Arc<Pipeline>,
    clock: Arc<dyn Clock>,
    /// Held for one operation on the map.
    known: Mutex<HashMap<ConsumerName, Arc<Consumer>>>,
    /// Held while a consumer is looked up on disk, made or deleted.
    making: Mutex<Count>,
    /// How many may be made.
    max: u32,
    generations: Arc<Generations>,
}

/// How many consumers there are on disk; `None` where that has to be looked up.
type Count = Option<u64>;

/// Gives numbers that no other opening of the database has given.
struct Generations(AtomicU64);

impl Generations {
    fn next(&self) -> Generation {
        self.0.fetch_add(1, Ordering::Relaxed)
    }
}

/// A consumer.
struct Consumer {
    name: ConsumerName,
    target: Target,
    /// Held for one operation on it.
    state: Mutex<State>,
    /// Held while it is written or deleted, so that what is written keeps its order.
    writing: Mutex<()>,
    stored: watch::Sender<Stored>,
    rounds: Mutex<Rounds>,
}

/// What is on disk.
struct Stored {
    positions: Positions,
    /// The last round of writing that is over, and what became of it.
    round: u64,
    outcome: Result<(), ConsumerError>,
}

impl Stored {
    fn covers(&self, acked: Acked) -> bool {
        let mut slots = acked.slots.iter();
        slots.all(|slot| self.positions[slot] >= acked.through)
    }
}

/// Rounds of writing: one at a time, each with all that has come by then.
#[derive(Default)]
struct Rounds {
    wanted: u64,
    is_running: bool,
}

impl Consumers {
    /// Of which at most `max` are made; `opening` is random.
    pub(crate) fn new(
        feed: Arc<FeedSources>,
        pipeline: Arc<Pipeline>,
        clock: Arc<dyn Clock>,
        (max, opening): (u32, u32),
    ) -> Consumers {
        Consumers {
            feed,
            pipeline,
            clock,
            known: Mutex::default(),
            making: Mutex::default(),
            max,
            generations: Arc::new(Generations(AtomicU64::new(u64::from(opening) << 32))),
        }
    }

    /// The consumer of this name, if there is one.
    async fn find(
        self: &Arc<Consumers>,
        name: &ConsumerName,
    ) -> Result<Option<Arc<Consumer>>, ConsumeError> {
        if let Some(known) = self.known(name) {
            return Ok(Some(known));
        }
        let name = name.clone();
        let find = move |consumers: &Consumers| {
            let _making = consumers.making.lock();
            consumers.look_up(&name)
        };
        self.blocking(find).await.ok_or(SubscriptionError::Closed)?
    }

    /// The consumer of this name, which is made where there is none.
    async fn find_or_make(
        self: &Arc<Consumers>,
        name: &ConsumerName,
        target: Target,
        position: Sequence,
    ) -> Result<Arc<Consumer>, ConsumeError> {
        let name = name.clone();
        let make = move |consumers: &Consumers| {
            let mut making = consumers.making.lock();
            match consumers.look_up(&name)? {
                Some(found) => Ok(found),
                None => consumers.make((&name, target), position, &mut making),
            }
        };
        self.blocking(make).await.ok_or(SubscriptionError::Closed)?
    }

    fn known(&self, name: &ConsumerName) -> Option<Arc<Consumer>> {
        self.known.lock().get(name).cloned()
    }

    fn look_up(&self, name: &ConsumerName) -> Result<Option<Arc<Consumer>>, ConsumeError> {
        if let Some(known) = self.known(name) {
            return Ok(Some(known));
        }
        let Some(document) = read::get(&self.feed.read, &record::path(name))? else {
            return Ok(None);
        };
        let read = record::read(&document.data);
        let (target, positions) = read.ok_or_else(|| {
            let name = name.clone();
            ConsumeError::Unreadable { name }
        })?;
        Ok(Some(self.note(name, target, positions)))
    }

    fn make(
        &self,
        (name, target): (&ConsumerName, Target),
        position: Sequence,
        making: &mut Count,
    ) -> Result<Arc<Consumer>, ConsumeError> {
        // Not known from here on, should anything fail.
        let count = match making.take() {
            Some(count) => count,
            None => read::count(&self.feed.read, &record::collection())?,
        };
        if count >= u64::from(self.max) {
            let max = self.max;
            *making = Some(count);
            return Err(ConsumeError::TooMany { count, max });
        }
        let positions = [position; slots::COUNT];
        let mut write = write_of(name, &target, &positions)?;
        write.precondition = Some(Precondition::Absent);
        self.order(write)?;
        *making = Some(count + 1);
        Ok(self.note(name, target, positions))
    }

    fn note(&self, name: &ConsumerName, target: Target, positions: Positions) -> Arc<Consumer> {
        let consumer = Arc::new(Consumer {
            name: name.clone(),
            target,
            state: Mutex::new(State::new(positions, Arc::clone(&self.generations))),
            writing: Mutex::default(),
            stored: watch::Sender::new(Stored {
                positions,
                round: 0,
                outcome: Ok(()),
            }),
            rounds: Mutex::default(),
        });
        let known = Arc::clone(&consumer);
        self.known.lock().insert(name.clone(), known);
        consumer
    }

    /// Acknowledges everything that the subscription of the token was sent up to it, and says which
    /// sequence that is, once that is on disk.
    pub(crate) async fn ack(
        self: &Arc<Consumers>,
        token: &ResumeToken,
    ) -> Result<Sequence, ConsumerError> {
        let sealer = &self.feed.sealer;
        let opened = sealer.open(token.as_str())?;
        let Place::InConsumer {
            position,
            generation,
            name,
        } = opened.place
        else {
            return Err(TokenError::NotOfConsumer.into());
        };
        let name: Option<ConsumerName> = name.parse().ok();
        let known = name.and_then(|name| self.known(&name));
        let consumer = known.filter(|_| opened.epoch == sealer.epoch());
        let consumer = consumer.ok_or(ConsumerError::SubscriptionOver)?;
        let acked = consumer.state.lock().ack(generation, position);
        let acked = acked.ok_or(ConsumerError::SubscriptionOver)?;
        self.store(&consumer, acked).await?;
        Ok(acked.through)
    }

    /// Has what was acknowledged on disk.
    async fn store(
        self: &Arc<Consumers>,
        consumer: &Arc<Consumer>,
        acked: Acked,
    ) -> Result<(), ConsumerError> {
        let mut stored = consumer.stored.subscribe();
        if stored.borrow().covers(acked) {
            return Ok(()); // Another has written it with its own.
        }
        let round = self.begin_round(consumer);
        let over = stored.wait_for(|stored| stored.round >= round || stored.covers(acked));
        let over = over.await.map_err(|_gone| CommitError::Closed)?;
        if over.covers(acked) {
            return Ok(());
        }
        over.outcome.clone()
    }

    /// Has a round of writing begin that writes what is acknowledged by now.
    fn begin_round(self: &Arc<Consumers>, consumer: &Arc<Consumer>) -> u64 {
        let mut rounds = consumer.rounds.lock();
        rounds.wanted += 1;
        if !std::mem::replace(&mut rounds.is_running, true) {
            let (consumers, consumer) = (Arc::clone(self), Arc::clone(consumer));
            let run = move || consumers.run_rounds(&consumer);
            self.feed.executor.block(Box::new(run));
        }
        rounds.wanted
    }

    /// Writes until nobody wants more to be written.
    fn run_rounds(&self, consumer: &Arc<Consumer>) {
        loop {
            let round = consumer.rounds.lock().wanted;
            let written = catch_unwind(AssertUnwindSafe(|| self.write(consumer)));
            let unknown = |_panic| Err(CommitError::OutcomeUnknown.into());
            let written = written.unwrap_or_else(unknown);
            consumer.stored.send_modify(|stored| {
                stored.round = round;
                stored.outcome = written.map(|positions| stored.positions = positions);
            });
            let mut rounds = consumer.rounds.lock();
            if rounds.wanted == round {
                rounds.is_running = false;
                return;
            }
        }
    }

    /// Writes the positions that a consumer has now.
    fn write(&self, consumer: &Arc<Consumer>) -> Result<Positions, ConsumerError> {
        let not_found = || ConsumerError::NotFound {
            name: consumer.name.clone(),
        };
        let _writing = consumer.writing.lock();
        let state = consumer.state.lock();
        // Another may have been made under its name.
        if state.is_deleted() {
            return Err(not_found());
        }
        let positions = *state.positions();
        drop(state);
        let mut write = write_of(&consumer.name, &consumer.target, &positions)?;
        write.precondition = Some(Precondition::Exists);
        match self.order(write) {
            Err(CommitError::PreconditionFailed { .. }) => {
                self.forget(consumer);
                Err(not_found())
            }
            Err(refused) => Err(refused.into()),
            Ok(_seq) => Ok(positions),
        }
    }

    /// Has the position on disk where a floor is about to pass what is: a quiet consumer is not to
    /// be found behind it after a crash. Where that fails it is tried again by and by.
    async fn store_before_floor(self: &Arc<Consumers>, consumer: &Arc<Consumer>) {
        let through = consumer.state.lock().position();
        let stored = record::lowest(&consumer.stored.borrow().positions);
        if stored >= self.feed.hub.announced() || stored >= through {
            return;
        }
        let slots = Slots::ALL;
        if let Err(error) = self.store(consumer, Acked { slots, through }).await {
            tracing::warn!(consumer = %consumer.name, %error, "its position is not on disk");
        }
    }

    /// Deletes a consumer, and says by which commit. Its subscriptions end.
    pub(crate) async fn delete(
        self: &Arc<Consumers>,
        name: &ConsumerName,
    ) -> Result<Sequence, ConsumerError> {
        let name = name.clone();
        let delete = move |consumers: &Consumers| {
            let mut making = consumers.making.lock();
            let known = consumers.known(&name);
            let _writing = known.as_ref().map(|known| known.writing.lock());
            let deleted = consumers.order(Write::delete(record::path(&name)));
            let count = making.take().filter(|_| deleted.is_ok());
            *making = count.map(|count| count.saturating_sub(1));
            let is_gone = matches!(deleted, Ok(_) | Err(CommitError::NotFound { .. }));
            if let Some(known) = known.as_ref().filter(|_| is_gone) {
                consumers.forget(known);
            }
            match deleted {
                Err(CommitError::NotFound { .. }) => Err(ConsumerError::NotFound { name }),
                deleted => Ok(deleted?),
            }
        };
        self.blocking(delete).await.ok_or(CommitError::Closed)?
    }

    fn forget(&self, consumer: &Arc<Consumer>) {
        self.known.lock().remove(&consumer.name);
        consumer.state.lock().delete();
    }

    /// A consumer as it is now, by what is stored of it.
    pub(crate) fn describe(&self, document: &Document) -> Option<ConsumerState> {
        let name: ConsumerName = document.path.id().parse().ok()?;
        let (target, positions) = record::read(&document.data)?;
        let (position, (subscriptions, unacked)) = match self.known(&name) {
            Some(known) => {
                let state = known.state.lock();
                (state.position(), state.counts())
            }
            None => (record::lowest(&positions), (0, 0)),
        };
        Some(ConsumerState {
            name,
            collections: target.collections,
            view: target.view,
            position,
            token: self.feed.sealer.position(position),
            subscriptions: u32::try_from(subscriptions).unwrap_or(u32::MAX),
            unacked: unacked as u64,
        })
    }

    fn order(&self, write: Write) -> Result<Sequence, CommitError> {
        let command = Command {
            request: CommitRequest::of(vec![write]),
            principal: None,
            digest: None,
            stamped: self.clock.now(),
            reads_checked: Ok(Sequence::ZERO),
            frees_space: false,
        };
        Ok(self.pipeline.order_blocking(command)?.seq)
    }

    /// Does what blocks; `None` if the runtime ended, or it panicked. It goes on where nobody waits.
    async fn blocking<T: Send + 'static>(
        self: &Arc<Consumers>,
        work: impl FnOnce(&Consumers) -> T + Send + 'static,
    ) -> Option<T> {
        let consumers = Arc::clone(self);
        let job = Job::start(&self.feed.executor, move || work(&consumers));
        job.await.ok()
    }
}

fn write_of(
    name: &ConsumerName,
    target: &Target,
    positions: &Positions,
) -> Result<Write, CommitError> {
    let path = record::path(name);
    match record::write(target, positions) {
        Ok(data) => Ok(Write::set(path, data)),
        Err(error) => Err(CommitError::Effect {
            path,
            source: crate::EffectError::Document(error),
        }),
    }
}
