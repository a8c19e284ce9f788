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
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;
use wellspring_types::consumer::ConsumerName;
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
use state::{Acked, Generation, MemberId, Order, Share, State};

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
#[derive(Debug, thiserror::Error)]
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
pub(crate) struct Consumers {
    feed: Arc<FeedSources>,
    pipeline: Arc<Pipeline>,
    clock: Arc<dyn Clock>,
    /// Held for one operation on the map.
    known: Mutex<HashMap<ConsumerName, Arc<Consumer>>>,
    /// Whoever looks a consumer up on disk, makes one or deletes one holds this meanwhile.
    making: tokio::sync::Mutex<()>,
    generations: Arc<Generations>,
}

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
    /// Never held across an await.
    state: Mutex<State>,
    /// What is on disk; whoever writes it holds this meanwhile, so that writes keep their order.
    stored: tokio::sync::Mutex<Positions>,
    /// The lowest position on disk.
    stored_position: AtomicU64,
    next_member: AtomicU64,
    generations: Arc<Generations>,
}

impl Consumers {
    /// `opening` is random.
    pub(crate) fn new(
        feed: Arc<FeedSources>,
        pipeline: Arc<Pipeline>,
        clock: Arc<dyn Clock>,
        opening: u32,
    ) -> Consumers {
        Consumers {
            feed,
            pipeline,
            clock,
            known: Mutex::default(),
            making: tokio::sync::Mutex::default(),
            generations: Arc::new(Generations(AtomicU64::new(u64::from(opening) << 32))),
        }
    }

    /// The consumer of this name, which is made with `target` if there is none, at the position
    /// that `begin` gives.
    async fn find_or_make(
        &self,
        name: &ConsumerName,
        target: &Target,
        begin: impl AsyncFnOnce() -> Result<Sequence, ConsumeError>,
    ) -> Result<Arc<Consumer>, ConsumeError> {
        let _making = self.making.lock().await;
        let known = self.known.lock().get(name).cloned();
        let consumer = match known {
            Some(known) => known,
            None => {
                let consumer = match self.stored(name).await? {
                    Some(stored) => stored,
                    None => self.make(name, target, begin().await?).await?,
                };
                let consumer = Arc::new(consumer);
                self.known
                    .lock()
                    .insert(name.clone(), Arc::clone(&consumer));
                consumer
            }
        };
        if consumer.target != *target {
            let name = name.clone();
            return Err(ConsumeError::OtherTarget { name });
        }
        Ok(consumer)
    }

    async fn stored(&self, name: &ConsumerName) -> Result<Option<Consumer>, ConsumeError> {
        let (sources, path) = (self.feed.read.clone(), record::path(name));
        let get = Job::start(&self.feed.executor, move || read::get(&sources, &path));
        let document = get.await.map_err(|_lost| SubscriptionError::Closed)??;
        document
            .map(|document| {
                let read = record::read(&document.data);
                let (target, positions) = read.ok_or_else(|| {
                    let name = name.clone();
                    ConsumeError::Unreadable { name }
                })?;
                Ok(self.consumer(name, target, positions))
            })
            .transpose()
    }

    async fn make(
        &self,
        name: &ConsumerName,
        target: &Target,
        position: Sequence,
    ) -> Result<Consumer, ConsumeError> {
        let positions = [position; slots::COUNT];
        let mut write = write_of(name, target, &positions)?;
        write.precondition = Some(Precondition::Absent);
        self.order(write).await?;
        Ok(self.consumer(name, target.clone(), positions))
    }

    fn consumer(&self, name: &ConsumerName, target: Target, positions: Positions) -> Consumer {
        let state = State::new(positions);
        Consumer {
            name: name.clone(),
            target,
            stored_position: AtomicU64::new(state.position().0),
            state: Mutex::new(state),
            stored: tokio::sync::Mutex::new(positions),
            next_member: AtomicU64::new(0),
            generations: Arc::clone(&self.generations),
        }
    }

    /// Acknowledges everything that the subscription of the token was sent up to it, and says which
    /// sequence that is, once that is on disk.
    pub(crate) async fn ack(&self, token: &ResumeToken) -> Result<Sequence, ConsumerError> {
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
        let known = || -> Option<Arc<Consumer>> {
            let name = name.parse().ok()?;
            self.known.lock().get(&name).cloned()
        };
        let consumer = known().filter(|_| opened.epoch == sealer.epoch());
        let consumer = consumer.ok_or(ConsumerError::SubscriptionOver)?;
        let acked = consumer.ack(generation, position);
        let acked = acked.ok_or(ConsumerError::SubscriptionOver)?;
        self.store(&consumer, acked).await?;
        Ok(acked.through)
    }

