//! Opening a harmed database and reading everything that it has.

use std::fmt;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use wellspring_engine::Database;
use wellspring_testkit::workload::documents;
use wellspring_types::feed::{FeedMessage, From, SubscribeRequest};
use wellspring_types::{Data, Sequence};

use super::harm::{Harm, What};
use super::scene::{COLLECTIONS, Scene, copy, directory, options, runtime};
use super::verify;

/// How long one case may take: the store has half a minute to open, twice.
const DEADLINE: Duration = Duration::from_secs(150);

/// What came of damage.
#[derive(Debug)]
pub(super) enum Outcome {
    /// Everything is as it was, also after the store was built again.
    Harmless,
    /// Opening or reading failed, with an error.
    Named { when: &'static str },
    /// An end of the log is gone that nothing bore witness to.
    Unwitnessed,
    /// The oldest changes are gone, as if retention had dropped them. Who asks for them is told.
    Shortened,
    /// Anything else.
    Bad(String),
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Outcome::Harmless => f.write_str("harmless"),
            Outcome::Named { when } => write!(f, "named {when}"),
            Outcome::Shortened => f.write_str("oldest changes gone, as if dropped"),
            Outcome::Unwitnessed => f.write_str("end of the log lost, without a witness"),
            Outcome::Bad(why) => write!(f, "bad: {why}"),
        }
    }
}

/// Why something was not read.
enum Failure {
    Named(String),
    Wrong(String),
}

/// Harms a copy of the scene's database and tells what came of it.
pub(super) fn examine(scene: &Scene, harm: &Harm) -> Outcome {
    let copied = directory();
    let data_dir = copied.path().join("data");
    copy(&scene.data_dir(), &data_dir);
    harm.apply(&data_dir);
    thread::scope(|scope| {
        let (sender, receiver) = mpsc::sync_channel(1);
        scope.spawn(move || {
            let open = || {
                let report = verify::check(&data_dir);
                let outcome = open_twice(scene, harm, &data_dir);
                match verify::judge(scene, harm, &outcome, &report) {
                    Ok(()) => outcome,
                    Err(why) => Outcome::Bad(format!("when it is checked: {why}")),
                }
            };
            let outcome = catch_unwind(AssertUnwindSafe(open));
            sender.send(outcome.unwrap_or_else(|_| Outcome::Bad("panicked".into())))
        });
        let outcome = receiver.recv_timeout(DEADLINE);
        outcome.unwrap_or_else(|_hangs| {
            // Nothing can end the thread, and the scope would wait for it.
            eprintln!(
                "it hangs: {harm:?} of a database that was {:?}",
                scene.state
            );
            std::process::abort()
        })
    })
}

fn open_twice(scene: &Scene, harm: &Harm, data_dir: &Path) -> Outcome {
    let mut head = scene.head;
    for (opening, reading) in [
        ("when it is opened", "when it is read"),
        (
            "when it is opened without its store",
            "when it is read without its store",
        ),
    ] {
        let database = match Database::open(options(data_dir), &mut |_| {}) {
            Ok(database) => database,
            Err(error) => return named(harm, opening, &error.to_string()),
        };
        if database.visible() != head {
            if Some(database.visible()) != harm.unwitnessed_head(scene) {
                return Outcome::Bad(format!("head {}, not {head}", database.visible()));
            }
            head = database.visible();
        }
        match runtime().block_on(read(scene, harm, &database, head)) {
            Ok(()) => {}
            Err(Failure::Named(error)) => return named(harm, reading, &error),
            Err(Failure::Wrong(why)) => return Outcome::Bad(format!("{reading}: {why}")),
        }
        if let Err(error) = runtime().block_on(database.close()) {
            return Outcome::Bad(format!("it does not close: {error}"));
        }
        fs::remove_dir_all(data_dir.join("store")).unwrap();
    }
    if head != scene.head {
        Outcome::Unwitnessed
    } else if harm.oldest(scene) != scene.oldest {
        Outcome::Shortened
    } else {
        Outcome::Harmless
    }
}

/// An error must say which file is damaged; of one that is missing, which one lacks it.
fn named(harm: &Harm, when: &'static str, error: &str) -> Outcome {
    let name = harm.file.file_name().unwrap().to_str().unwrap();
    if error.contains(name) || (harm.what == What::Remove && error.contains(".seg is damaged")) {
        Outcome::Named { when }
    } else {
        Outcome::Bad(format!("{when}: {error}"))
    }
}

/// Reads documents, changes and mutation ids through `head`, and compares.
async fn read(
    scene: &Scene,
    harm: &Harm,
    database: &Database,
    head: Sequence,
) -> Result<(), Failure> {
    let after = Sequence(harm.oldest(scene).0 - 1).max(scene.floor);
    let named = |error: &dyn fmt::Display| Failure::Named(error.to_string());
    for collection in COLLECTIONS {
        let found = documents(database, collection).await;
        let found = found.map_err(|error| named(&error))?;
        let found = found
            .into_iter()
            .map(|d| (d.path.id().to_owned(), (d.version, d.data)));
        if !found.eq(scene.documents(collection, head)) {
            return Err(Failure::Wrong(format!("documents of {collection}")));
        }
        let expected = scene.changes(collection, after, head);
        changes(database, collection, after, expected).await?;
    }
    for commit in &scene.commits {
        let seq = commit.seq;
        if seq > head {
            break;
        }
        match database.commit(commit.request.clone()).await {
            Ok(repeat) if repeat.seq == seq => {}
            Ok(other) => return Err(Failure::Wrong(format!("{seq} again at {}", other.seq))),
            Err(error) => return Err(named(&error)),
        }
    }
    Ok(())
}

async fn changes(
    database: &Database,
    collection: &str,
    after: Sequence,
    expected: Vec<(Sequence, String, Option<Data>)>,
) -> Result<(), Failure> {
    let last = expected.last().map_or(after, |(seq, ..)| *seq);
    let mut found: Vec<(Sequence, String, Option<Data>)> = Vec::new();
    let request = SubscribeRequest::new(collection.parse().unwrap(), From::Beginning);
    let read = async {
        let mut subscription = database.subscribe(request)?;
        while found.last().map_or(after, |(seq, ..)| *seq) < last {
            match subscription.next().await? {
                FeedMessage::Subscribed { seq, .. } => {
                    ensure!(seq == after, "it begins after {seq}, not {after}");
                }
                FeedMessage::Changes { commits, .. } => {
                    for commit in commits {
                        let changes = commit.changes.iter();
                        found.extend(changes.map(|change| {
                            let id = change.path.id().to_owned();
                            (commit.seq, id, change.data.clone())
                        }));
                    }
                }
                FeedMessage::Checkpoint { .. } => {}
                other => anyhow::bail!("{other:?}"),
            }
        }
        anyhow::Ok(())
    };
    let read = tokio::time::timeout(DEADLINE, read).await;
    match read.context("no change comes").and_then(|read| read) {
        Ok(()) if found == expected => Ok(()),
        Ok(()) => Err(Failure::Wrong(format!("changes of {collection}"))),
        Err(error) if error.is::<wellspring_engine::SubscriptionError>() => {
            Err(Failure::Named(error.to_string()))
        }
        Err(error) => Err(Failure::Wrong(error.to_string())),
    }
}
