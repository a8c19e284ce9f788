//! A client that follows a collection: through sessions of all kinds, through crashes, by messages
//! and by pages, slowly, impatiently, and sometimes from an older token than its last.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use wellspring_engine::{Database, PageLimit, SubscribeError, Subscription, SubscriptionError};
use wellspring_testkit::history::recorder::{FeedRecorder, Recorder, TokenPlace};
use wellspring_types::feed::{FeedMessage, From, SubscribeRequest};
use wellspring_types::{ResumeToken, Select, Sequence, limits};

use super::patience::{at_most, turns};
use super::{collection, filter, one_of};
use crate::world::World;

/// Older tokens that are kept.
const TOKENS_MAX: usize = 8;

pub(crate) struct Follower {
    name: String,
    feed: FeedRecorder,
    request: SubscribeRequest,
    /// The newest last. That of a page has a position that only the session after it tells, so that
    /// it is gone on from at once or not at all.
    tokens: Vec<TokenPlace>,
    is_page: bool,
    /// The recorder's token of what was before a new beginning.
    stale: Option<TokenPlace>,
    began_at: Sequence,
    polls: bool,
}

impl Follower {
    pub(crate) fn new(world: &World, recorder: &Recorder, number: u64) -> Option<Follower> {
        let mut request = SubscribeRequest::new(collection(world)?, From::Now);
        request.view.filter = filter(world);
        request.view.old = world.chance(1, 3);
        request.view.patch = world.chance(1, 4);
        if world.chance(1, 5) {
            let fields = vec!["n".parse().ok()?, "room".parse().ok()?];
            request.view.select = Select::new(fields).ok();
        }
        request.checkpoint_interval_ms = limits::CHECKPOINT_INTERVAL_MS_MIN;
        let name = format!("s{number}");
        Some(Follower {
            feed: FeedRecorder::new(recorder.clone(), &name, &request),
            name,
            request,
            tokens: Vec::new(),
            is_page: false,
            stale: None,
            began_at: Sequence::ZERO,
            polls: world.chance(1, 4),
        })
    }

    pub(crate) fn name(&self) -> String {
        self.name.clone()
    }

    /// Where the next session begins.
    fn next_request(&mut self, world: &World) -> SubscribeRequest {
        world.count(|counts| counts.sessions += 1);
        let transport = if self.polls { "pages" } else { "engine" };
        let mut request = self.request.clone();
        request.end_on_gap = false;
        let place = match self.tokens.len() {
            0 => None,
            _ if world.chance(1, 12) => None,
            count if world.chance(1, 6) => {
                let back = world.below(u64::try_from(count).unwrap_or(1));
                usize::try_from(back).ok()
            }
            count => {
                request.end_on_gap = world.chance(1, 6);
                Some(count - 1)
            }
        };
        match place.and_then(|place| self.tokens.get(place)).cloned() {
            Some(at) => {
                self.feed.resume(transport, &at);
                request.from = From::Token(at.token);
            }
            None => {
                self.forget();
                let from = [From::Now, From::Snapshot, From::Beginning];
                request.from = from[usize::try_from(world.below(3)).unwrap_or(0)].clone();
                self.feed.begin(transport, &request.from);
            }
        }
        world.note(|| format!("{}: {:?}", self.name, request.from));
        request
    }

    fn message(&mut self, world: &World, message: &FeedMessage) {
        world.note(|| format!("{} gets {}", self.name, told(message)));
        match message {
            FeedMessage::Subscribed { seq, .. } => self.began_at = *seq,
            FeedMessage::Current { seq, .. } => {
                self.tokens.clear();
                let moved = u64::from(*seq > self.began_at);
                world.count(|counts| counts.re_pins += moved);
            }
            // Places inside a snapshot are only gone on from in their order.
            FeedMessage::Snapshot { .. } => self.tokens.clear(),
            FeedMessage::Reset { .. } => world.count(|counts| counts.resets += 1),
            _ => {}
        }
        world.count(|counts| counts.messages += 1);
        self.feed.message(message);
        self.keep_token();
    }

    fn keep_token(&mut self) {
        if std::mem::take(&mut self.is_page) {
            self.tokens.pop();
        }
        if let Some(token) = self.feed.token() {
            if self.tokens.last() != Some(token) && self.stale.as_ref() != Some(token) {
                self.tokens.push(token.clone());
            }
            if self.tokens.len() > TOKENS_MAX {
                self.tokens.remove(0);
            }
        }
    }

    fn keep_page_token(&mut self, token: &ResumeToken) {
        self.feed.page(token);
        self.keep_token();
        self.is_page = true;
    }

    fn expired(&mut self) {
        self.feed.ended("token_expired");
        self.forget();
    }

