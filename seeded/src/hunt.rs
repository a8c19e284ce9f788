//! Looking for a bug, seed by seed.

use std::collections::BTreeSet;

use wellspring_simulation::{Trace, run_with};
use wellspring_testkit::history::Rule;

use crate::bugs::{Bug, SEEDS_MAX};

/// What a hunt came to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Hunt {
    /// The first seed in which a rule that is to find the bug has; `None`: in none.
    pub found: Option<Find>,
    /// Seeds before that in which the checker was not asked, as something else was wrong: the
    /// database did not open any more, or a worker of it stopped.
    pub noticed: u64,
}

/// A seed in which the checker has found a bug.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Find {
    /// The seed.
    pub seed: u64,
    /// All rules that are not kept in it.
    pub rules: BTreeSet<Rule>,
    /// What the first rule that is to find the bug says.
    pub sentence: String,
}

/// Looks for the bug in [`SEEDS_MAX`] seeds, from zero on.
#[must_use]
pub fn hunt(bug: &Bug) -> Hunt {
    let mut noticed = 0;
    for seed in 0..SEEDS_MAX {
        let outcome = run_with(seed, Trace::None, bug.put_in());
        let mut verdicts = outcome.verdicts.iter();
        if let Some(first) = verdicts.find(|verdict| bug.rules.contains(&verdict.rule)) {
            let rules = outcome.verdicts.iter().map(|verdict| verdict.rule);
            let found = Some(Find {
                seed,
                rules: rules.collect(),
                sentence: first.sentence.clone(),
            });
            return Hunt { found, noticed };
        }
        if outcome.failure.is_some() && outcome.verdicts.is_empty() {
            noticed += 1;
        }
    }
    Hunt {
        found: None,
        noticed,
    }
}