    /// Has what was acknowledged on disk.
    async fn store(&self, consumer: &Consumer, acked: Acked) -> Result<(), ConsumerError> {
        let mut stored = consumer.stored.lock().await;
        if acked.slots.iter().all(|slot| stored[slot] >= acked.through) {
            return Ok(()); // Another has written it with its own.
        }
        let positions = *consumer.state.lock().positions();
        let mut write = write_of(&consumer.name, &consumer.target, &positions)?;
        write.precondition = Some(Precondition::Exists);
        match self.order(write).await {
            Err(CommitError::PreconditionFailed { .. }) => {
                self.forget(consumer);
                let name = consumer.name.clone();
                return Err(ConsumerError::NotFound { name });
            }
            written => written?,
        };
        *stored = positions;
        let lowest = positions.iter().min().copied().unwrap_or_default();
        consumer.stored_position.store(lowest.0, Ordering::Relaxed);
        Ok(())
    }

    /// Has the position on disk where a floor is about to pass what is: a quiet consumer is not to
    /// be found behind it after a crash. Where that fails it is tried again by and by.
    async fn store_before_floor(&self, consumer: &Consumer) {
        let through = consumer.state.lock().position();
        let stored = consumer.stored_position();
        if stored >= self.feed.hub.announced() || stored >= through {
            return;
        }
        let slots = Slots::ALL;
        if let Err(error) = self.store(consumer, Acked { slots, through }).await {
            tracing::warn!(consumer = %consumer.name, %error, "its position is not on disk");
        }
    }

    /// Deletes a consumer, and says by which commit. Its subscriptions end.
    pub(crate) async fn delete(&self, name: &ConsumerName) -> Result<Sequence, ConsumerError> {
        let _making = self.making.lock().await;
        let known = self.known.lock().get(name).cloned();
        let stored = match &known {
            Some(known) => Some(known.stored.lock().await),
            None => None,
        };
        let deleted = self.order(Write::delete(record::path(name))).await;
        let is_gone = matches!(deleted, Ok(_) | Err(CommitError::NotFound { .. }));
        drop(stored);
        if let Some(known) = known.filter(|_| is_gone) {
            self.forget(&known);
        }
        match deleted {
            Err(CommitError::NotFound { .. }) => {
                Err(ConsumerError::NotFound { name: name.clone() })
            }
            deleted => Ok(deleted?),
        }
    }

    fn forget(&self, consumer: &Consumer) {
        self.known.lock().remove(&consumer.name);
        consumer.state.lock().delete();
    }

    /// A consumer as it is now, by what is stored of it.
    pub(crate) fn describe(
        &self,
        document: &Document,
    ) -> Option<wellspring_types::consumer::ConsumerState> {
        let name: ConsumerName = document.path.id().parse().ok()?;
        let (target, positions) = record::read(&document.data)?;
        let (position, (subscriptions, unacked)) = match self.known.lock().get(&name) {
            Some(known) => {
                let state = known.state.lock();
                (state.position(), state.counts())
            }
            None => (State::new(positions).position(), (0, 0)),
        };
        Some(wellspring_types::consumer::ConsumerState {
            name,
            collections: target.collections,
            view: target.view,
            position,
            token: self.feed.sealer.position(position),
            subscriptions: u32::try_from(subscriptions).unwrap_or(u32::MAX),
            unacked: unacked as u64,
        })
    }

    async fn order(&self, write: Write) -> Result<Sequence, CommitError> {
        let command = Command {
            request: CommitRequest::of(vec![write]),
            principal: None,
            digest: None,
            stamped: self.clock.now(),
            reads_checked: Ok(Sequence::ZERO),
            frees_space: false,
        };
        Ok(self.pipeline.order(command).await?.seq)
    }
}

/// The reserved collection, to be listed.
pub(crate) fn collection() -> wellspring_types::CollectionPath {
    record::collection()
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

impl Consumer {
    fn join(&self, changed: Arc<Notify>) -> MemberId {
        let id = self.next_member.fetch_add(1, Ordering::Relaxed);
        let next = &mut || self.generations.next();
        self.state.lock().join(id, changed, next);
        id
    }

    fn leave(&self, id: MemberId) {
        let next = &mut || self.generations.next();
        self.state.lock().leave(id, next);
    }

    fn ack(&self, generation: Generation, through: Sequence) -> Option<Acked> {
        let next = &mut || self.generations.next();
        self.state.lock().ack(generation, through, next)
    }

    fn order(
        &self,
        id: MemberId,
        generation: Option<Generation>,
        unacked_max: usize,
    ) -> (Order, Option<Instant>) {
        self.state.lock().order(id, generation, unacked_max)
    }

    fn share(&self, id: MemberId) -> Option<Share> {
        self.state.lock().share(id)
    }

    fn stored_position(&self) -> Sequence {
        Sequence(self.stored_position.load(Ordering::Relaxed))
    }
}
