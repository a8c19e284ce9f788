//! Reading what was appended, from any position.

mod backwards;
mod group;
mod records;

use std::sync::Arc;

use wellspring_types::{CollectionId, Sequence, Timestamp};

use crate::error::ReadError;
use crate::segment::SegmentHeader;
use crate::shared::Shared;
use crate::window::Window;

pub use backwards::RecordsBackwards;
pub use records::Records;

/// Reads what was appended and synced, beside the log that goes on appending. Clones are cheap.
#[derive(Clone, Debug)]
pub struct LogReader {
    shared: Arc<Shared>,
}

impl LogReader {
    pub(crate) fn new(shared: Arc<Shared>) -> LogReader {
        LogReader { shared }
    }

    /// The last commit; zero when there is none yet.
    #[must_use]
    pub fn head(&self) -> Sequence {
        self.shared.link().last
    }

    /// The first commit that is kept; 1 when there is none yet.
    #[must_use]
    pub fn oldest(&self) -> Sequence {
        self.shared.oldest()
    }

    /// Whether every commit at or after `time` is kept.
    #[must_use]
    pub fn keeps_from(&self, time: Timestamp) -> bool {
        self.shared.dropped_through() < time || self.oldest() == Sequence(1)
    }

    /// The time of the last commit; 1970 when there is none yet.
    #[must_use]
    pub fn last_time(&self) -> Timestamp {
        self.shared.link().last_time
    }

    /// The commits after `after` through `through`, ascending, as far as they are there when this
    /// is called. With a `collection` only the commits that change it, with only their changes of
    /// it. Documents are slices of one buffer a group.
    ///
    /// Nothing is read before the first item is asked for, and nothing comes after an error.
    #[must_use]
    pub fn read(
        &self,
        after: Sequence,
        through: Sequence,
        collection: Option<CollectionId>,
    ) -> Records {
        Records::new(
            Arc::clone(&self.shared),
            after,
            through.min(self.head()),
            collection,
        )
    }

    /// The commits through `through` down to the one behind `after`, descending, as far as they are
    /// there when this is called: those that change `collection`, with only their changes of it.
    /// Documents are slices of one buffer a group.
    ///
    /// Nothing is read before the first item is asked for, and nothing comes after an error.
    #[must_use]
    pub fn read_backwards(
        &self,
        after: Sequence,
        through: Sequence,
        collection: CollectionId,
    ) -> RecordsBackwards {
        let range = (after, through.min(self.head()));
        RecordsBackwards::new(Arc::clone(&self.shared), range, collection)
    }

    /// The first kept commit at or after `time`; the next one to come, if there is none.
    ///
    /// # Errors
    /// If the log cannot be read or is damaged where it is looked into.
    pub fn first_at(&self, time: Timestamp) -> Result<Sequence, ReadError> {
        loop {
            match self.find_first_at(time) {
                // The segment that was looked into has been dropped meanwhile.
                Err(ReadError::BeforeOldest { .. }) => {}
                found => return found,
            }
        }
    }

    fn find_first_at(&self, time: Timestamp) -> Result<Sequence, ReadError> {
        let head = self.shared.link();
        if head.last_time < time || head.last == Sequence::ZERO {
            return Ok(head.last.next());
        }
        let Some(place) = self.shared.segment_after(|link| link.last_time < time) else {
            return Ok(head.last.next());
        };
        let from = self.group_before(&place.header, time)?;
        for record in self.read(Sequence(from.0 - 1), head.last, None) {
            let record = record?;
            if record.time >= time {
                return Ok(record.sequence);
            }
        }
        Ok(head.last.next())
    }

    /// The first commit of the segment's last group that begins before `time`; of its first group,
    /// if none does.
    fn group_before(&self, header: &SegmentHeader, time: Timestamp) -> Result<Sequence, ReadError> {
        let file = self.shared.file(header.first())?;
        let mut window = Window::default();
        let groups = self.shared.with_index(header, |index| index.groups())?;
        let (mut before, mut from) = (header.first(), 0..groups);
        while !from.is_empty() {
            let middle = from.start + from.len() / 2;
            let Some(span) = self.shared.with_index(header, |index| index.span(middle))? else {
                break;
            };
            window.reset();
            if group::first_time(&mut window, &file, header.salt, span)? < time {
                (before, from.start) = (span.first, middle + 1);
            } else {
                from.end = middle;
            }
        }
        Ok(before)
    }
}
