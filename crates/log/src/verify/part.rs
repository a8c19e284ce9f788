//! Parts of all documents: those that fit into memory are gone through at a time.

use std::hash::{DefaultHasher, Hash, Hasher};

use wellspring_types::CollectionId;

/// A document's place among all, spread evenly: two documents have the same one as good as never.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key(u64, u64);

impl Key {
    pub(super) fn of(collection: CollectionId, id: &str) -> Key {
        // Both halves are of a hash without a secret: who makes two documents meet makes a finding
        // about documents of their own.
        let half = |seed: u64| {
            let mut hasher = DefaultHasher::new();
            (seed, collection, id).hash(&mut hasher);
            hasher.finish()
        };
        Key(half(0), half(1))
    }
}

/// The documents whose keys end with some bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Part {
    bits: u32,
    value: u64,
}

impl Part {
    pub(super) fn holds(self, key: Key) -> bool {
        let mask = (1_u64 << self.bits) - 1;
        key.0 & mask == self.value
    }

    /// Its two halves; `None` where they could not be told apart any more.
    pub(super) fn split(self) -> Option<(Part, Part)> {
        let bits = self.bits + 1;
        let other = self.value | 1 << self.bits;
        (bits < u64::BITS).then_some((Part { bits, ..self }, Part { bits, value: other }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_is_in_one_half() {
        let mut parts = vec![Part::default()];
        for _ in 0..3 {
            parts = parts
                .into_iter()
                .filter_map(Part::split)
                .flat_map(|(a, b)| [a, b])
                .collect();
        }
        assert_eq!(parts.len(), 8);
        let mut held = [0; 8];
        for number in 0..800 {
            let key = Key::of(CollectionId(1), &format!("document-{number}"));
            let of: Vec<usize> = (0..8).filter(|&place| parts[place].holds(key)).collect();
            assert_eq!(of.len(), 1);
            held[of[0]] += 1;
        }
        assert!(held.iter().all(|&count| count > 50), "{held:?}");
    }
}
