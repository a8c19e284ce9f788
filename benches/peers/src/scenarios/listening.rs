//! Subscribers that listen while something is written.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Result, ensure};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use super::writing::OPENING_MAX;
use super::{Measured, settle};
use crate::document::{Event, Topic};
use crate::driver::Subscriber;

/// How long nothing may come before the rest is taken for lost.
const SILENCE_MAX: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(10);

/// What one subscriber heard, in order.
#[derive(Debug)]
pub(super) struct Heard {
    pub(super) topic: Topic,
    pub(super) events: Vec<Event>,
}

/// Subscribers, each with its connection and a task that takes what comes.
#[derive(Debug)]
pub(super) struct Listening {
    subscribers: JoinSet<(Heard, Result<()>)>,
    heard: Arc<AtomicU64>,
    stop: watch::Sender<()>,
}

impl Listening {
    /// Opens a subscription to each of these topics, and lets the server come to rest.
    pub(super) async fn to(server: Measured<'_>, topics: Vec<Topic>) -> Result<Listening> {
        let opening = topics.iter().map(|topic| server.driver.subscribe(*topic));
        let opened = stream::iter(opening).buffered(OPENING_MAX);
        let opened: Vec<Box<dyn Subscriber>> = opened.try_collect().await?;
        let heard = Arc::new(AtomicU64::new(0));
        let (stop, stopped) = watch::channel(());
        let mut subscribers = JoinSet::new();
        for (topic, subscriber) in topics.into_iter().zip(opened) {
            subscribers.spawn(listen(topic, subscriber, heard.clone(), stopped.clone()));
        }
        settle().await;
        Ok(Listening {
            subscribers,
            heard,
            stop,
        })
    }

    /// Waits until so many events have come altogether, or none for a while.
    pub(super) async fn wait_for(&self, events: u64) {
        let mut last = (0, Instant::now());
        while last.0 < events && last.1.elapsed() < SILENCE_MAX {
            sleep_until(Instant::now() + POLL).await;
            let heard = self.heard.load(Ordering::Relaxed);
            if heard != last.0 {
                last = (heard, Instant::now());
            }
        }
    }

    /// Ends all subscriptions, and gives what they heard. What comes too often would come right
    /// behind what was waited for, so that they listen a moment longer.
    pub(super) async fn end(mut self) -> Result<Vec<Heard>> {
        sleep(POLL).await;
        self.stop.send(()).ok();
        let mut all = Vec::new();
        while let Some(joined) = self.subscribers.join_next().await {
            let (heard, ended) = joined?;
            if let Err(error) = ended {
                // What it did not hear any more is counted as lost.
                eprintln!("a subscriber to {:?}: {error:#}", heard.topic);
            }
            all.push(heard);
        }
        ensure!(!all.is_empty(), "nobody listened");
        Ok(all)
    }
}

async fn listen(
    topic: Topic,
    mut subscriber: Box<dyn Subscriber>,
    heard: Arc<AtomicU64>,
    mut stopped: watch::Receiver<()>,
) -> (Heard, Result<()>) {
    let mut events = Vec::new();
    let ended = loop {
        let before = events.len();
        let received = tokio::select! {
            received = subscriber.receive(&mut events) => received,
            _ = stopped.changed() => break Ok(()),
        };
        if received.is_err() {
            break received;
        }
        let more = u64::try_from(events.len() - before).unwrap_or(u64::MAX);
        heard.fetch_add(more, Ordering::Relaxed);
    };
    (Heard { topic, events }, ended)
}
