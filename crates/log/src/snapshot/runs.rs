//! Sorting what the log says within a bounded memory: runs of a bounded size, each sorted in
//! memory and written to a file, and as many of them merged into one as there may be at a time.

use std::cmp::{Ordering, Reverse};
use std::collections::{BTreeMap, BinaryHeap};

use wellspring_types::CollectionId;

use super::block::{BlockReader, BlockWriter, Header, Identity, Kind, Written};
use super::entry::{Content, Latest};
use crate::error::SnapshotError;
use crate::files::Disk;

/// Runs of one size that become one of the next: each is read with the memory of a block.
const MERGED_AT_ONCE: usize = 16;
/// Memory of a document beside its id and data, about.
const DOCUMENT_BYTES: usize = 128;

/// Takes what the log says of documents, in its order, and gives the latest of each in the order
/// of keys.
pub(super) struct Sorter {
    disk: Disk,
    identity: Identity,
    bytes_max: usize,
    buffer: BTreeMap<(CollectionId, Box<str>), Option<Content>>,
    buffer_bytes: usize,
    /// Runs that were written, by how often they were merged; within each, oldest first. All of a
    /// level are older than those of the levels before it.
    levels: Vec<Vec<Run>>,
    runs: u32,
}

/// A sorted run in a file.
struct Run {
    number: u32,
    written: Written,
}

impl Run {
    fn name(number: u32) -> String {
        format!("run-{number:08}")
    }
}

impl Sorter {
    /// Keeps about `bytes_max` in memory and the rest in files in `disk`.
    pub(super) fn new(disk: Disk, identity: Identity, bytes_max: usize) -> Sorter {
        Sorter {
            disk,
            identity,
            bytes_max,
            buffer: BTreeMap::new(),
            buffer_bytes: 0,
            levels: Vec::new(),
            runs: 0,
        }
    }

    /// A document as it is after a commit; the last word on it counts.
    pub(super) fn push(&mut self, latest: Latest) -> Result<(), SnapshotError> {
        let Latest {
            collection,
            id,
            content,
        } = latest;
        let (id_bytes, data_bytes) = (id.len(), content_bytes(content.as_ref()));
        self.buffer_bytes += data_bytes;
        match self.buffer.insert((collection, id), content) {
            Some(before) => self.buffer_bytes -= content_bytes(before.as_ref()),
            None => self.buffer_bytes += DOCUMENT_BYTES + id_bytes,
        }
        if self.buffer_bytes >= self.bytes_max {
            self.spill()?;
        }
        Ok(())
    }

    fn spill(&mut self) -> Result<(), SnapshotError> {
        let mut writer = self.begin_run()?;
        for latest in take(&mut self.buffer) {
            writer.push(&latest)?;
        }
        self.buffer_bytes = 0;
        self.end_run(writer, 0)?;
        for level in 0.. {
            match self.levels.get(level) {
                Some(runs) if runs.len() >= MERGED_AT_ONCE => self.merge_level(level)?,
                _ => break,
            }
        }
        Ok(())
    }

    /// Makes all runs of a level one of the next.
    fn merge_level(&mut self, level: usize) -> Result<(), SnapshotError> {
        let runs = std::mem::take(&mut self.levels[level]);
        let mut sources = Vec::with_capacity(runs.len());
        for run in runs.iter().rev() {
            sources.push(self.source(run)?);
        }
        let mut merged = Merged::new(sources)?;
        let mut writer = self.begin_run()?;
        while let Some(latest) = merged.next()? {
            writer.push(&latest)?;
        }
        self.end_run(writer, level + 1)?;
        for run in runs {
            self.disk.remove(&Run::name(run.number))?;
        }
        Ok(())
    }

    fn begin_run(&mut self) -> Result<BlockWriter<Latest>, SnapshotError> {
        self.runs += 1;
        let header = self.header(self.runs);
        let name = Run::name(self.runs);
        Ok(BlockWriter::create(&self.disk, &name, &header)?)
    }

