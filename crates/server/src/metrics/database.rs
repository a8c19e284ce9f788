//! What the database counts, as metrics. They are described while it opens, too, and have values
//! once it is open.

use std::fmt::{self, Error};
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use wellspring_engine::{Distribution, Health, ReadOnlyReason, Statistics, SubscriptionState};

use super::describe;
use crate::client::SUBSCRIPTION_TRANSPORTS;
use crate::phase::{Phase, PhaseReader};

pub(super) struct DatabaseMetrics(PhaseReader);

impl DatabaseMetrics {
    pub(super) fn new(phase: PhaseReader) -> DatabaseMetrics {
        DatabaseMetrics(phase)
    }
}

impl fmt::Debug for DatabaseMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DatabaseMetrics")
    }
}

/// A metric that is one number.
struct Plain {
    name: &'static str,
    help: &'static str,
    kind: Kind,
    value: fn(&Statistics) -> Option<u64>,
}

#[derive(Clone, Copy)]
enum Kind {
    Counter,
    Gauge,
}

const fn gauge(
    name: &'static str,
    help: &'static str,
    value: fn(&Statistics) -> Option<u64>,
) -> Plain {
    let kind = Kind::Gauge;
    Plain {
        name,
        help,
        kind,
        value,
    }
}

const fn counter(
    name: &'static str,
    help: &'static str,
    value: fn(&Statistics) -> Option<u64>,
) -> Plain {
    let kind = Kind::Counter;
    Plain {
        name,
        help,
        kind,
        value,
    }
}

const PLAIN: &[Plain] = &[
    counter("wellspring_commits", "Commits that became durable", |now| {
        Some(now.commits)
    }),
    gauge(
        "wellspring_visible_sequence",
        "The last commit that readers see",
        |now| Some(now.visible.0),
    ),
    gauge(
        "wellspring_applied_sequence",
        "The last commit that the store has",
        |now| Some(now.applied.0),
    ),
    gauge(
        "wellspring_apply_lag_commits",
        "Commits that are visible and not yet in the store",
        |now| Some(now.visible.0.saturating_sub(now.applied.0)),
    ),
    gauge(
        "wellspring_handed_out_sequence",
        "The last commit that is in the queues of all live subscriptions",
        |now| Some(now.handed_out.0),
    ),
    gauge(
        "wellspring_oldest_sequence",
        "The first commit that is offered to those who come back",
        |now| Some(now.oldest.0),
    ),
    gauge(
        "wellspring_collection_floors",
        "Collections with a floor of their own",
        |now| Some(now.collection_floors),
    ),
    gauge(
        "wellspring_snapshot_sequence",
        "The last commit of the newest snapshot of the log",
        |now| Some(now.snapshot.0),
    ),
    counter(
        "wellspring_keeper_failures",
        "Times that a snapshot could not be made, or something not be dropped",
        |now| Some(now.keeper_failures),
    ),
    gauge(
        "wellspring_overlay_bytes",
        "Commits that are visible and not yet in the store",
        |now| Some(now.overlay_bytes),
    ),
    gauge(
        "wellspring_ring_bytes",
        "Commits that wait to be handed out to subscriptions",
        |now| Some(now.ring_bytes),
    ),
    gauge(
        "wellspring_subscription_queue_bytes",
        "Changes in the queues of all subscriptions",
        |now| Some(now.subscriptions.queued_bytes),
    ),
    gauge(
        "wellspring_subscription_lag_max_commits",
        "Commits that the subscription furthest behind still has to pass",
        |now| Some(now.subscriptions.lag_max),
    ),
    gauge(
        "wellspring_checkpoint_lag_max_commits",
        "Commits since the oldest position that a subscription was told",
        |now| Some(now.subscriptions.checkpoint_lag_max),
    ),
    counter(
        "wellspring_subscription_overflows",
        "Times that a live subscription fell behind and went on from the log",
        |now| Some(now.subscription_overflows),
    ),
    counter(
        "wellspring_catch_up_passes",
        "Passes over the log, each for all subscriptions of the same collections that were about as far behind",
        |now| Some(now.passes),
    ),
    counter(
        "wellspring_catch_up_commits",
        "Commits read from the log for subscriptions that were not live, those of a pass once",
        |now| Some(now.catch_up_commits),
    ),
    counter(
        "wellspring_catch_up_bytes",
        "Changes read from the log for subscriptions that were not live",
        |now| Some(now.catch_up_bytes),
    ),
    gauge(
        "wellspring_disk_free_bytes",
        "Free space on the file system of the data",
        |now| now.free_bytes,
    ),
    gauge(
        "wellspring_disk_reserve_bytes",
        "Free space below which commits are refused",
        |now| Some(now.reserve_bytes),
    ),
];

