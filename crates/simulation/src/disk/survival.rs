//! What a power cut leaves of what was not synced.

use wellspring_testkit::random::Random;

/// How kind the disk is to what was not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Survival {
    /// All of it is there.
    Everything,
    /// Nothing of it.
    Nothing,
    /// The first of it, per file and directory, the last write torn.
    Prefix,
    /// Any of it, in whatever order, anything torn.
    Anything,
}

impl Survival {
    pub(crate) fn draw(random: &mut Random) -> Survival {
        match random.below(8) {
            0 => Survival::Everything,
            1 => Survival::Nothing,
            2 | 3 => Survival::Prefix,
            _ => Survival::Anything,
        }
    }

    /// Which of `count` edits are there.
    pub(super) fn choose(self, count: usize, random: &mut Random) -> Vec<bool> {
        match self {
            Survival::Everything => vec![true; count],
            Survival::Nothing => vec![false; count],
            Survival::Prefix => {
                let kept = super::content::below(random, count + 1);
                (0..count).map(|number| number < kept).collect()
            }
            Survival::Anything => (0..count).map(|_| random.below(2) == 0).collect(),
        }
    }

    /// Whether a write is torn that is there or not there otherwise.
    pub(super) fn tears(self, kept: bool, random: &mut Random) -> bool {
        match self {
            Survival::Everything | Survival::Nothing => false,
            Survival::Prefix => !kept && random.below(4) == 0,
            Survival::Anything => random.below(3) == 0,
        }
    }
}
