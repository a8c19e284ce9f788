//! Free space on the file system, asked for now and then.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use wellspring_log::FileSystem;

/// Longest time between two looks.
const INTERVAL: Duration = Duration::from_millis(250);
/// Bytes written after which it looks again at once.
const BYTES: usize = 16 << 20;

/// Where to look, and what must be free.
#[derive(Clone)]
pub(crate) struct Reserve {
    pub(crate) file_system: Arc<dyn FileSystem>,
    pub(crate) directory: PathBuf,
    pub(crate) bytes: u64,
}

impl Reserve {
    /// Whether it is free now.
    pub(crate) fn is_free(&self) -> bool {
        // A file system that does not answer is found out by the write itself.
        self.free_bytes().is_none_or(|free| free >= self.bytes)
    }

    /// What is free now; `None` where the file system does not say.
    pub(crate) fn free_bytes(&self) -> Option<u64> {
        self.file_system.free_bytes(&self.directory)
    }
}

/// Watches that enough space is left for what is written to fail nowhere.
pub(crate) struct Space {
    reserve: Reserve,
    looked: Option<Instant>,
    written: usize,
    enough: bool,
}

impl Space {
    pub(crate) fn new(reserve: Reserve) -> Space {
        Space {
            reserve,
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
            self.enough = self.reserve.is_free();
        }
        self.enough
    }
}