impl Collector for DatabaseMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), Error> {
        let now = match self.0.get() {
            Phase::Ready(database) => Some(database.statistics()),
            Phase::Opening(_) | Phase::Closed => None,
        };
        let now = now.as_ref();
        for plain in PLAIN {
            plain.encode(&mut encoder, now)?;
        }
        histograms(&mut encoder, now)?;
        subscriptions(&mut encoder, now)?;
        read_only(&mut encoder, now)
    }
}

impl Plain {
    fn encode(
        &self,
        encoder: &mut DescriptorEncoder<'_>,
        now: Option<&Statistics>,
    ) -> Result<(), Error> {
        let kind = match self.kind {
            Kind::Counter => MetricType::Counter,
            Kind::Gauge => MetricType::Gauge,
        };
        let encoder = describe(encoder, self.name, self.help, kind)?;
        let Some(value) = now.and_then(self.value) else {
            return Ok(());
        };
        match self.kind {
            Kind::Counter => ConstCounter::new(value).encode(encoder),
            Kind::Gauge => ConstGauge::new(value).encode(encoder),
        }
    }
}

fn histograms(encoder: &mut DescriptorEncoder<'_>, now: Option<&Statistics>) -> Result<(), Error> {
    let (name, help) = (
        "wellspring_group_commits",
        "Commits written and synced together",
    );
    let group = describe(encoder, name, help, MetricType::Histogram)?;
    histogram(group, now.map(|now| &now.group_commits), plain)?;

    let (name, help) = (
        "wellspring_group_bytes",
        "Bytes written and synced together",
    );
    let group = describe(encoder, name, help, MetricType::Histogram)?;
    histogram(group, now.map(|now| &now.group_bytes), plain)?;

    let (name, help) = (
        "wellspring_log_sync_seconds",
        "Time to write a group to the log and to sync it",
    );
    let append = describe(encoder, name, help, MetricType::Histogram)?;
    histogram(append, now.map(|now| &now.append_micros), seconds)
}

fn histogram(
    mut encoder: MetricEncoder<'_>,
    distribution: Option<&Distribution>,
    unit: fn(u64) -> f64,
) -> Result<(), Error> {
    let Some(distribution) = distribution else {
        return Ok(());
    };
    let bounded = distribution.buckets.iter();
    let mut buckets: Vec<(f64, u64)> = bounded.map(|(most, count)| (unit(*most), *count)).collect();
    buckets.push((f64::INFINITY, distribution.above));
    let (sum, count) = (unit(distribution.sum), distribution.count());
    encoder.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)
}

fn plain(value: u64) -> f64 {
    // Exact up to 2^53, far beyond what there is to count.
    value as f64
}

fn seconds(micros: u64) -> f64 {
    Duration::from_micros(micros).as_secs_f64()
}

fn subscriptions(
    encoder: &mut DescriptorEncoder<'_>,
    now: Option<&Statistics>,
) -> Result<(), Error> {
    let (name, help) = ("wellspring_subscriptions", "Subscriptions that there are");
    let mut encoder = describe(encoder, name, help, MetricType::Gauge)?;
    let Some(now) = now else { return Ok(()) };
    for transport in SUBSCRIPTION_TRANSPORTS {
        for state in SubscriptionState::ALL {
            let mut counts = now.subscriptions.counts.iter();
            let found = counts.find(|(t, s, _)| *t == transport && *s == state);
            let count = found.map_or(0, |(_, _, count)| *count);
            let labels = [("transport", transport), ("state", state.as_str())];
            ConstGauge::new(count).encode(encoder.encode_family(&labels)?)?;
        }
    }
    Ok(())
}

fn read_only(encoder: &mut DescriptorEncoder<'_>, now: Option<&Statistics>) -> Result<(), Error> {
    let (name, help) = ("wellspring_read_only", "Why commits are refused: 1 if so");
    let mut encoder = describe(encoder, name, help, MetricType::Gauge)?;
    let Some(now) = now else { return Ok(()) };
    for reason in ReadOnlyReason::ALL {
        let is_it = u64::from(now.health == Health::ReadOnly(reason));
        let labels = [("reason", reason.as_str())];
        ConstGauge::new(is_it).encode(encoder.encode_family(&labels)?)?;
    }
    Ok(())
}
