//! Damage to files of a database that is closed: found and named, or harmless; never silently
//! wrong, never a panic, never a hang.
//!
//! Each case copies a database, harms one place of one file, has it checked, opens the copy, reads
//! everything, closes it, takes the store away, and opens it again, so that it is built anew.

mod examine;
mod harm;
pub(crate) mod scene;
mod verify;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use wellspring_testkit::random::Random;

use examine::{Outcome, examine};
use harm::Harm;
use scene::{Kind, Scene, State};

/// Places that are harmed of each kind of file: 2,000 with `WELLSPRING_DAMAGE=2000` set when this
/// is compiled, as the long form in `docs/testing.md` does.
fn places() -> u64 {
    option_env!("WELLSPRING_DAMAGE")
        .and_then(|places| places.parse().ok())
        .unwrap_or(60)
}

/// How often each outcome was seen.
#[derive(Default)]
struct Tally(BTreeMap<String, u64>);

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (outcome, count) in &self.0 {
            writeln!(f, "{count:6} {outcome}")?;
        }
        Ok(())
    }
}

/// Harms `kind` in every state of a database that has it, and tells what came of it.
fn harm_everywhere(kind: Kind) -> Tally {
    let scenes: Vec<Scene> = State::ALL
        .into_iter()
        .filter(|state| kind != Kind::Store || *state != State::Crashed)
        .map(Scene::build)
        .collect();
    let next = AtomicU64::new(0);
    let case = |number| {
        let mut random = Random::new(number * 8 + kind as u64);
        let scene = &scenes[usize::try_from(random.below(scenes.len() as u64)).unwrap()];
        let harm = Harm::choose(scene, kind, &mut random);
        let what = format!(
            "case {number}: {harm:?} of a database that was {:?}",
            scene.state
        );
        let outcome = examine(scene, &harm);
        assert!(!matches!(outcome, Outcome::Bad(_)), "{what}: {outcome}");
        format!("{:?}: {outcome}", scene.state)
    };
    let work = || {
        let mut tally = Tally::default();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= places() {
                return tally;
            }
            *tally.0.entry(case(number)).or_default() += 1;
        }
    };
    let mut tally = Tally::default();
    thread::scope(|scope| {
        let workers = [scope.spawn(work), scope.spawn(work)];
        for worker in workers {
            for (outcome, count) in worker.join().unwrap().0 {
                *tally.0.entry(outcome).or_default() += count;
            }
        }
    });
    tally
}

/// Prints the tally, for the long form with `--nocapture`.
#[expect(clippy::print_stdout, reason = "the figures are what it is for")]
fn report(kind: Kind) {
    let tally = harm_everywhere(kind);
    assert_eq!(tally.0.values().sum::<u64>(), places());
    println!("{kind:?}\n{tally}");
}

#[test]
fn damage_to_a_segment_is_named_or_harmless() {
    report(Kind::Segment);
}

#[test]
fn damage_to_an_index_is_named_or_harmless() {
    report(Kind::Index);
}

#[test]
fn damage_to_a_manifest_is_named_or_harmless() {
    report(Kind::Manifest);
}

#[test]
fn damage_to_the_mutation_ids_of_a_snapshot_is_named_or_harmless() {
    report(Kind::Mutations);
}

#[test]
fn damage_to_the_documents_of_a_snapshot_is_named_or_harmless() {
    report(Kind::Documents);
}

#[test]
fn damage_to_meta_is_named_or_harmless() {
    report(Kind::Meta);
}

#[test]
fn damage_to_the_store_is_named_or_harmless() {
    report(Kind::Store);
}
