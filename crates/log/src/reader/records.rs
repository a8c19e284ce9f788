//! Records in order, across groups and segments.

use std::collections::VecDeque;
use std::iter::FusedIterator;
use std::sync::Arc;

use wellspring_types::{CollectionId, Sequence};

use super::group::{OpenGroup, Read, damage};
use crate::error::{DamageKind, ReadError};
use crate::files::LogFile;
use crate::index::{SegmentIndex, Span};
use crate::record::{CommitRecord, Found, RecordRef, Wanted};
use crate::segment;
use crate::shared::{Place, Shared};
use crate::window::{AHEAD_BYTES_MAX, Window};

/// Places of groups that are looked up at a time.
const SPANS_MAX: usize = 256;
/// Bytes between two wanted groups that are rather read along than read around.
const GAP_BYTES_MAX: u64 = 16 << 10;

/// Records of a log, ascending: what [`LogReader::read`](crate::LogReader::read) returns.
#[derive(Debug)]
pub struct Records {
    shared: Arc<Shared>,
    /// The first commit that was not looked at yet.
    next: Sequence,
    through: Sequence,
    collection: Option<CollectionId>,
    window: Window,
    segment: Option<OpenSegment>,
    group: Option<OpenGroup>,
}

#[derive(Debug)]
struct OpenSegment {
    place: Place,
    file: Arc<LogFile>,
    /// Where the group that holds the next commit is, and the checksum of the one before it where
    /// that is known.
    at: Option<(u64, Option<u32>)>,
    /// Groups that change the collection that is wanted.
    spans: VecDeque<Span>,
}

/// What looking for the next group came to.
enum Step {
    /// A group was opened.
    Group,
    /// The segment has nothing more that is wanted.
    NextSegment,
    /// Nothing more is wanted of the whole log.
    End,
}

impl Records {
    pub(super) fn new(
        shared: Arc<Shared>,
        after: Sequence,
        through: Sequence,
        collection: Option<CollectionId>,
    ) -> Records {
        let (next, through) = if after < through {
            (after.next(), through)
        } else {
            (Sequence::ZERO.next(), Sequence::ZERO) // nothing
        };
        let window = Window::default();
        Records {
            shared,
            next,
            through,
            collection,
            window,
            segment: None,
            group: None,
        }
    }

