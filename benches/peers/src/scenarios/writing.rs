//! Writers that each write the next document when the last one is acknowledged.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::Result;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use tokio::task::JoinSet;

use super::Measured;
use crate::document::{ROOMS, Stamp, Topic, now_micros};
use crate::driver::Writer;

/// Connections that are opened at a time.
pub(super) const OPENING_MAX: usize = 32;

/// Where writers write.
#[derive(Clone, Copy, Debug)]
pub(super) enum Topics {
    All,
    RandomRooms,
}

/// When writers stop.
#[derive(Clone, Debug)]
pub(super) struct Until {
    /// At this time.
    pub(super) micros: u64,
    /// Once this many documents more have been begun by all of them.
    pub(super) left: Arc<AtomicU32>,
}

impl Until {
    pub(super) fn time(micros: u64) -> Until {
        Until::either(micros, u32::MAX)
    }

    pub(super) fn either(micros: u64, documents: u32) -> Until {
        let left = Arc::new(AtomicU32::new(documents));
        Until { micros, left }
    }

    /// Whether there is another document to write.
    fn begin(&self) -> bool {
        let take = |left: u32| left.checked_sub(1);
        let order = Ordering::Relaxed;
        now_micros() < self.micros && self.left.fetch_update(order, order, take).is_ok()
    }
}

/// A document that was acknowledged.
#[derive(Clone, Copy, Debug)]
pub(super) struct Acknowledged {
    pub(super) at_micros: u64,
    pub(super) after_micros: u64,
}

/// How many documents a writer has written to a topic: numbers from 0.
pub(super) type Counts = HashMap<(u32, Topic), u32>;

/// All that was written. A write that fails fails the measurement.
#[derive(Debug, Default)]
pub(super) struct Written {
    pub(super) acknowledged: Vec<Acknowledged>,
    pub(super) counts: Counts,
}

impl Written {
    /// The times that documents took which were acknowledged in this span, sorted.
    pub(super) fn sorted_micros(&self, from_micros: u64, to_micros: u64) -> Vec<u64> {
        let span = from_micros..to_micros;
        let within = self
            .acknowledged
            .iter()
            .filter(|acknowledged| span.contains(&acknowledged.at_micros));
        let mut times: Vec<u64> = within
            .map(|acknowledged| acknowledged.after_micros)
            .collect();
        times.sort_unstable();
        times
    }
}

/// Opens so many writers.
pub(super) async fn open(server: Measured<'_>, writers: u32) -> Result<Vec<Box<dyn Writer>>> {
    let opening = (0..writers).map(|_| server.driver.writer());
    stream::iter(opening)
        .buffered(OPENING_MAX)
        .try_collect()
        .await
}

/// Has all of them write at the same time.
pub(super) async fn write(
    writers: Vec<Box<dyn Writer>>,
    topics: Topics,
    until: &Until,
) -> Result<Written> {
    let mut tasks = JoinSet::new();
    for (id, writer) in (0..).zip(writers) {
        tasks.spawn(one(writer, id, topics, until.clone()));
    }
    let mut all = Written::default();
    while let Some(written) = tasks.join_next().await {
        let written = written??;
        all.acknowledged.extend(written.acknowledged);
        all.counts.extend(written.counts);
    }
    Ok(all)
}

async fn one(
    mut writer: Box<dyn Writer>,
    id: u32,
    topics: Topics,
    until: Until,
) -> Result<Written> {
    let mut written = Written::default();
    let mut rooms = Rooms::new(id);
    while until.begin() {
        let topic = match topics {
            Topics::All => Topic::All,
            Topics::RandomRooms => rooms.next(),
        };
        let number = written.counts.entry((id, topic)).or_default();
        let sent_micros = now_micros();
        let stamp = Stamp {
            writer: id,
            number: *number,
            sent_micros,
        };
        writer.write(topic, stamp).await?;
        *number += 1;
        let at_micros = now_micros();
        written.acknowledged.push(Acknowledged {
            at_micros,
            after_micros: at_micros - sent_micros,
        });
    }
    Ok(written)
}

/// Rooms in a random order that is the same in each run (xorshift64, Marsaglia 2003).
struct Rooms(u64);

impl Rooms {
    fn new(seed: u32) -> Rooms {
        Rooms((u64::from(seed) + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15))
    }

    fn next(&mut self) -> Topic {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        let room = (self.0 >> 32) % u64::from(ROOMS);
        Topic::Room(u16::try_from(room).unwrap_or(0))
    }
}
