//! Free space on the file system, asked for now and then.

use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Longest time between two looks.
const INTERVAL: Duration = Duration::from_millis(250);
/// Bytes written after which it looks again at once.
const BYTES: usize = 16 << 20;

/// Watches that enough space is left for what is written to fail nowhere.
pub(crate) struct Space {
    directory: PathBuf,
    reserve_bytes: u64,
    looked: Option<Instant>,
    written: usize,
    enough: bool,
}

impl Space {
    pub(crate) fn new(directory: PathBuf, reserve_bytes: u64) -> Space {
        Space {
            directory,
            reserve_bytes,
            looked: None,
            written: 0,
            enough: true,
        }
    }

    pub(crate) fn wrote(&mut self, bytes: usize) {
        self.written += bytes;
    }

    /// Whether more than the reserve is free.
    pub(crate) fn is_enough(&mut self) -> bool {
        let due = self
            .looked
            .is_none_or(|looked| looked.elapsed() >= INTERVAL);
        if due || self.written >= BYTES {
            self.looked = Some(Instant::now());
            self.written = 0;
            // A file system that does not answer is found out by the write itself.
            let free_bytes = rustix::fs::statvfs(&self.directory)
                .map(|status| status.f_bavail.saturating_mul(status.f_frsize));
            self.enough = free_bytes.unwrap_or(u64::MAX) >= self.reserve_bytes;
        }
        self.enough
    }
}
