//! Seeds of the simulation, few enough for every change. `wellspring-simulate` runs many.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use wellspring_simulation::{Counts, Trace, run};

/// Seeds of the short form: enough that each kind of event below is sure to happen. What fails on
/// the disk in a hundred of them may meet a single commit, or none.
const SEEDS: u64 = 200;

#[test]
fn every_promise_is_kept_under_every_seed() {
    // Set when the test is built, it runs that seed alone and tells what it does.
    if let Some(seed) = option_env!("WELLSPRING_SEED") {
        let outcome = run(seed.parse().unwrap(), Trace::Written);
        println!("{}\n{}", outcome.trace.join("\n"), outcome.counts);
        assert_eq!(outcome.failure, None, "seed {seed}");
        return;
    }
    let (next, total) = (AtomicU64::new(0), Mutex::new(Counts::default()));
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let seed @ 0..SEEDS = next.fetch_add(1, Ordering::Relaxed) {
                    let outcome = run(seed, Trace::None);
                    assert_eq!(
                        outcome.failure, None,
                        "seed {seed}; to follow it: \
                         WELLSPRING_SEED={seed} cargo run --release -p wellspring-simulation"
                    );
                    total.lock().unwrap().add(&outcome.counts);
                }
            });
        }
    });
    let counts = total.into_inner().unwrap();
    println!("{counts}");
    // A simulation in which nothing happens keeps every promise, too.
    let happened = [
        (counts.acknowledged, 1_000),
        (counts.refused, 100),
        (counts.unknown, 1),
        (counts.repeated, 100),
        (counts.failed, 5),
        (counts.kills, 20),
        (counts.power_cuts, 20),
        (counts.inside, 20),
        (counts.while_opening, 10),
        (counts.closes, 20),
        (counts.past, 100),
        (counts.messages, 1_000),
        (counts.overflows, 20),
        (counts.re_pins, 2),
        (counts.resets, 10),
        (counts.snapshots, 20),
        (counts.dropped, 50),
    ];
    for (place, (count, least)) in happened.into_iter().enumerate() {
        assert!(count >= least, "number {place}: {count}, not {least}");
    }
}

#[test]
fn a_seed_gives_the_same_history_again() {
    for seed in 0..10 {
        let (one, other) = (run(seed, Trace::Written), run(seed, Trace::Written));
        let differs = one.trace.iter().zip(&other.trace).find(|(a, b)| a != b);
        assert_eq!(differs, None, "seed {seed}");
        assert_eq!(one.history, other.history, "seed {seed}");
        assert_eq!(one.counts, other.counts, "seed {seed}");
    }
    assert_ne!(run(1, Trace::None).history, run(2, Trace::None).history);
}
