//! Metrics for Prometheus, of one server: nothing is global, so that two servers in a process do
//! not count into each other. What the database counts is asked for when somebody looks.

mod database;
mod labels;
mod process;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use wellspring_protocol::error::Code;

use crate::phase::PhaseReader;
use labels::{BuildLabels, CodeLabel, ProtocolLabel, RequestLabels, RouteLabels};
pub(crate) use labels::{Outcome, Protocol, Route, Transport};

/// The text that [`Metrics::text`] writes: OpenMetrics 1.0, which Prometheus reads since 2.5.
pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Upper bounds of the buckets of a request's time, in seconds.
const REQUEST_SECONDS: [f64; 14] = [
    0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

/// What a server counts. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Metrics(Arc<Inner>);

struct Inner {
    registry: Registry,
    counted: Counted,
}

struct Counted {
    requests: Family<RequestLabels, Counter>,
    request_seconds: Family<RouteLabels, Histogram>,
    errors: Family<CodeLabel, Counter>,
    commits_refused: Family<CodeLabel, Counter>,
    connections: Family<ProtocolLabel, Gauge>,
    connections_accepted: Family<ProtocolLabel, Counter>,
    connections_turned_away: Counter,
    outbox_bytes: Gauge,
    build: Family<BuildLabels, Gauge>,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Metrics {
    pub(crate) fn new(phase: PhaseReader) -> Metrics {
        let counted = Counted::new();
        let mut registry = Registry::default();
        counted.register(registry.sub_registry_with_prefix("wellspring"));
        registry.register_collector(Box::new(database::DatabaseMetrics::new(phase)));
        registry.register_collector(Box::new(process::ProcessMetrics));
        Metrics(Arc::new(Inner { registry, counted }))
    }

    /// Everything, as [`CONTENT_TYPE`] says. Blocks: it looks at every subscription and reads
    /// files of the system.
    ///
    /// # Errors
    /// None in practice: it writes to memory.
    pub(crate) fn text(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        encode_registry(&mut text, &self.0.registry)?;
        encode_eof(&mut text)?;
        Ok(text)
    }

    /// A request was answered, or what it asked for has begun.
    pub(crate) fn answered(
        &self,
        transport: Transport,
        route: Route,
        outcome: Outcome,
        took: Duration,
    ) {
        let counted = &self.0.counted;
        let (transport, route) = (transport.as_str(), route.as_str());
        let labels = RequestLabels {
            transport,
            route,
            code: outcome.as_str(),
        };
        counted.requests.get_or_create(&labels).inc();
        let labels = RouteLabels { transport, route };
        let seconds = counted.request_seconds.get_or_create(&labels);
        seconds.observe(took.as_secs_f64());
        if let Outcome::Failed(code) = outcome {
            self.told(code);
        }
    }

    /// A client was told an error that is not the answer to a request: why its stream ends.
    pub(crate) fn told(&self, code: Code) {
        self.0.counted.errors.get_or_create(&label(code)).inc();
    }

    /// A commit was refused.
    pub(crate) fn refused_commit(&self, code: Code) {
        let refused = &self.0.counted.commits_refused;
        refused.get_or_create(&label(code)).inc();
    }

    /// A connection begins. It ends when what is returned is dropped.
    pub(crate) fn connected(&self, protocol: Protocol) -> Share {
        let protocol = protocol.as_str();
        let label = ProtocolLabel { protocol };
        let accepted = &self.0.counted.connections_accepted;
        accepted.get_or_create(&label).inc();
        let connections = &self.0.counted.connections;
        Share::of(connections.get_or_create_owned(&label), 1)
    }

    /// A connection was closed at once, for there are too many.
    pub(crate) fn turned_away(&self) {
        self.0.counted.connections_turned_away.inc();
    }

    /// The bytes that wait for clients, to be shared in.
    pub(crate) fn outbox_bytes(&self) -> Gauge {
        self.0.counted.outbox_bytes.clone()
    }
}

/// A share in a gauge, given back when dropped.
#[derive(Debug)]
pub(crate) struct Share {
    gauge: Gauge,
    amount: i64,
}

impl Share {
    pub(crate) fn of(gauge: Gauge, amount: i64) -> Share {
        gauge.inc_by(amount);
        Share { gauge, amount }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.gauge.dec_by(self.amount);
    }
}

/// Describes a metric, as the library does those that it knows.
fn describe<'a>(
    encoder: &'a mut DescriptorEncoder<'_>,
    name: &'static str,
    help: &str,
    kind: MetricType,
) -> Result<MetricEncoder<'a>, fmt::Error> {
    encoder.encode_descriptor(name, &format!("{help}."), None, kind)
}

fn label(code: Code) -> CodeLabel {
    let code = code.as_str();
    CodeLabel { code }
}

impl Counted {
    /// Series whose labels are known begin with zero: a rate sees their first event.
    fn new() -> Counted {
        let counted = Counted {
            requests: Family::default(),
            request_seconds: Family::new_with_constructor(|| Histogram::new(REQUEST_SECONDS)),
            errors: Family::default(),
            commits_refused: Family::default(),
            connections: Family::default(),
            connections_accepted: Family::default(),
            connections_turned_away: Counter::default(),
            outbox_bytes: Gauge::default(),
            build: Family::default(),
        };
        let version = env!("CARGO_PKG_VERSION");
        counted.build.get_or_create(&BuildLabels { version }).set(1);
        for code in Code::ALL {
            drop(counted.errors.get_or_create(&label(*code)));
            drop(counted.commits_refused.get_or_create(&label(*code)));
        }
        for protocol in Protocol::ALL {
            let protocol = protocol.as_str();
            let label = ProtocolLabel { protocol };
            drop(counted.connections.get_or_create(&label));
            drop(counted.connections_accepted.get_or_create(&label));
        }
        let (transport, route) = (Transport::Http.as_str(), Route::Get.as_str());
        let code = Outcome::Served.as_str();
        let labels = RequestLabels {
            transport,
            route,
            code,
        };
        drop(counted.requests.get_or_create(&labels));
        let labels = RouteLabels { transport, route };
        drop(counted.request_seconds.get_or_create(&labels));
        counted
    }

    fn register(&self, registry: &mut Registry) {
        registry.register("build_info", "The version that runs", self.build.clone());
        registry.register("requests", "Requests answered", self.requests.clone());
        registry.register_with_unit(
            "request",
            "Time to answer a request",
            Unit::Seconds,
            self.request_seconds.clone(),
        );
        registry.register("errors", "Errors told to clients", self.errors.clone());
        registry.register(
            "commits_refused",
            "Commits refused",
            self.commits_refused.clone(),
        );
        registry.register("connections", "Connections open", self.connections.clone());
        registry.register(
            "connections_accepted",
            "Connections served since the start",
            self.connections_accepted.clone(),
        );
        registry.register(
            "connections_turned_away",
            "Connections closed at once, for there were too many",
            self.connections_turned_away.clone(),
        );
        registry.register_with_unit(
            "outbox",
            "Encoded messages that wait for their clients",
            Unit::Bytes,
            self.outbox_bytes.clone(),
        );
    }
}
