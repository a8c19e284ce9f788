//! The ring between the writer and the hub: bounded in bytes, and never waited for by the writer.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::{Condvar, Mutex};

use crate::commit::Group;
use crate::executor::{Next, Patience};

/// Groups that are visible and wait for the hub. When it is full the oldest fall off: the hub
/// finds that in the sequences and reads them from the log, like anyone who lags.
pub(crate) struct Ring {
    waiting: Mutex<Waiting>,
    changed: Condvar,
    bytes_max: usize,
}

#[derive(Default)]
struct Waiting {
    groups: VecDeque<Arc<Group>>,
    bytes: usize,
    closed: bool,
}

impl Ring {
    pub(crate) fn new(bytes_max: usize) -> Ring {
        Ring {
            waiting: Mutex::default(),
            changed: Condvar::new(),
            bytes_max,
        }
    }

    pub(crate) fn push(&self, group: Arc<Group>) {
        let mut waiting = self.waiting.lock();
        waiting.bytes += group.bytes;
        waiting.groups.push_back(group);
        while waiting.bytes > self.bytes_max && waiting.groups.len() > 1 {
            let Some(dropped) = waiting.groups.pop_front() else {
                break;
            };
            waiting.bytes -= dropped.bytes;
        }
        self.changed.notify_one();
    }

    /// Bytes of groups that wait.
    pub(crate) fn bytes(&self) -> usize {
        self.waiting.lock().bytes
    }

    /// Nothing more will be pushed, and who takes is freed.
    pub(crate) fn close(&self) {
        self.waiting.lock().closed = true;
        self.changed.notify_one();
    }

    /// Everything that waits, oldest first, until it is closed and drained.
    pub(crate) fn take(&self, patience: Patience) -> Next<VecDeque<Arc<Group>>> {
        let mut waiting = self.waiting.lock();
        while waiting.groups.is_empty() {
            if waiting.closed {
                return Next::Over;
            }
            if patience == Patience::None {
                return Next::Nothing;
            }
            self.changed.wait(&mut waiting);
        }
        waiting.bytes = 0;
        Next::Found(std::mem::take(&mut waiting.groups))
    }
}
