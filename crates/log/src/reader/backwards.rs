//! Records of one collection from the newest to the oldest.

use std::collections::VecDeque;
use std::iter::FusedIterator;
use std::sync::Arc;

use wellspring_types::{CollectionId, Sequence};

use super::group::OpenGroup;
use crate::error::ReadError;
use crate::files::LogFile;
use crate::index::{SegmentIndex, Span};
use crate::record::{CommitRecord, Wanted};
use crate::shared::{Place, Shared};
use crate::window::{AHEAD_BYTES_MAX, Window};

/// Places of groups that are looked up at a time.
const SPANS_MAX: usize = 256;
/// Bytes between two wanted groups that are rather read along than read around.
const GAP_BYTES_MAX: u64 = 16 << 10;

/// Records of one collection, descending: what
/// [`LogReader::read_backwards`](crate::LogReader::read_backwards) returns.
#[derive(Debug)]
pub struct RecordsBackwards {
    shared: Arc<Shared>,
    after: Sequence,
    /// The last commit that was not looked at yet.
    next: Sequence,
    collection: CollectionId,
    window: Window,
    segment: Option<OpenSegment>,
    /// Records of the group that was read last, ascending.
    ready: Vec<CommitRecord>,
}

#[derive(Debug)]
struct OpenSegment {
    place: Place,
    file: Arc<LogFile>,
    /// The next groups that change the collection, ascending.
    spans: VecDeque<Span>,
}

impl RecordsBackwards {
    pub(super) fn new(
        shared: Arc<Shared>,
        (after, through): (Sequence, Sequence),
        collection: CollectionId,
    ) -> RecordsBackwards {
        RecordsBackwards {
            shared,
            after,
            next: through,
            collection,
            window: Window::default(),
            segment: None,
            ready: Vec::new(),
        }
    }

    /// The record before; `None` at the end.
    fn advance(&mut self) -> Result<Option<CommitRecord>, ReadError> {
        loop {
            if let Some(record) = self.ready.pop() {
                return Ok(Some(record));
            }
            if self.next <= self.after {
                self.finish();
                return Ok(None);
            }
            let mut segment = match self.segment.take() {
                Some(segment) => segment,
                None => self.open_segment()?,
            };
            match self.span_before(&mut segment)? {
                Some(span) => {
                    self.read_group(&segment, span)?;
                    self.next = before(span.first);
                    self.segment = Some(segment);
                }
                None => self.next = before(segment.place.header.first()),
            }
        }
    }

    /// The segment that holds the next commit.
    fn open_segment(&mut self) -> Result<OpenSegment, ReadError> {
        self.window.reset();
        let Some(place) = self.shared.segment_at(self.next) else {
            let (wanted, oldest) = (self.next, self.shared.oldest());
            return Err(ReadError::BeforeOldest { wanted, oldest });
        };
        Ok(OpenSegment {
            place,
            file: self.shared.file(place.header.first())?,
            spans: VecDeque::new(),
        })
    }

    /// Takes the last group at or before the next commit that changes the collection, with those
    /// closely before it read along; `None` if there is none in the segment.
    fn span_before(&mut self, segment: &mut OpenSegment) -> Result<Option<Span>, ReadError> {
        if segment.spans.is_empty() {
            let (collection, next) = (self.collection, self.next);
            let find = |index: &SegmentIndex| index.spans_through(collection, next, SPANS_MAX);
            segment.spans = self.shared.with_index(&segment.place.header, find)?.into();
        }
        let Some(span) = segment.spans.pop_back() else {
            return Ok(None);
        };
        if !self.window.holds(span.offset, span.bytes) {
            let start = close_start(span, &segment.spans);
            let bytes = usize::try_from(span.offset + span.bytes - start);
            self.window
                .fill(&segment.file, start, bytes.unwrap_or(AHEAD_BYTES_MAX))?;
        }
        Ok(Some(span))
    }

    fn read_group(&mut self, segment: &OpenSegment, span: Span) -> Result<(), ReadError> {
        let (file, salt) = (&segment.file, segment.place.header.salt);
        let mut group = OpenGroup::read(&mut self.window, file, salt, (span.offset, span.first))?;
        let wanted = Wanted {
            from: self.after.next(),
            collection: Some(self.collection),
        };
        while let Some(record) = group.next(file, wanted)? {
            if record.sequence > self.next {
                break;
            }
            self.ready.push(record);
        }
        Ok(())
    }

    /// Nothing more comes, and nothing need be kept.
    fn finish(&mut self) {
        self.next = Sequence::ZERO;
        self.segment = None;
        self.window = Window::default();
    }
}

fn before(seq: Sequence) -> Sequence {
    Sequence(seq.0.saturating_sub(1))
}

/// Where the first begins of the groups that lie closely before `span`, or `span` itself.
fn close_start(span: Span, earlier: &VecDeque<Span>) -> u64 {
    let (mut start, end) = (span.offset, span.offset + span.bytes);
    for previous in earlier.iter().rev() {
        let far = start - (previous.offset + previous.bytes) > GAP_BYTES_MAX;
        if far || end - previous.offset > AHEAD_BYTES_MAX as u64 {
            break;
        }
        start = previous.offset;
    }
    start
}

impl Iterator for RecordsBackwards {
    type Item = Result<CommitRecord, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        let item = self.advance().transpose();
        if matches!(item, Some(Err(_))) {
            self.ready.clear();
            self.finish();
        }
        item
    }
}

impl FusedIterator for RecordsBackwards {}
