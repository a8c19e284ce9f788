//! What the log and its readers have in common.

use std::io::ErrorKind;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};

use wellspring_types::{Sequence, Timestamp};

use crate::cache::Cache;
use crate::error::ReadError;
use crate::files::{Disk, LogFile};
use crate::group::Link;
use crate::index::{self, SegmentIndex, Touched};
use crate::recovery::{self, Recovered};
use crate::segment::{SegmentHeader, index_name, segment_name};

/// Open segments that readers share.
const OPEN_FILES_MAX: usize = 32;
/// Memory of the indexes of full segments that are kept; one is loaded whatever it takes.
const INDEX_CACHE_BYTES_MAX: usize = 32 << 20;

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) disk: Disk,
    // A std lock: it is held for look-ups only, never while reading or writing a file.
    state: RwLock<State>,
    files: Cache<LogFile>,
    indexes: Cache<SegmentIndex>,
    /// Held while an index is loaded, so that readers who want the same do it once.
    loading: Mutex<()>,
    /// Held while segments are dropped: they go one after the other.
    trimming: Mutex<()>,
}

#[derive(Debug)]
struct State {
    /// All segments, ascending; at least one.
    segments: Vec<SegmentHeader>,
    /// The groups of the last segment, as far as they are synced.
    index: SegmentIndex,
    /// The end of what is synced.
    link: Link,
}

/// A segment, as a reader needs it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) header: SegmentHeader,
    /// The first commit of the segment after it; `None`: there was none when this was asked.
    pub(crate) next: Option<Sequence>,
}

impl Shared {
    pub(crate) fn new(disk: Disk, recovered: Recovered) -> Shared {
        let Recovered {
            full: mut segments,
            header,
            index,
            link,
        } = recovered;
        segments.push(header);
        Shared {
            disk,
            state: RwLock::new(State {
                segments,
                index,
                link,
            }),
            files: Cache::new(OPEN_FILES_MAX),
            indexes: Cache::new(INDEX_CACHE_BYTES_MAX),
            loading: Mutex::new(()),
            trimming: Mutex::new(()),
        }
    }

    fn state(&self) -> RwLockReadGuard<'_, State> {
        // Changes are made by statements that do not panic half-way.
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn link(&self) -> Link {
        self.state().link
    }

    pub(crate) fn oldest(&self) -> Sequence {
        self.state()
            .segments
            .first()
            .map_or(Sequence(1), SegmentHeader::first)
    }

    /// The time of the last commit that is not kept any more; 1970 if all are kept.
    pub(crate) fn dropped_through(&self) -> Timestamp {
        let state = self.state();
        let first = state.segments.first();
        first.map_or(Timestamp::default(), |segment| segment.link.last_time)
    }

    /// Lets readers see a group that is synced.
    pub(crate) fn publish(&self, first: Sequence, bytes: u64, touched: &mut Touched, link: Link) {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        state.index.push(first, bytes, touched);
        state.link = link;
    }

    /// The last segment is full, and `header` is the next.
    pub(crate) fn roll(&self, header: SegmentHeader) {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        let next = SegmentIndex::new(crate::segment::HEADER_BYTES as u64);
        let full = std::mem::replace(&mut state.index, next);
        if let Some(last) = state.segments.last().map(SegmentHeader::first) {
            let cost = full.memory_bytes();
            self.indexes.put(last, Arc::new(full), cost);
        }
        state.segments.push(header);
    }

    /// Calls `work` with the index of the last segment.
    pub(crate) fn with_last_index<T>(&self, work: impl FnOnce(&SegmentIndex) -> T) -> T {
        work(&self.state().index)
    }

    /// The segment that holds `sequence`; the last one, if that is still to come.
    pub(crate) fn segment_at(&self, sequence: Sequence) -> Option<Place> {
        let state = self.state();
        let after = state
            .segments
            .partition_point(|segment| segment.first() <= sequence);
        let header = *state.segments.get(after.checked_sub(1)?)?;
        Some(Place {
            header,
            next: state.segments.get(after).map(SegmentHeader::first),
        })
    }

