//! Each bug is found by a rule that it is against, and only where it is.

use wellspring_engine::Bugs;
use wellspring_seeded::{BUGS, hunt};
use wellspring_simulation::{Trace, run_with};

fn assert_is_found(name: &str) {
    let found = BUGS.iter().find(|bug| bug.name == name).map(hunt);
    let found = found.and_then(|hunt| hunt.found);
    assert!(found.is_some(), "no rule that it is against finds {name}");
    for seed in 0..=found.map_or(0, |find| find.seed) {
        let outcome = run_with(seed, Trace::None, Bugs::default());
        assert_eq!(outcome.failure, None, "seed {seed}, without a bug");
    }
}

macro_rules! bugs {
    ($($test:ident: $name:literal;)*) => {
        $(
            #[test]
            fn $test() {
                assert_is_found($name);
            }
        )*

        #[test]
        fn every_bug_has_its_test() {
            let tested = [$($name),*];
            let all: Vec<&str> = BUGS.iter().map(|bug| bug.name).collect();
            assert_eq!(all, tested);
        }
    };
}

bugs! {
    a_commit_that_is_acknowledged_before_its_sync_is_found: "acknowledge-before-sync";
    a_group_that_is_visible_before_it_is_in_the_log_is_found: "publish-before-append";
    a_change_that_is_dropped_at_the_switch_to_live_is_found: "drop-at-switch";
    a_token_that_is_off_by_one_is_found: "token-off-by-one";
    a_commit_that_is_split_is_found: "split-commit";
    a_stale_before_image_is_found: "stale-before-image";
    a_checkpoint_that_overtakes_its_queue_is_found: "checkpoint-overtakes";
    a_snapshot_that_misses_what_was_deleted_is_found: "miss-deleted";
    a_mutation_that_is_applied_twice_is_found: "apply-twice";
    half_a_group_after_recovery_is_found: "half-a-group";
}