    fn end_run(&mut self, writer: BlockWriter<Latest>, level: usize) -> Result<(), SnapshotError> {
        // Not synced: a crash has all of them made again.
        let (_file, written) = writer.finish()?;
        if self.levels.len() <= level {
            self.levels.push(Vec::new());
        }
        let number = self.runs;
        self.levels[level].push(Run { number, written });
        Ok(())
    }

    fn header(&self, number: u32) -> Header {
        Header {
            kind: Kind::Run,
            number,
            snapshot: self.identity,
        }
    }

    fn source(&self, run: &Run) -> Result<Source, SnapshotError> {
        let mut reader = BlockReader::open(
            &self.disk,
            &Run::name(run.number),
            &self.header(run.number),
            run.written,
        )?;
        Ok(Box::new(move || reader.next()))
    }

    /// Everything, merged with what was `before`.
    pub(super) fn finish(mut self, before: Option<Source>) -> Result<Merged, SnapshotError> {
        let mut newest = take(&mut self.buffer);
        let mut sources: Vec<Source> = vec![Box::new(move || Ok(newest.next()))];
        for run in self.levels.iter().flat_map(|runs| runs.iter().rev()) {
            sources.push(self.source(run)?);
        }
        sources.extend(before);
        Merged::new(sources)
    }
}

fn content_bytes(content: Option<&Content>) -> usize {
    content.map_or(0, |content| content.data.len())
}

fn take(
    buffer: &mut BTreeMap<(CollectionId, Box<str>), Option<Content>>,
) -> impl Iterator<Item = Latest> + use<> {
    let taken = std::mem::take(buffer).into_iter();
    taken.map(|((collection, id), content)| Latest {
        collection,
        id,
        content,
    })
}

/// Documents in the order of keys, each once.
pub(super) type Source = Box<dyn FnMut() -> Result<Option<Latest>, SnapshotError>>;

/// Several sources as one: of each key what the first source that has it says.
pub(super) struct Merged {
    sources: Vec<Source>,
    /// The next of each source that has one.
    heads: BinaryHeap<Reverse<Head>>,
}

struct Head {
    latest: Latest,
    source: usize,
}

impl Head {
    fn place(&self) -> ((CollectionId, &str), usize) {
        (self.latest.key(), self.source)
    }
}

impl PartialEq for Head {
    fn eq(&self, other: &Head) -> bool {
        self.place() == other.place()
    }
}

impl Eq for Head {}

impl PartialOrd for Head {
    fn partial_cmp(&self, other: &Head) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Head {
    fn cmp(&self, other: &Head) -> Ordering {
        self.place().cmp(&other.place())
    }
}

impl Merged {
    /// The newest source comes first.
    fn new(sources: Vec<Source>) -> Result<Merged, SnapshotError> {
        let mut merged = Merged {
            heads: BinaryHeap::with_capacity(sources.len()),
            sources,
        };
        for source in 0..merged.sources.len() {
            merged.advance(source)?;
        }
        Ok(merged)
    }

    fn advance(&mut self, source: usize) -> Result<(), SnapshotError> {
        if let Some(latest) = self.sources[source]()? {
            self.heads.push(Reverse(Head { latest, source }));
        }
        Ok(())
    }

    fn pop(&mut self) -> Result<Option<Latest>, SnapshotError> {
        let Some(Reverse(Head { latest, source })) = self.heads.pop() else {
            return Ok(None);
        };
        self.advance(source)?;
        Ok(Some(latest))
    }

    pub(super) fn next(&mut self) -> Result<Option<Latest>, SnapshotError> {
        let newest = self.pop()?;
        if let Some(newest) = &newest {
            while let Some(Reverse(head)) = self.heads.peek()
                && head.latest.key() == newest.key()
            {
                self.pop()?;
            }
        }
        Ok(newest)
    }
}