    /// The next record, as [`Iterator::next`] gives it but borrowed: for who is done with it before
    /// the next.
    pub fn next_ref(&mut self) -> Option<Result<RecordRef<'_>, ReadError>> {
        match self.next_as::<Found>()? {
            Ok(found) => {
                let group = self.group.as_ref()?;
                Some(Ok(found.of(group.body())))
            }
            Err(error) => Some(Err(error)),
        }
    }

    fn next_as<T: Read>(&mut self) -> Option<Result<T, ReadError>> {
        let item = self.advance().transpose();
        if matches!(item, Some(Err(_))) {
            self.finish();
        }
        item
    }

    /// The next record; `None` at the end.
    fn advance<T: Read>(&mut self) -> Result<Option<T>, ReadError> {
        while self.next <= self.through {
            if self.group.is_some() {
                match self.next_in_group()? {
                    Some(record) => return Ok(Some(record)),
                    None => continue,
                }
            }
            let mut segment = match self.segment.take() {
                Some(segment) if segment.place.next.is_none_or(|next| self.next < next) => segment,
                _ => self.open_segment()?,
            };
            match self.open_group(&mut segment)? {
                Step::Group => self.segment = Some(segment),
                Step::NextSegment => match segment.place.next {
                    Some(next) => self.next = next,
                    None => break,
                },
                Step::End => break,
            }
        }
        // What is not read any more need not be kept until the iterator is dropped.
        self.finish();
        Ok(None)
    }

    /// The next record of the group that is open; `None` when there are no more in it.
    fn next_in_group<T: Read>(&mut self) -> Result<Option<T>, ReadError> {
        let (Some(group), Some(segment)) = (&mut self.group, &mut self.segment) else {
            return Ok(None);
        };
        let wanted = Wanted {
            from: self.next,
            collection: self.collection,
        };
        match group.next_as::<T>(&segment.file, wanted)? {
            Some(record) if record.sequence() <= self.through => {
                self.next = record.sequence().next();
                Ok(Some(record))
            }
            Some(beyond) => {
                self.next = beyond.sequence();
                Ok(None)
            }
            None => {
                self.next = group.last().next();
                segment.at = Some((group.end(), Some(group.checksum())));
                self.group = None;
                Ok(None)
            }
        }
    }

    /// The segment that holds the next commit.
    fn open_segment(&mut self) -> Result<OpenSegment, ReadError> {
        self.group = None;
        self.window.reset();
        let Some(place) = self.shared.segment_at(self.next) else {
            let (wanted, oldest) = (self.next, self.shared.oldest());
            return Err(ReadError::BeforeOldest { wanted, oldest });
        };
        let file = self.shared.file(place.header.first())?;
        let starts = place.header.first() == self.next;
        let start = (
            segment::HEADER_BYTES as u64,
            Some(place.header.link.checksum),
        );
        let at = starts.then_some(start);
        Ok(OpenSegment {
            place,
            file,
            at,
            spans: VecDeque::new(),
        })
    }

    /// Opens the next group that is wanted, or moves behind the segment if there is none in it.
    fn open_group(&mut self, segment: &mut OpenSegment) -> Result<Step, ReadError> {
        let (offset, previous) = match (self.collection, segment.at) {
            (None, Some(at)) => at,
            (None, None) => (self.locate(segment)?, None),
            (Some(collection), _) => match self.next_span(segment, collection)? {
                Some(span) if span.first <= self.through => {
                    self.next = self.next.max(span.first);
                    (span.offset, None)
                }
                Some(_) => return Ok(Step::End),
                None => return Ok(Step::NextSegment),
            },
        };
        let (file, salt) = (&segment.file, segment.place.header.salt);
        let group = OpenGroup::read(&mut self.window, file, salt, (offset, self.next))?;
        if previous.is_some_and(|previous| previous != group.previous_checksum()) {
            let last = Sequence(self.next.0 - 1);
            let what = DamageKind::GroupOrder {
                found: self.next,
                last,
            };
            return Err(damage(file, offset, what));
        }
        self.group = Some(group);
        Ok(Step::Group)
    }

    /// Where the group is that holds the next commit.
    fn locate(&self, segment: &OpenSegment) -> Result<u64, ReadError> {
        let next = self.next;
        let find = |index: &SegmentIndex| index.span(index.number_at(next));
        let span = self.shared.with_index(&segment.place.header, find)?;
        // An index without groups is of no segment that holds commits.
        Ok(span.map_or(segment::HEADER_BYTES as u64, |span| span.offset))
    }

    /// Takes the next group that changes `collection`, with those that follow closely read ahead.
    fn next_span(
        &mut self,
        segment: &mut OpenSegment,
        collection: CollectionId,
    ) -> Result<Option<Span>, ReadError> {
        if segment.spans.is_empty() {
            let next = self.next;
            let find = |index: &SegmentIndex| index.spans(collection, next, SPANS_MAX);
            segment.spans = self.shared.with_index(&segment.place.header, find)?.into();
        }
        let Some(span) = segment.spans.pop_front() else {
            return Ok(None);
        };
        if !self.window.holds(span.offset, span.bytes) {
            let bytes = close_bytes(span, &segment.spans);
            self.window.fill(&segment.file, span.offset, bytes)?;
        }
        Ok(Some(span))
    }

    /// Nothing more comes.
    fn finish(&mut self) {
        self.through = Sequence::ZERO;
        self.next = Sequence(1);
        self.segment = None;
        self.group = None;
        self.window = Window::default();
    }
}

/// Bytes from the beginning of `span` to the end of the last of those that follow it closely.
fn close_bytes(span: Span, later: &VecDeque<Span>) -> usize {
    let mut end = span.offset + span.bytes;
    for next in later {
        let next_end = next.offset + next.bytes;
        let far = next.offset - end > GAP_BYTES_MAX;
        if far || next_end - span.offset > AHEAD_BYTES_MAX as u64 {
            break;
        }
        end = next_end;
    }
    usize::try_from(end - span.offset).unwrap_or(AHEAD_BYTES_MAX)
}

impl Iterator for Records {
    type Item = Result<CommitRecord, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_as()
    }
}

impl FusedIterator for Records {}
