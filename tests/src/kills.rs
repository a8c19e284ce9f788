//! `kill -9` at random moments while 8 writers commit: what was acknowledged is there, and
//! nothing is half there; also where the store is lost with the kill.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;
use wellspring_engine::Database;
use wellspring_testkit::random::Random;
use wellspring_testkit::workload::{Acknowledged, check, options};
use wellspring_tests::store_loss::hurt_store;

/// How often each test kills: 200 times with `WELLSPRING_KILLS=200` set when it is compiled, as
/// the long form in `docs/testing.md` does.
fn kills() -> u64 {
    option_env!("WELLSPRING_KILLS")
        .and_then(|kills| kills.parse().ok())
        .unwrap_or(25)
}

/// A database, and everything that was acknowledged of it so far.
struct Scene {
    directory: TempDir,
    acknowledged: Vec<Acknowledged>,
    random: Random,
}

impl Scene {
    fn new(seed: u64) -> Scene {
        Scene {
            directory: tempfile::tempdir().unwrap(),
            acknowledged: Vec::new(),
            random: Random::new(seed),
        }
    }

    fn data_dir(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// Lets the writers write until the process is killed, some acknowledgements after it opened
    /// the database or, now and then, while it still opens it.
    fn write_and_kill(&mut self, round: u64) {
        let mut process = Command::new(env!("CARGO_BIN_EXE_wellspring-test-writer"))
            .arg(self.data_dir())
            .arg((round * 1_000_000).to_string())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let mut lines = lines.map(Result::unwrap);
        if self.random.below(8) == 0 {
            // A moment that no line marks: recovery, replay, the first commits.
            let moment = Duration::from_micros(self.random.below(30_000));
            wait(&mut process, moment);
        } else {
            assert_eq!(lines.next().as_deref(), Some("open"), "round {round}");
            let wanted = usize::try_from(self.random.below(400)).unwrap();
            let found = lines.by_ref().take(wanted);
            self.acknowledged
                .extend(found.map(|line| line.parse::<Acknowledged>().unwrap()));
        }
        process.kill().unwrap();
        process.wait().unwrap();
        // What it printed before it died was acknowledged, too.
        let rest = lines.filter(|line| line != "open");
        self.acknowledged
            .extend(rest.map(|line| line.parse::<Acknowledged>().unwrap()));
    }

    async fn reopen_and_check(&self, round: u64) {
        let database = Database::open(options(&self.data_dir()), &mut |_| {}).unwrap();
        let found = check(&database, &self.acknowledged).await;
        found.unwrap_or_else(|error| panic!("round {round}: {error}"));
        // Half of the openings end cleanly, the others as a crash would.
        if round.is_multiple_of(2) {
            database.close().await.unwrap();
        }
    }
}

/// Waits for a process that does not end by itself.
fn wait(process: &mut Child, moment: Duration) {
    let began = std::time::Instant::now();
    while began.elapsed() < moment {
        assert!(process.try_wait().unwrap().is_none(), "it ended by itself");
        std::thread::yield_now();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_acknowledged_commit_survives_kills_whole() {
    let mut scene = Scene::new(1);
    for round in 0..kills() {
        scene.write_and_kill(round);
        scene.reopen_and_check(round).await;
    }
    assert!(!scene.acknowledged.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_lost_or_damaged_with_the_kill_costs_nothing() {
    let mut scene = Scene::new(2);
    for round in 0..kills() {
        scene.write_and_kill(round);
        hurt_store(&scene.data_dir(), &mut scene.random);
        scene.reopen_and_check(round).await;
    }
    assert!(!scene.acknowledged.is_empty());
}
