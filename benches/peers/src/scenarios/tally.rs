//! Whether everything that was written came to each subscriber, once and in order.

use std::collections::{HashMap, HashSet};

use super::listening::Heard;
use super::writing::Counts;
use super::{Figures, percentile, real};
use crate::document::Event;

/// What came, over all subscribers.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    /// Events, repeated ones too.
    pub(super) delivered: u64,
    /// Documents that did not come to one who wanted them.
    pub(super) lost: u64,
    /// Events of a document that had come before.
    pub(super) repeated: u64,
    /// Events behind one of the same writer and topic that was written later.
    pub(super) disordered: u64,
    /// From when a document was sent to when it was read, sorted.
    pub(super) delays_micros: Vec<u64>,
    pub(super) last_micros: u64,
}

impl Tally {
    /// Of subscribers, each of whom should have heard all that was written to its topic.
    pub(super) fn of(heard: &[Heard], counts: &Counts) -> Tally {
        let mut tally = Tally::default();
        for Heard { topic, events } in heard {
            let wanted: HashMap<u32, u32> = counts
                .iter()
                .filter(|((_, written_to), _)| written_to == topic)
                .map(|((writer, _), count)| (*writer, *count))
                .collect();
            tally.add(events, &wanted);
        }
        tally.delays_micros.sort_unstable();
        tally
    }

    fn add(&mut self, events: &[Event], wanted: &HashMap<u32, u32>) {
        let mut seen = HashSet::with_capacity(events.len());
        let mut newest: HashMap<u32, u32> = HashMap::new();
        for event in events {
            let (writer, number) = (event.stamp.writer, event.stamp.number);
            self.repeated += u64::from(!seen.insert((writer, number)));
            let newest = newest.entry(writer).or_insert(number);
            self.disordered += u64::from(number < *newest);
            *newest = number.max(*newest);
            let delay = event
                .received_micros
                .saturating_sub(event.stamp.sent_micros);
            self.delays_micros.push(delay);
            self.last_micros = self.last_micros.max(event.received_micros);
        }
        self.delivered += events.len() as u64;
        for (writer, count) in wanted {
            let came = (0..*count)
                .filter(|number| seen.contains(&(*writer, *number)))
                .count();
            self.lost += u64::from(*count) - came as u64;
        }
    }

    /// Writes down what a feed must not do.
    pub(super) fn note_wrong(&self, figures: &mut Figures) {
        figures.set("lost", real(self.lost));
        figures.set("repeated", real(self.repeated));
        figures.set("disordered", real(self.disordered));
    }

    /// Writes down how long deliveries took.
    pub(super) fn note_delays(&self, figures: &mut Figures) {
        figures.set("delivered_p50_us", percentile(&self.delays_micros, 50));
        figures.set("delivered_p99_us", percentile(&self.delays_micros, 99));
        figures.set("delivered_max_us", percentile(&self.delays_micros, 100));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::{Stamp, Topic};

    fn heard(topic: Topic, numbers: &[(u32, u32)]) -> Heard {
        let event = |&(writer, number): &(u32, u32)| Event {
            stamp: Stamp {
                writer,
                number,
                sent_micros: 10,
            },
            received_micros: 15,
        };
        Heard {
            topic,
            events: numbers.iter().map(event).collect(),
        }
    }

    fn counts(topic: Topic) -> Counts {
        Counts::from([((0, topic), 3), ((1, topic), 1), ((0, Topic::Room(9)), 5)])
    }

    #[test]
    fn all_documents_once_and_in_order_of_their_writers_are_right() {
        let heard = [heard(Topic::All, &[(0, 0), (1, 0), (0, 1), (0, 2)])];
        let tally = Tally::of(&heard, &counts(Topic::All));
        assert_eq!(
            (
                tally.delivered,
                tally.lost,
                tally.repeated,
                tally.disordered
            ),
            (4, 0, 0, 0)
        );
        assert_eq!(tally.delays_micros, [5; 4]);
    }

    #[test]
    fn what_is_missing_comes_twice_or_comes_late_is_counted() {
        let heard = [
            heard(Topic::All, &[(0, 0), (0, 2), (0, 2)]),
            heard(Topic::All, &[(0, 1), (0, 0), (0, 2), (1, 0)]),
        ];
        let tally = Tally::of(&heard, &counts(Topic::All));
        assert_eq!(
            (
                tally.delivered,
                tally.lost,
                tally.repeated,
                tally.disordered
            ),
            (7, 2, 1, 1)
        );
    }
}
