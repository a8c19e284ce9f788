//! What a seed decides beforehand: sizes, how often things happen, how lives end.

use std::path::Path;

use wellspring_engine::Options;
use wellspring_testkit::random::Random;

/// The plan of one seed. Each seed stresses something else: one of small rings, one of large
/// documents, one of failing disks.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// Lives before the last, which ends well.
    pub(crate) lives: u64,
    /// Turns of one life at most.
    pub(crate) turns_max: u64,
    pub(crate) writers: u64,
    pub(crate) readers: u64,
    pub(crate) followers: u64,
    pub(crate) documents: u64,
    pub(crate) padding_max: u64,
    /// How often others go on in the middle of an operation, in a thousand.
    pub(crate) nested: u64,
    /// How often the clock moves between two turns, in a thousand.
    pub(crate) ticks: u64,
    /// How often the keeper may have a turn, in a thousand.
    pub(crate) keeper: u64,
    /// How often an operation of the disk fails, in ten thousand.
    pub(crate) fails: u64,
    /// How often the disk is full for a while, in a thousand.
    pub(crate) fills: u64,
    /// Documents of a page of the store at most.
    pub(crate) scanned: usize,
    segment_bytes: u64,
    overlay_bytes: usize,
    ring_bytes: usize,
    queue_bytes: usize,
    exact_bytes: usize,
    snapshot_log_bytes: u64,
    snapshot_run_bytes: usize,
    retention_bytes: Option<u64>,
    retention_age_ms: Option<u64>,
}

/// Free bytes below which commits are refused.
pub(crate) const RESERVE_BYTES: u64 = 1 << 20;

fn one_of<T: Copy>(random: &mut Random, choices: &[T]) -> T {
    let count = u64::try_from(choices.len()).unwrap_or(1);
    let place = usize::try_from(random.below(count)).unwrap_or(0);
    choices[place]
}

impl Plan {
    pub(crate) fn draw(random: &mut Random) -> Plan {
        Plan {
            lives: 1 + random.below(5),
            turns_max: one_of(random, &[200, 800, 2000]),
            writers: 1 + random.below(4),
            readers: random.below(3),
            followers: 2 + random.below(5),
            documents: one_of(random, &[2, 6, 25]),
            padding_max: one_of(random, &[1, 40, 300, 3000]),
            nested: one_of(random, &[0, 100, 400]),
            ticks: one_of(random, &[10, 50, 200]),
            keeper: one_of(random, &[50, 300, 1000]),
            fails: one_of(random, &[0, 0, 0, 10, 60]),
            fills: one_of(random, &[0, 0, 5]),
            scanned: one_of(random, &[1, 2, 5, 1000]),
            segment_bytes: one_of(random, &[500, 2000, 8000, 60_000]),
            overlay_bytes: one_of(random, &[0, 1000, 1 << 20]),
            ring_bytes: one_of(random, &[0, 1000, 1 << 20]),
            queue_bytes: one_of(random, &[0, 600, 3000, 1 << 20]),
            exact_bytes: one_of(random, &[0, 500, 1 << 20]),
            snapshot_log_bytes: one_of(random, &[0, 2000, 20_000]),
            snapshot_run_bytes: one_of(random, &[1, 1000, 1 << 20]),
            retention_bytes: one_of(random, &[None, Some(0), Some(4000)]),
            retention_age_ms: one_of(random, &[None, None, Some(50)]),
        }
    }

    pub(crate) fn options(&self, data_dir: &Path) -> Options {
        let mut options = Options::new(data_dir);
        options.segment_bytes = self.segment_bytes;
        options.overlay_bytes_max = self.overlay_bytes;
        options.ring_bytes_max = self.ring_bytes;
        options.queue_bytes_max = self.queue_bytes;
        options.exact_read_bytes_max = self.exact_bytes;
        options.snapshot_log_bytes_min = self.snapshot_log_bytes;
        options.snapshot_run_bytes = self.snapshot_run_bytes;
        options.retention_bytes_max = self.retention_bytes;
        options.retention_age_ms_max = self.retention_age_ms;
        options.reserve_bytes = RESERVE_BYTES;
        options.query_scan_ms_max = u64::from(u32::MAX);
        options
    }
}
