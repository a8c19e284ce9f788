//! Damaged files: found, or harmless, or told by the scrub; never a panic, never a hang.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use tempfile::TempDir;

use super::history::{EVERYTHING, History, LARGE, ROOMS, SMALL, USERS};
use crate::{Batch, MemoryStore, Options, SledStore, Store, StoreError};

/// How long one damaged store may take, opening included.
const DEADLINE: Duration = Duration::from_secs(10);

/// Enough for several of sled's segments of 512 KiB.
const DOCUMENTS: usize = 120;

#[derive(Clone, Copy, Debug)]
enum Harm {
    FlipBit,
    ZeroBlock,
    Truncate,
}

#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    /// A typed error.
    Refused,
    /// The scrub does not match.
    Told,
    /// All is right, after what was lost at the end was applied again.
    Harmless,
    /// Something is wrong and nobody said so.
    Silent,
}

/// A store on disk and the batches that made it.
fn build(dir: &Path) -> Vec<Batch> {
    let mut history = History::default();
    let ids: Vec<String> = (0..DOCUMENTS)
        .map(|index| format!("document-{index}"))
        .collect();
    let mut batches = Vec::new();
    for round in 0..6 {
        for (index, id) in ids.iter().enumerate() {
            let size = if index % 10 == round {
                LARGE
            } else {
                SMALL + round
            };
            let collection = if index % 2 == 0 { ROOMS } else { USERS };
            let deleted = index % 11 == round;
            let write = (collection, &**id, (!deleted).then_some(size));
            batches.push(history.remembered((Some("p"), id, 3), &[write]));
        }
    }
    let store = Box::new(SledStore::open(dir, Options::default()).unwrap());
    for batch in &batches {
        store.apply(batch).unwrap();
    }
    store.close().unwrap();
    batches
}

/// Every file of the store, in an order of its own.
fn files(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = entries.filter(|path| path.is_file()).collect();
    files.sort();
    files
}

fn copy(from: &Path) -> TempDir {
    let to = TempDir::new().unwrap();
    fs::create_dir(to.path().join("blobs")).unwrap();
    for file in files(from) {
        fs::copy(&file, to.path().join(file.file_name().unwrap())).unwrap();
    }
    to
}

/// Harms a file at `place` of 1,000 of its length.
fn harm(file: &Path, place: usize, harm: Harm) {
    let mut bytes = fs::read(file).unwrap();
    let position = bytes.len().saturating_sub(1) * place / 1000;
    match harm {
        Harm::FlipBit => bytes[position] ^= 1 << (place % 8),
        Harm::ZeroBlock => {
            let end = bytes.len().min(position + 512);
            bytes[position..end].fill(0);
        }
        Harm::Truncate => bytes.truncate(position),
    }
    fs::write(file, bytes).unwrap();
}

fn pages(store: &dyn Store) -> Result<Vec<crate::ScanPage>, StoreError> {
    [ROOMS, USERS]
        .into_iter()
        .map(|collection| store.scan(collection, None, EVERYTHING))
        .collect()
}

/// Everything that can be read is as in the model.
fn reads_alike(store: &dyn Store, model: &dyn Store) -> Result<bool, StoreError> {
    let mut alike = store.collections()? == model.collections()?;
    alike &= pages(store)? == pages(model)?;
    for index in 0..DOCUMENTS {
        let id = format!("document-{index}");
        for collection in [ROOMS, USERS] {
            alike &= store.get(collection, &id)? == model.get(collection, &id)?;
        }
        alike &= store.mutation(Some("p"), &id)? == model.mutation(Some("p"), &id)?;
    }
    Ok(alike)
}

/// Opens the store, has it catch up, reads everything and scrubs.
fn examine(dir: &Path, batches: &[Batch]) -> Result<Outcome, StoreError> {
    let store = Box::new(SledStore::open_within(
        dir,
        Options::default(),
        DEADLINE / 2,
    )?);
    let model = MemoryStore::new();
    let applied = store.applied().sequence;
    for batch in batches {
        model.apply(batch).unwrap();
        if batch.applied.sequence > applied {
            store.apply(batch)?;
        }
    }
    let alike = reads_alike(&*store, &model)?;
    let scrub = store.scrub()?;
    store.close()?;
    Ok(match (alike, scrub.matches()) {
        (true, true) => Outcome::Harmless,
        (_, false) => Outcome::Told,
        (false, true) => Outcome::Silent,
    })
}

#[test]
fn damaged_files_are_found_or_harmless_and_never_panic_or_hang() {
    let original = TempDir::new().unwrap();
    let batches = build(original.path());
    let mut cases = Vec::new();
    for file in files(original.path()) {
        let name = file.file_name().unwrap().to_owned();
        let places: &[usize] = if name == "db" {
            &[
                0, 1, 20, 77, 150, 301, 422, 499, 618, 703, 811, 902, 955, 990, 999,
            ]
        } else {
            &[3, 502, 998]
        };
        for place in places {
            for harm in [Harm::FlipBit, Harm::ZeroBlock, Harm::Truncate] {
                cases.push((name.clone(), *place, harm));
            }
        }
    }
    assert!(cases.len() >= 40, "{} cases", cases.len());
    for (name, place, kind) in cases {
        let dir = copy(original.path());
        harm(&dir.path().join(&name), place, kind);
        let case = format!("{kind:?} of {} at {place}", name.display());
        let (sender, receiver) = sync_channel(1);
        let (path, batches) = (dir.path().to_path_buf(), batches.clone());
        let thread = std::thread::spawn(move || sender.send(examine(&path, &batches)));
        let result = receiver
            .recv_timeout(DEADLINE)
            .unwrap_or_else(|_| panic!("hangs: {case}"));
        thread.join().unwrap().unwrap();
        let outcome = result.unwrap_or(Outcome::Refused);
        assert_ne!(outcome, Outcome::Silent, "{case}");
    }
}
