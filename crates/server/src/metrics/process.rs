//! The process as the system sees it, under the names that every client library uses. Where there
//! is no `/proc` the metrics have no value.

use std::fmt::Error;
use std::fs;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;

use super::describe;

#[derive(Debug)]
pub(super) struct ProcessMetrics;

impl Collector for ProcessMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), Error> {
        let gauges = [
            (
                "process_resident_memory_bytes",
                "Memory that the process takes",
                resident_bytes(),
            ),
            ("process_open_fds", "File descriptors open", open_files()),
            (
                "process_max_fds",
                "File descriptors that may be open",
                open_files_max(),
            ),
        ];
        for (name, help, value) in gauges {
            let gauge = describe(&mut encoder, name, help, MetricType::Gauge)?;
            if let Some(value) = value {
                ConstGauge::new(value).encode(gauge)?;
            }
        }
        Ok(())
    }
}

fn resident_bytes() -> Option<u64> {
    resident_in(&fs::read_to_string("/proc/self/status").ok()?)
}

/// Of the text of `/proc/self/status`, which tells it in KiB.
fn resident_in(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

fn open_files() -> Option<u64> {
    let open = fs::read_dir("/proc/self/fd").ok()?.count();
    // One of them is the directory that is being read.
    u64::try_from(open.saturating_sub(1)).ok()
}

fn open_files_max() -> Option<u64> {
    open_files_max_in(&fs::read_to_string("/proc/self/limits").ok()?)
}

/// Of the text of `/proc/self/limits`: the soft limit.
fn open_files_max_in(limits: &str) -> Option<u64> {
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_systems_texts_are_read() {
        let status = "Name:\twellspring\nVmRSS:\t   12345 kB\nThreads:\t9\n";
        assert_eq!(resident_in(status), Some(12345 * 1024));
        let limits = "Limit   Soft Limit  Hard Limit  Units\n\
                      Max open files            1024                 524288               files\n";
        assert_eq!(open_files_max_in(limits), Some(1024));
        assert_eq!(
            open_files_max_in("Max open files  unlimited  unlimited"),
            None
        );
        assert_eq!(resident_in(""), None);
    }
}
