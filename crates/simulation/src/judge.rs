//! The end of a history: everything that was ever in the log, the state, and the verdict.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use wellspring_engine::Database;
use wellspring_log::{CommitRecord, Log, LogReader, Options, Witnesses};
use wellspring_testkit::history::recorder::dump as dump_of;
use wellspring_testkit::history::{History, Verdict, check};
use wellspring_types::write::Read;
use wellspring_types::{CollectionId, CollectionPath, Data, Filter, Sequence};

use crate::clients::Accepted;
use crate::run::{Scene, data_dir};

/// Dumps the whole log, the segments that retention has dropped included, and the state.
pub(crate) async fn dump(scene: &Scene, database: &Database) -> Result<()> {
    let (head, epoch) = (database.visible(), database.epoch());
    let kept = database.kept().borrow().oldest;
    let disk = scene.disk.with_whole_log();
    let mut options = Options::new(data_dir().join("log"), epoch);
    options.file_system = Arc::new(disk);
    let log = Log::open(options, Witnesses::default()).context("the whole log")?;
    let reader = log.reader();
    if reader.head() != head {
        let found = reader.head();
        scene
            .world
            .fail(format!("the log ends at {found}, and {head} is visible"));
    }
    let collections = dump_of::whole_log(&scene.recorder, &reader, kept)?;
    check_reads(scene, &reader)?;
    let (recorder, database) = (scene.recorder.clone(), database.clone());
    let state = async move { dump_of::state(&recorder, &database, &collections, head).await };
    scene.wait_for("the dump of the state", state)?
}

/// Has the checker judge what was recorded.
pub(crate) fn judge(scene: &Scene) -> Result<Vec<Verdict>> {
    let text = scene.recorder.finish()?;
    let history = History::parse("history", &text)?;
    let report = check(&history)?;
    if let Some(first) = report.verdicts.first() {
        let places = first.records.iter().map(|place| history.locate(*place));
        let places: Vec<String> = places.collect();
        scene.world.fail(format!(
            "{}: {} ({}); {} verdicts in all",
            first.rule,
            first.sentence,
            places.join(", "),
            report.verdicts.len()
        ));
    }
    Ok(report.verdicts)
}

/// What accepted commits relied on was true just before them.
fn check_reads(scene: &Scene, reader: &LogReader) -> Result<()> {
    let accepted = scene.commits.lock().accepted.clone();
    let relying = accepted.iter().filter(|commit| !commit.reads.is_empty());
    let relying: Vec<&Accepted> = relying.collect();
    if relying.is_empty() {
        return Ok(());
    }
    let log: Vec<CommitRecord> = reader
        .read(Sequence::ZERO, reader.head(), None)
        .collect::<Result<_, _>>()?;
    let collections = log.iter().flat_map(|commit| commit.collections.clone());
    let collections: Vec<(CollectionId, CollectionPath)> = collections.collect();
    for commit in relying {
        let before = log.iter().filter(|other| other.sequence < commit.seq);
        for read in &commit.reads {
            if !is_true(read, before.clone(), &collections) {
                let (seq, read) = (commit.seq, format!("{read:?}"));
                scene.world.fail(format!(
                    "commit {seq} was accepted, and what it relied on was not so: {read}"
                ));
            }
        }
    }
    Ok(())
}

fn is_true<'a>(
    read: &Read,
    before: impl Iterator<Item = &'a CommitRecord>,
    collections: &[(CollectionId, CollectionPath)],
) -> bool {
    let id_of = |wanted: &str| {
        let found = collections.iter().find(|(_, path)| path.as_str() == wanted);
        found.map(|(id, _)| *id)
    };
    match read {
        Read::Document { path, version } => {
            let Some(collection) = id_of(path.collection_str()) else {
                return *version == Sequence::ZERO;
            };
            let mut found = Sequence::ZERO;
            for commit in before {
                for change in &commit.changes {
                    if change.collection == collection && &*change.id == path.id() {
                        let is_there = change.after.is_some();
                        found = if is_there {
                            commit.sequence
                        } else {
                            Sequence::ZERO
                        };
                    }
                }
            }
            found == *version
        }
        Read::Query {
            collection,
            filter,
            at,
        } => {
            let Some(collection) = id_of(collection.as_str()) else {
                return true;
            };
            let matches = |data: &bytes::Bytes| matches(filter.as_ref(), data);
            !before
                .filter(|commit| commit.sequence > *at)
                .flat_map(|commit| &commit.changes)
                .filter(|change| change.collection == collection)
                .any(|change| {
                    let images = change.before.iter().map(|before| &before.data);
                    images.chain(&change.after).any(matches)
                })
        }
    }
}

fn matches(filter: Option<&Filter>, data: &bytes::Bytes) -> bool {
    let data = Data::from_stored(data.clone());
    filter.is_none_or(|filter| filter.matches(data.object()))
}
