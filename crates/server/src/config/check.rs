//! What types cannot say about settings.

use std::net::SocketAddr;

use tracing_subscriber::EnvFilter;

use super::{Config, ConfigError};
use crate::origin::Origin;

const HOUR_MS: u64 = 3_600_000;
/// Each collection is held against all of them once.
const RETENTION_TABLES_MAX: usize = 1000;

pub(super) fn check(config: &Config) -> Result<(), ConfigError> {
    if !config.dev {
        return Err(ConfigError::NoAuthentication);
    }
    check_address(config, "listen", config.listen)?;
    check_address(config, "admin", config.admin)?;
    for origin in &config.allowed_origins {
        if Origin::parse(origin).is_none() {
            return Err(ConfigError::NotAnOrigin {
                origin: origin.clone(),
            });
        }
    }
    EnvFilter::try_new(&config.log_filter).map_err(|error| ConfigError::LogFilter {
        reason: error.to_string(),
    })?;
    retention(config)?;
    counts(config)?;
    times(config)
}

/// Checks where a port is to be.
pub(crate) fn check_address(
    config: &Config,
    setting: &'static str,
    address: SocketAddr,
) -> Result<(), ConfigError> {
    if !address.ip().is_loopback() && !config.insecure_plaintext {
        return Err(ConfigError::NotLoopback { setting, address });
    }
    Ok(())
}

fn retention(config: &Config) -> Result<(), ConfigError> {
    if config.retention.len() > RETENTION_TABLES_MAX {
        return Err(ConfigError::TooManyTables {
            most: RETENTION_TABLES_MAX,
        });
    }
    for table in &config.retention {
        let refused = |reason: String| ConfigError::Retention {
            collection: table.collection.clone(),
            reason,
        };
        table.parse().map_err(|error| refused(error.to_string()))?;
        if table.age_ms_max == 0 && table.changes_max == 0 {
            let told = "it needs age_ms_max or changes_max, or it says nothing";
            return Err(refused(told.to_owned()));
        }
    }
    Ok(())
}

fn counts(config: &Config) -> Result<(), ConfigError> {
    let count = u64::from(u32::MAX);
    in_range(
        "connections_max",
        config.connections_max.into(),
        1,
        1_000_000,
    )?;
    in_range(
        "connections_per_address_max",
        config.connections_per_address_max.into(),
        1,
        count,
    )?;
    in_range(
        "subscriptions_max",
        config.subscriptions_max.into(),
        1,
        10_000,
    )?;
    in_range("consumers_max", config.consumers_max.into(), 0, 1_000_000)?;
    in_range(
        "requests_in_progress_max",
        config.requests_in_progress_max.into(),
        1,
        10_000,
    )?;
    in_range(
        "http2_streams_max",
        config.http2_streams_max.into(),
        1,
        10_000,
    )?;
    in_range(
        "queue_bytes_max",
        config.queue_bytes_max.into(),
        1 << 16,
        1 << 30,
    )?;
    in_range("segment_bytes", config.segment_bytes, 1 << 20, 1 << 32)?;
    in_range("cache_bytes", config.cache_bytes, 1 << 20, 1 << 40)?;
    in_range(
        "snapshot_log_bytes_min",
        config.snapshot_log_bytes_min,
        1 << 20,
        1 << 50,
    )?;
    in_range("mutation_ids_max", config.mutation_ids_max, 1, 100_000_000)
}

fn times(config: &Config) -> Result<(), ConfigError> {
    for (setting, value) in [
        ("header_timeout_ms", config.header_timeout_ms),
        ("body_timeout_ms", config.body_timeout_ms),
        ("hello_timeout_ms", config.hello_timeout_ms),
        ("heartbeat_ms", config.heartbeat_ms),
        ("dead_after_ms", config.dead_after_ms),
        ("stalled_write_ms", config.stalled_write_ms),
        ("keeper_interval_ms", config.keeper_interval_ms),
    ] {
        in_range(setting, value, 1, HOUR_MS)?;
    }
    in_range("drain_ms", config.drain_ms, 0, HOUR_MS)?;
    if config.heartbeat_ms >= config.dead_after_ms {
        return Err(ConfigError::NotLess {
            setting: "heartbeat_ms",
            other: "dead_after_ms",
        });
    }
    Ok(())
}

fn in_range(setting: &'static str, value: u64, least: u64, most: u64) -> Result<(), ConfigError> {
    if (least..=most).contains(&value) {
        Ok(())
    } else {
        Err(ConfigError::OutOfRange {
            setting,
            value,
            least,
            most,
        })
    }
}