    /// The last segment whose commits follow one of a time that `earlier` takes; the first one,
    /// if there is none.
    pub(crate) fn segment_after(&self, earlier: impl Fn(Link) -> bool) -> Option<Place> {
        let state = self.state();
        let after = state
            .segments
            .partition_point(|segment| earlier(segment.link))
            .max(1);
        let header = *state.segments.get(after - 1)?;
        Some(Place {
            header,
            next: state.segments.get(after).map(SegmentHeader::first),
        })
    }

    pub(crate) fn trimming(&self) -> MutexGuard<'_, ()> {
        self.trimming.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All segments, ascending.
    pub(crate) fn segments(&self) -> Vec<SegmentHeader> {
        self.state().segments.clone()
    }

    /// The first segment, if its commits are all at or before `floor`: it is no segment any more
    /// when this returns. The last one stays.
    pub(crate) fn drop_first(&self, floor: Sequence) -> Option<SegmentHeader> {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        let next = state.segments.get(1)?.first();
        if next > floor.next() {
            return None;
        }
        let first = state.segments.remove(0);
        drop(state);
        self.files.forget_before(next);
        self.indexes.forget_before(next);
        Some(first)
    }

    pub(crate) fn file(&self, segment: Sequence) -> Result<Arc<LogFile>, ReadError> {
        if let Some(file) = self.files.get(segment) {
            return Ok(file);
        }
        let file = match self.disk.open_read(&segment_name(segment)) {
            Ok(file) => Arc::new(file),
            Err(error) if error.source.kind() == ErrorKind::NotFound => {
                // It was there when it was looked up, and may have been dropped since.
                self.check_kept(segment)?;
                return Err(error.into());
            }
            Err(error) => return Err(error.into()),
        };
        self.files.put(segment, Arc::clone(&file), 1);
        // One that was dropped meanwhile would take its space on disk for as long as it is kept.
        self.files.forget_before(self.oldest());
        Ok(file)
    }

    fn check_kept(&self, wanted: Sequence) -> Result<(), ReadError> {
        let oldest = self.oldest();
        if wanted < oldest {
            return Err(ReadError::BeforeOldest { wanted, oldest });
        }
        Ok(())
    }

    /// Calls `work` with the index of the segment of `header`.
    pub(crate) fn with_index<T>(
        &self,
        header: &SegmentHeader,
        work: impl FnOnce(&SegmentIndex) -> T,
    ) -> Result<T, ReadError> {
        let state = self.state();
        if state
            .segments
            .last()
            .is_some_and(|last| last.first() == header.first())
        {
            return Ok(work(&state.index));
        }
        drop(state);
        Ok(work(&*self.full_index(header)?))
    }

    fn full_index(&self, header: &SegmentHeader) -> Result<Arc<SegmentIndex>, ReadError> {
        if let Some(index) = self.indexes.get(header.first()) {
            return Ok(index);
        }
        let _loading = self.loading.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(index) = self.indexes.get(header.first()) {
            return Ok(index);
        }
        let kept = self.disk.read_whole(&index_name(header.first()))?;
        let index = match kept.and_then(|bytes| index::decode(&bytes, header)) {
            Some(index) => index,
            None => self.index_again(header)?,
        };
        let (cost, index) = (index.memory_bytes(), Arc::new(index));
        self.indexes.put(header.first(), Arc::clone(&index), cost);
        Ok(index)
    }

    /// Makes the index of a full segment from the segment.
    fn index_again(&self, header: &SegmentHeader) -> Result<SegmentIndex, ReadError> {
        let file = self.file(header.first())?;
        tracing::warn!(segment = %file.path().display(), "making the segment's index again");
        let (index, link) = recovery::scan_full(&file, header)?;
        let bytes = index::encode(header, &index, link);
        recovery::put_index(&self.disk, header.first(), &bytes);
        Ok(index)
    }
}