    fn forget(&mut self) {
        self.tokens.clear();
        self.is_page = false;
        self.stale = self.feed.token().cloned();
    }
}

fn told(message: &FeedMessage) -> String {
    match message {
        FeedMessage::Subscribed { how, seq, .. } => format!("subscribed {how:?} {seq}"),
        FeedMessage::Snapshot {
            documents, removed, ..
        } => {
            let ids = documents
                .iter()
                .map(|d| format!("{}@{}", d.path.id(), d.version));
            let removed = removed.iter().map(|path| format!("-{}", path.id()));
            let all: Vec<String> = ids.chain(removed).collect();
            format!("snapshot {}", all.join(" "))
        }
        FeedMessage::Current { seq, .. } => format!("current {seq}"),
        FeedMessage::Changes { commits, .. } => {
            let commits = commits.iter().map(|commit| commit.seq.to_string());
            format!("changes {}", commits.collect::<Vec<_>>().join(" "))
        }
        FeedMessage::Checkpoint { seq, .. } => format!("checkpoint {seq}"),
        FeedMessage::Reset { reason, .. } => format!("reset {reason:?}"),
    }
}

/// Follows until the database closes, or the process ends.
pub(crate) async fn follow(world: Arc<World>, database: Database, follower: Arc<Mutex<Follower>>) {
    loop {
        turns(1 + world.below(6)).await;
        let request = follower.lock().next_request(&world);
        let subscription = match database.subscribe(request) {
            Ok(subscription) => subscription,
            Err(SubscribeError::TokenExpired { .. }) => {
                follower.lock().expired();
                continue;
            }
            Err(error) => {
                world.fail(format!("a subscription is refused: {error}"));
                return;
            }
        };
        let polls = follower.lock().polls;
        let ended = if polls {
            page(&world, subscription, &follower).await
        } else {
            session(&world, subscription, &follower).await
        };
        match ended {
            Ok(()) => {}
            Err(SubscriptionError::TokenExpired { .. }) => follower.lock().expired(),
            Err(SubscriptionError::Closed) => return,
            Err(error) if world.may_fail() => {
                world.note(|| format!("a session ends: {error}"));
            }
            Err(error) => {
                world.fail(format!("a session ends: {error}"));
                return;
            }
        }
    }
}

async fn session(
    world: &World,
    mut subscription: Subscription,
    follower: &Mutex<Follower>,
) -> Result<(), SubscriptionError> {
    let messages = 1 + world.below(60);
    let is_slow = world.chance(1, 3);
    let mut received = 0;
    while received < messages {
        let polls = if world.chance(1, 8) {
            world.below(3)
        } else {
            1_000
        };
        if let Some(message) = at_most(polls, subscription.next()).await {
            follower.lock().message(world, &message?);
            received += 1;
        } else {
            turns(1).await;
        }
        if is_slow {
            turns(world.below(40)).await;
        }
    }
    Ok(())
}

async fn page(
    world: &World,
    mut subscription: Subscription,
    follower: &Mutex<Follower>,
) -> Result<(), SubscriptionError> {
    let limit = PageLimit {
        bytes: one_of(world, &[1, 500, 100_000]),
        messages: one_of(world, &[1, 5]),
    };
    let wait = Duration::from_millis(world.below(3) * 10);
    let page = subscription.page(limit, wait).await?;
    let mut follower = follower.lock();
    for message in &page.messages {
        follower.message(world, message);
    }
    follower.keep_page_token(&page.token);
    Ok(())
}

/// Reads everything that is left, through to where the database is.
pub(crate) async fn finish(world: Arc<World>, database: Database, follower: Arc<Mutex<Follower>>) {
    let mut is_last = false;
    loop {
        let request = {
            let mut follower = follower.lock();
            follower.polls = true;
            let mut request = follower.request.clone();
            match follower.tokens.last().cloned() {
                Some(at) => {
                    follower.feed.resume("pages", &at);
                    request.from = From::Token(at.token);
                }
                None => {
                    follower.forget();
                    request.from = From::Snapshot;
                    follower.feed.begin("pages", &request.from);
                }
            }
            request
        };
        let limit = PageLimit {
            bytes: 10_000,
            messages: 20,
        };
        let page = match database.subscribe(request) {
            Ok(mut subscription) => match subscription.page(limit, Duration::ZERO).await {
                Ok(page) => page,
                Err(error) => {
                    world.fail(format!("the last pages end with {error}"));
                    return;
                }
            },
            Err(error) => {
                world.fail(format!("the last pages are refused: {error}"));
                return;
            }
        };
        let mut follower = follower.lock();
        for message in &page.messages {
            follower.message(&world, message);
        }
        follower.keep_page_token(&page.token);
        if is_last {
            return; // And this page has told the position of the one before.
        }
        is_last = !page.more;
    }
}
