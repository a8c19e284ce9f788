//! Where the groups of one segment are, and which collections each of them changes.

mod file;

use std::collections::BTreeMap;
use std::mem::size_of;

use wellspring_types::{CollectionId, Sequence};

pub(crate) use file::{HEADER_BYTES, decode, decode_summary, encode};

/// A group's place in its segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) offset: u64,
    pub(crate) bytes: u64,
    /// Its first commit.
    pub(crate) first: Sequence,
}

/// The groups of one segment. It grows with the segment that is written and is kept in a file
/// beside those that are full.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SegmentIndex {
    /// Offset and first commit of each group.
    groups: Vec<(u64, Sequence)>,
    /// Where the last group ends.
    end: u64,
    /// For each collection, the numbers of the groups that change it, ascending.
    collections: BTreeMap<CollectionId, Vec<u32>>,
}

/// Collections that one group changes, each once.
#[derive(Debug, Default)]
pub(crate) struct Touched(Vec<CollectionId>);

impl Touched {
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    pub(crate) fn touch(&mut self, collection: CollectionId) {
        // Changes of one collection mostly stand together; `ids` sees to the rest.
        if self.0.last() != Some(&collection) {
            self.0.push(collection);
        }
    }

    fn ids(&mut self) -> &[CollectionId] {
        self.0.sort_unstable();
        self.0.dedup();
        &self.0
    }
}

impl SegmentIndex {
    /// Of a segment whose first group will stand at `start`.
    pub(crate) fn new(start: u64) -> SegmentIndex {
        SegmentIndex {
            groups: Vec::new(),
            end: start,
            collections: BTreeMap::new(),
        }
    }

    /// Adds the group that stands at the end.
    pub(crate) fn push(&mut self, first: Sequence, bytes: u64, touched: &mut Touched) {
        // A group takes at least a header, and no file has 2^32 of them.
        let number = u32::try_from(self.groups.len()).unwrap_or(u32::MAX);
        self.groups.push((self.end, first));
        self.end += bytes;
        for &collection in touched.ids() {
            self.collections.entry(collection).or_default().push(number);
        }
    }

    /// Where the last group ends.
    pub(crate) fn end(&self) -> u64 {
        self.end
    }

    pub(crate) fn groups(&self) -> usize {
        self.groups.len()
    }

    pub(crate) fn span(&self, number: usize) -> Option<Span> {
        let &(offset, first) = self.groups.get(number)?;
        let end = self
            .groups
            .get(number + 1)
            .map_or(self.end, |&(next, _)| next);
        Some(Span {
            offset,
            bytes: end - offset,
            first,
        })
    }

    /// The number of the group that holds `sequence`, or would.
    pub(crate) fn number_at(&self, sequence: Sequence) -> usize {
        self.groups
            .partition_point(|&(_, first)| first <= sequence)
            .saturating_sub(1)
    }

    /// The groups that change `collection`, from the one that holds `from`, at most `limit`.
    pub(crate) fn spans(
        &self,
        collection: CollectionId,
        from: Sequence,
        limit: usize,
    ) -> Vec<Span> {
        let Some(numbers) = self.collections.get(&collection) else {
            return Vec::new();
        };
        let first = self.number_at(from);
        let skipped =
            numbers.partition_point(|&number| usize::try_from(number).is_ok_and(|n| n < first));
        let wanted = numbers[skipped..].iter().take(limit);
        wanted
            .filter_map(|&number| self.span(usize::try_from(number).ok()?))
            .collect()
    }

    /// The last groups that change `collection` up to the one that holds `through`, at most
    /// `limit`, ascending.
    pub(crate) fn spans_through(
        &self,
        collection: CollectionId,
        through: Sequence,
        limit: usize,
    ) -> Vec<Span> {
        let Some(numbers) = self.collections.get(&collection) else {
            return Vec::new();
        };
        let end = numbers.partition_point(|&number| {
            let span = usize::try_from(number).ok().and_then(|n| self.span(n));
            span.is_some_and(|span| span.first <= through)
        });
        let wanted = numbers[end.saturating_sub(limit)..end].iter();
        wanted
            .filter_map(|&number| self.span(usize::try_from(number).ok()?))
            .collect()
    }

    /// About how much memory it takes.
    pub(crate) fn memory_bytes(&self) -> usize {
        // A collection costs its entry in the map and a vector of at least four numbers.
        let collections = self.collections.values();
        self.groups.len() * size_of::<(u64, Sequence)>()
            + collections
                .map(|numbers| 48 + numbers.len() * size_of::<u32>())
                .sum::<usize>()
    }
}
