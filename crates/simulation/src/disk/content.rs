//! A file: its content now, what of it is durable, and the writes that lie between the two.

use wellspring_testkit::random::Random;

use super::survival::Survival;

/// Bytes that a disk writes whole or not at all.
const SECTOR: usize = 512;

/// A write that is not synced.
#[derive(Clone, Debug)]
enum Edit {
    Write(usize, Vec<u8>),
    Truncate(usize),
}

#[derive(Clone, Debug, Default)]
pub(super) struct Content {
    bytes: Vec<u8>,
    durable: Vec<u8>,
    pending: Vec<Edit>,
}

impl Content {
    /// A file that is durable.
    pub(super) fn of(bytes: Vec<u8>) -> Content {
        Content {
            durable: bytes.clone(),
            bytes,
            pending: Vec::new(),
        }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn write(&mut self, offset: usize, content: &[u8]) {
        put(&mut self.bytes, offset, content);
        self.pending.push(Edit::Write(offset, content.to_vec()));
    }

    pub(super) fn truncate(&mut self, length: usize) {
        if length != self.bytes.len() {
            self.bytes.resize(length, 0);
            self.pending.push(Edit::Truncate(length));
        }
    }

    pub(super) fn sync(&mut self) {
        for edit in self.pending.drain(..) {
            edit.apply(&mut self.durable);
        }
    }

    /// A sync that fails. The system may take the pages for clean: what was to be written then
    /// never is, although it is still read, and a later sync finds nothing wrong. Lengths are not
    /// in pages.
    pub(super) fn fail_sync(&mut self, random: &mut Random) {
        self.pending
            .retain(|edit| matches!(edit, Edit::Truncate(_)) || random.below(2) == 0);
    }

    /// What a power cut leaves: what is durable, and of the writes what `survival` says: each
    /// whole, not at all, or torn.
    pub(super) fn power_cut(&mut self, survival: Survival, random: &mut Random) {
        let mut bytes = std::mem::take(&mut self.durable);
        let kept = survival.choose(self.pending.len(), random);
        for (edit, kept) in self.pending.drain(..).zip(kept) {
            match edit {
                Edit::Write(offset, content) if survival.tears(kept, random) => {
                    tear(&mut bytes, offset, &content, random);
                }
                edit if kept => edit.apply(&mut bytes),
                _ => {}
            }
        }
        self.bytes.clone_from(&bytes);
        self.durable = bytes;
    }
}

impl Edit {
    fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Edit::Write(offset, content) => put(bytes, *offset, content),
            Edit::Truncate(length) => bytes.resize(*length, 0),
        }
    }
}

fn put(bytes: &mut Vec<u8>, offset: usize, content: &[u8]) {
    let end = offset + content.len();
    if bytes.len() < end {
        bytes.resize(end, 0);
    }
    bytes[offset..end].copy_from_slice(content);
}

/// Writes a part of it: up to some byte; some sectors; or nothing but the length.
fn tear(bytes: &mut Vec<u8>, offset: usize, content: &[u8], random: &mut Random) {
    match random.below(3) {
        0 => {
            let length = below(random, content.len() + 1);
            put(bytes, offset, &content[..length]);
        }
        1 => {
            let mut start = 0;
            while start < content.len() {
                let end = (SECTOR - (offset + start) % SECTOR + start).min(content.len());
                if random.below(2) == 0 {
                    put(bytes, offset + start, &content[start..end]);
                }
                start = end;
            }
        }
        _ => {
            let end = offset + content.len();
            if bytes.len() < end {
                bytes.resize(end, 0);
            }
        }
    }
}

pub(super) fn below(random: &mut Random, limit: usize) -> usize {
    let limit = u64::try_from(limit).unwrap_or(u64::MAX);
    usize::try_from(random.below(limit)).unwrap_or(0)
}
