//! The parts that a consumer's documents fall into, and who is to have which.

use wellspring_types::{DocumentPath, limits};

/// How many there are.
pub(super) const COUNT: usize = limits::CONSUMER_SLOTS as usize;
const _: () = assert!(COUNT == 64, "a set of slots is a word");

/// The slot of a document. Positions on disk are told by it: it must never change. It is FNV-1a of
/// 64 bits (RFC 9923) of the path, folded.
pub(super) fn slot_of(path: &DocumentPath) -> usize {
    let bytes = path.as_str().bytes();
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let folded = hash ^ (hash >> 32);
    usize::try_from(folded % COUNT as u64).unwrap_or_default()
}

/// A set of slots.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Slots(u64);

impl Slots {
    pub(super) const NONE: Slots = Slots(0);
    pub(super) const ALL: Slots = Slots(u64::MAX);

    pub(super) fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(super) fn has(self, slot: usize) -> bool {
        self.0 >> slot & 1 == 1
    }

    pub(super) fn add(&mut self, slot: usize) {
        self.0 |= 1 << slot;
    }

    pub(super) fn len(self) -> usize {
        self.0.count_ones() as usize
    }

    pub(super) fn iter(self) -> impl Iterator<Item = usize> {
        (0..COUNT).filter(move |slot| self.has(*slot))
    }

    pub(super) fn and(self, other: Slots) -> Slots {
        Slots(self.0 & other.0)
    }

    pub(super) fn or(self, other: Slots) -> Slots {
        Slots(self.0 | other.0)
    }

    pub(super) fn without(self, other: Slots) -> Slots {
        Slots(self.0 & !other.0)
    }

    /// The first `count` of them.
    fn first(self, count: usize) -> Slots {
        let mut first = Slots::NONE;
        self.iter().take(count).for_each(|slot| first.add(slot));
        first
    }
}

/// Who is to have which slots, as many each as can be, give or take one, and with as few moved as
/// can be: what each of `held` is to have, in the same order.
pub(super) fn shared_out(held: &[Slots]) -> Vec<Slots> {
    if held.is_empty() {
        return Vec::new();
    }
    let (least, more) = (COUNT / held.len(), COUNT % held.len());
    // Who has most gets one more, where not all can have as many.
    let mut by_count: Vec<usize> = (0..held.len()).collect();
    by_count.sort_by_key(|index| std::cmp::Reverse(held[*index].len()));
    let quota = |place: usize| least + usize::from(place < more);
    let mut shared = vec![Slots::NONE; held.len()];
    for (place, &index) in by_count.iter().enumerate() {
        shared[index] = held[index].first(quota(place));
    }
    let kept = shared.iter().fold(Slots::NONE, |all, one| all.or(*one));
    let mut free = Slots::ALL.without(kept);
    for (place, &index) in by_count.iter().enumerate() {
        let taken = free.first(quota(place) - shared[index].len());
        shared[index] = shared[index].or(taken);
        free = free.without(taken);
    }
    shared
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_stays_in_its_slot_for_ever() {
        let slots = ["rooms/1", "rooms/2", "orders/é"].map(|path| slot_of(&path.parse().unwrap()));
        assert_eq!(slots, [55, 10, 51]);
    }

    #[test]
    fn documents_spread_over_all_slots() {
        let mut counts = [0; COUNT];
        for n in 0..6400 {
            counts[slot_of(&format!("rooms/{n}").parse().unwrap())] += 1;
        }
        let (least, most) = (counts.iter().min().unwrap(), counts.iter().max().unwrap());
        assert!(*least > 50 && *most < 170, "{least} to {most}");
    }

    #[test]
    fn all_slots_are_shared_out_evenly_and_few_move() {
        for members in 1..=70 {
            let mut held = vec![Slots::NONE; 1];
            for _ in 1..members {
                held = shared_out(&held);
                held.push(Slots::NONE);
            }
            let shared = shared_out(&held);
            let all = shared.iter().fold(Slots::NONE, |all, one| {
                assert!(all.and(*one).is_empty(), "none has what another has");
                all.or(*one)
            });
            assert_eq!(all, Slots::ALL);
            let least = shared.iter().map(|one| one.len()).min().unwrap();
            let most = shared.iter().map(|one| one.len()).max().unwrap();
            assert!(most - least <= 1, "{least} to {most}");
            // Who came last gets from the others no more than its own part.
            let newest = shared.last().unwrap().len();
            let moved = held
                .iter()
                .zip(&shared)
                .map(|(was, is)| was.without(*is).len());
            assert!(moved.sum::<usize>() <= newest, "with {members}");
            assert_eq!(
                shared_out(&shared),
                shared,
                "nothing moves without a reason"
            );
        }
    }
}
