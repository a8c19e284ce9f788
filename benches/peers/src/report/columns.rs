//! Which figures of a scenario are shown, and what of them is held against what.

use crate::peers::{LIMIT_SYNC, LIMIT_WS};
use crate::scenarios::Scenario;

/// A figure as a column: its name among the figures, and its title.
pub(super) type Column = (&'static str, &'static str);

const WRITES: &[Column] = &[
    ("writes_per_s", "writes/s"),
    ("acknowledged_p50_us", "acknowledged p50, µs"),
    ("acknowledged_p99_us", "p99, µs"),
    ("flushes_per_write", "flushes a write"),
    ("server_cores", "server, cores"),
    ("generator_cores", "load generator, cores"),
];

const LATENCY: &[Column] = &[
    ("delivered_p50_us", "delivered p50, µs"),
    ("delivered_p99_us", "delivered p99, µs"),
    ("acknowledged_p50_us", "acknowledged p50, µs"),
    ("acknowledged_p99_us", "p99, µs"),
];

const FAN_OUT: &[Column] = &[
    (
        "deliveries_per_server_cpu_s",
        "deliveries a server CPU second",
    ),
    ("deliveries_per_s", "deliveries/s"),
    ("delivered_p50_us", "delivered p50, µs"),
    ("delivered_p99_us", "p99, µs"),
];

const IDLE: &[Column] = &[
    ("kib_per_subscriber", "KiB a subscriber"),
    ("memory_before_kib", "server before, KiB"),
    ("memory_after_kib", "after, KiB"),
    ("connected_s", "connected in, s"),
];

const CATCH_UP: &[Column] = &[
    ("changes_per_s", "changes/s"),
    ("changes_per_s_best", "best pass"),
    ("server_cpu_us_per_change", "server CPU a change, µs"),
    ("changes", "changes"),
];

const FILTERED: &[Column] = &[
    ("writes_per_s", "writes/s"),
    ("acknowledged_p50_us", "acknowledged p50, µs"),
    ("delivered_p50_us", "delivered p50, µs"),
    ("delivered_p99_us", "p99, µs"),
    ("server_cores", "server, cores"),
];

/// What is shown of a scenario; the first is what it is about.
pub(super) fn columns(scenario: Scenario) -> &'static [Column] {
    match scenario {
        Scenario::Writes | Scenario::Sustained => WRITES,
        Scenario::Latency => LATENCY,
        Scenario::FanOut => FAN_OUT,
        Scenario::Idle => IDLE,
        Scenario::CatchUp => CATCH_UP,
        Scenario::Filtered => FILTERED,
    }
}

/// What a scenario's figures are held against.
pub(super) fn floor(scenario: Scenario) -> Option<&'static str> {
    match scenario {
        Scenario::Idle => Some(LIMIT_WS),
        // The floors keep nothing that could be read again.
        Scenario::CatchUp => None,
        _ => Some(LIMIT_SYNC),
    }
}

/// What a scenario is about, and the second of two times.
pub(super) fn is_compared(scenario: Scenario, column: usize) -> bool {
    column == 0 || scenario == Scenario::Latency && column == 1
}
