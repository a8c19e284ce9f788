//! The table of settings.

use std::net::SocketAddr;
use std::path::PathBuf;

use figment::Figment;
use figment::providers::Serialized;
use serde::{Deserialize, Serialize};
use wellspring_types::PathError;

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// Its key in `wellspring.toml`; the flag and the variable are spelt after it.
    pub name: &'static str,
    /// What its value is.
    pub value: &'static str,
    /// Its default, as it is written in the documentation.
    pub default: fn() -> String,
    /// What it is for.
    pub description: &'static str,
}

impl Setting {
    /// The variable of the environment.
    #[must_use]
    pub fn variable(&self) -> String {
        format!("{}{}", super::environment::PREFIX, self.name.to_uppercase())
    }

    /// The flag of the command line.
    #[must_use]
    pub fn flag(&self) -> String {
        format!("--{}", self.name.replace('_', "-"))
    }
}

/// From one list: the typed [`Config`], the flags ([`Overrides`]), the defaults and the table.
macro_rules! settings {
    ($(
        $(#[doc = $doc:literal])+
        $name:ident: $type:ty = $default:expr, $value:literal $(, arg($($arg:tt)+))?;
    )+) => {
        /// Every setting, checked.
        #[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
        #[serde(deny_unknown_fields)]
        #[non_exhaustive]
        pub struct Config {
            $( $(#[doc = $doc])+ pub $name: $type, )+
            /// How long changes of some collections are offered: tables of the file, no setting of
            /// the other sources.
            #[serde(default)]
            pub retention: Vec<CollectionRetention>,
        }

        /// The settings that were given as flags.
        #[derive(Clone, Debug, Default, Serialize, clap::Args)]
        #[command(next_help_heading = "Settings")]
        #[non_exhaustive]
        pub struct Overrides {
            $(
                $(#[doc = $doc])+
                #[arg(long, value_name = $value $(, $($arg)+)?)]
                #[serde(skip_serializing_if = "Option::is_none")]
                pub $name: Option<$type>,
            )+
        }

        /// All settings, in the order of the documentation.
        pub const SETTINGS: &[Setting] = &[$(
            Setting {
                name: stringify!($name),
                value: $value,
                default: || format!("{:?}", $default),
                description: concat!($($doc),+),
            },
        )+];

        pub(super) fn defaults() -> Figment {
            Figment::new()$(.merge(Serialized::default(stringify!($name), $default)))+
        }
    };
}

settings! {
    /// Address of the port for clients.
    listen: SocketAddr = "127.0.0.1:7654", "ADDRESS", arg(value_parser = address);
    /// Address of the port for operators. Keep it on loopback.
    admin: SocketAddr = "127.0.0.1:7655", "ADDRESS", arg(value_parser = address);
    /// Directory of the database. Created when missing.
    data: PathBuf = "./wellspring-data", "DIRECTORY";
    /// Serve anyone without authentication: for development on one machine.
    dev: bool = false, "true|false", arg(num_args = 0..=1, default_missing_value = "true", require_equals = true);
    /// Allow an address other than loopback although connections are not encrypted.
    insecure_plaintext: bool = false, "true|false", arg(num_args = 0..=1, default_missing_value = "true", require_equals = true);
    /// Origins whose web pages may connect, such as `https://app.example`. In dev mode loopback origins may as well.
    allowed_origins: Vec<String> = Vec::<String>::new(), "ORIGINS", arg(value_delimiter = ',');
    /// How logs are written.
    log_format: LogFormat = "text", "text|json", arg(value_enum);
    /// What is logged, as `tracing` filters are written: a level, or levels by module.
    log_filter: String = "info", "FILTER";

    /// Connections at a time; further ones are closed at once.
    connections_max: u32 = 10_000, "COUNT";
    /// Connections at a time from one address. Dev mode lifts it.
    connections_per_address_max: u32 = 100, "COUNT";
    /// Subscriptions at a time on one connection.
    subscriptions_max: u32 = wellspring_types::limits::SUBSCRIPTIONS_MAX, "COUNT";
    /// Consumers at a time. Further ones are not made, those that are there go on.
    consumers_max: u32 = wellspring_types::limits::CONSUMERS_MAX, "COUNT";
    /// Requests in progress on one WebSocket connection; it is not read while there are more.
    requests_in_progress_max: u32 = 64, "COUNT";
    /// Concurrent streams on one HTTP/2 connection.
    http2_streams_max: u32 = 100, "COUNT";
    /// Bytes queued for one client that reads slowly. One larger message may enter an empty queue.
    queue_bytes_max: u32 = 1_048_576, "BYTES";

    /// Time for a connection's first bytes, and for a request's headers.
    header_timeout_ms: u64 = 10_000, "MILLISECONDS";
    /// Time for a request's body.
    body_timeout_ms: u64 = 30_000, "MILLISECONDS";
    /// Time for a WebSocket's `hello`.
    hello_timeout_ms: u64 = 5_000, "MILLISECONDS";
    /// Time between two pings on a connection, and at most between two bytes of an event stream.
    heartbeat_ms: u64 = 25_000, "MILLISECONDS";
    /// A connection that was silent for this long, pings included, is dead.
    dead_after_ms: u64 = 60_000, "MILLISECONDS";
    /// A client that takes nothing for this long is too slow, and its streams end.
    stalled_write_ms: u64 = 10_000, "MILLISECONDS";
    /// Time for clients to leave when the server stops.
    drain_ms: u64 = 10_000, "MILLISECONDS";

    /// Bytes of one segment of the log.
    segment_bytes: u64 = 67_108_864, "BYTES";
    /// Bytes of the store's cache; resident memory grows to about three times that.
    cache_bytes: u64 = 67_108_864, "BYTES";
    /// Free space on the disk below which commits are refused.
    reserve_bytes: u64 = 1_073_741_824, "BYTES";
    /// How long changes are kept for subscribers who come back, by the time of commits. 0: for ever.
    retention_age_ms_max: u64 = 0, "MILLISECONDS";
    /// Bytes of the log beyond which the oldest changes are dropped. 0: none are.
    retention_bytes_max: u64 = 0, "BYTES";
    /// Bytes that the log grows by before another snapshot of it is made: this, or half of the snapshot before if that is more.
    snapshot_log_bytes_min: u64 = 1_073_741_824, "BYTES";
    /// Time between two looks at whether a snapshot is due, or something of the log is to go.
    keeper_interval_ms: u64 = 1_000, "MILLISECONDS";
    /// Mutation ids that are remembered.
    mutation_ids_max: u64 = wellspring_types::limits::MUTATION_IDS_MAX, "COUNT";
    /// How long a mutation id is remembered.
    mutation_id_age_ms_max: u64 = wellspring_types::limits::MUTATION_ID_AGE_MS_MAX, "MILLISECONDS";
}

fn address(text: &str) -> Result<SocketAddr, String> {
    let wrong = |_error| "it is an IP address and a port, such as 127.0.0.1:7654 or [::1]:7654; names are not looked up";
    Ok(text.parse().map_err(wrong)?)
}

/// A table `[[retention]]` of the file: how long changes of some collections are offered. 0: for
/// ever, and all of them.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct CollectionRetention {
    /// A collection's path, in which `*` stands for any one segment, and `**` at the end for one or
    /// more.
    pub collection: String,
    /// By the time of commits, in milliseconds.
    #[serde(default)]
    pub age_ms_max: u64,
    /// The newest changes of each collection.
    #[serde(default)]
    pub changes_max: u64,
}

impl CollectionRetention {
    /// As the engine takes it.
    pub(super) fn parse(&self) -> Result<wellspring_engine::CollectionRetention, PathError> {
        Ok(wellspring_engine::CollectionRetention {
            collections: self.collection.parse()?,
            age_ms_max: Some(self.age_ms_max).filter(|&most| most > 0),
            changes_max: Some(self.changes_max).filter(|&most| most > 0),
        })
    }
}

/// How logs are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Lines for people.
    Text,
    /// One JSON object a line.
    Json,
}
