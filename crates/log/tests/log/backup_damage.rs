//! Backups of what is damaged or has lost something, and damaged backups.

use std::fs;

use tempfile::TempDir;
use wellspring_log::{
    Backup, BackupError, BackupFault, BackupOptions, DamageKind, Faults, RestorePoint,
    RestoreTarget,
};
use wellspring_types::Sequence;

use crate::backups::{Scene, files};
use crate::snapshots::record;

#[test]
fn damage_anywhere_is_named_and_does_not_reach_the_backup() {
    let mut scene = Scene::new();
    scene.append(&[1; 12]);
    scene.take();
    scene.append(&[2; 6]);
    scene.snapshot(0);
    scene.append(&[1, 1]);
    let before = files(&scene.dir());
    let source = scene.fixture.options().dir.parent().unwrap().to_owned();
    let held: Vec<_> = files(&scene.dir().join("log")).into_keys().collect();
    let mut found = 0;
    for (file, content) in files(&source) {
        let name = file.file_name().unwrap();
        // Indexes are not copied, and what is held is not read again, but for header and last group.
        let copy = scene.dir().join("log").join(name);
        let is_held = held.contains(&copy);
        let held_bytes = if is_held {
            fs::read(copy).unwrap().len()
        } else {
            0
        };
        if held_bytes == content.len() || file.extension().is_some_and(|end| end == "idx") {
            continue;
        }
        let end = content.iter().rposition(|&byte| byte != 0).unwrap();
        for at in (0..=end).step_by(13) {
            let mut damaged = content.clone();
            damaged[at] ^= 0x20;
            fs::write(&file, &damaged).unwrap();
            match scene.try_take(Faults::default()) {
                Err(BackupError::Damaged(damage)) => {
                    assert!(damage.file.starts_with(&source), "{damage}");
                    found += 1;
                }
                // Behind what is held: the backup does not know the chain any more.
                Err(BackupError::Diverged { .. } | BackupError::NewerFormat { .. }) => found += 1,
                Err(BackupError::WrongEpoch { .. }) => found += 1,
                // The last group alone cannot be told from one that is being written.
                Ok(taken) if at >= held_bytes => {
                    assert_eq!(taken.head, Sequence(25), "{file:?} at {at}");
                }
                Ok(taken) => assert_eq!(taken.head, Sequence(26), "{file:?} at {at}"),
                Err(other) => panic!("{file:?} at {at}: {other:?}"),
            }
            fs::remove_dir_all(scene.dir()).unwrap();
            for (file, content) in &before {
                fs::create_dir_all(file.parent().unwrap()).unwrap();
                fs::write(file, content).unwrap();
            }
            fs::write(&file, &content).unwrap();
        }
    }
    assert!(found > 50, "{found}");
    scene.take();
    scene.check(26);
}

#[test]
fn a_backup_that_is_damaged_itself_restores_nothing_wrong() {
    let mut scene = Scene::new();
    scene.append(&[2; 14]);
    scene.snapshot(0);
    scene.append(&[1; 4]);
    scene.take();
    for (file, content) in files(&scene.dir()) {
        if content.is_empty() {
            continue;
        }
        for at in (0..content.len()).step_by(5) {
            let mut damaged = content.clone();
            damaged[at] ^= 0x08;
            fs::write(&file, damaged).unwrap();
            let restored = Backup::open(BackupOptions::new(scene.dir())).and_then(|backup| {
                let directory = TempDir::new().unwrap();
                let target = RestoreTarget::new(directory.path());
                backup.restore(RestorePoint::Newest, &target, &mut |_| {})
            });
            assert!(restored.is_err(), "{file:?} at {at}");
        }
        fs::write(&file, &content[..content.len() - 1]).unwrap();
        assert!(matches!(
            Backup::open(BackupOptions::new(scene.dir())).and_then(|backup| {
                let directory = TempDir::new().unwrap();
                backup.restore(
                    RestorePoint::Newest,
                    &RestoreTarget::new(directory.path()),
                    &mut |_| {},
                )
            }),
            Err(BackupError::Damaged(_))
        ));
        fs::write(&file, content).unwrap();
    }
    let missing = scene.dir().join("log/0000000000000001.seg");
    fs::remove_file(missing).unwrap();
    let refused = scene
        .try_restore(RestorePoint::Newest)
        .map(|r| r.head)
        .unwrap_err();
    assert!(
        matches!(&refused, BackupError::Damaged(damage)
            if damage.what == DamageKind::Backup(BackupFault::Missing)),
        "{refused:?}"
    );
}

#[test]
fn what_is_left_of_another_log_is_not_taken_for_this_one() {
    let mut other = Scene::new();
    other.append(&[1; 9]);
    other.take();
    let mut scene = Scene::new();
    scene.append(&[1; 12]);
    fs::create_dir_all(scene.dir().join("log")).unwrap();
    for (file, content) in files(&other.dir().join("log")) {
        let name = file.file_name().unwrap();
        fs::write(scene.dir().join("log").join(name), content).unwrap();
    }
    scene.take();
    for sequence in 1..=12 {
        scene.check(sequence);
    }
}

#[test]
fn a_log_that_has_lost_what_the_backup_holds_is_refused() {
    let mut scene = Scene::new();
    scene.append(&[1; 3]);
    let before = scene.fixture.files();
    scene.append(&[1; 2]);
    scene.take();
    // As a disk that was rolled back, with other commits since.
    scene.fixture.put(&before);
    let refused = scene.try_take(Faults::default()).unwrap_err();
    assert!(
        matches!(refused, BackupError::Diverged { .. }),
        "{refused:?}"
    );
    let mut log = scene.fixture.open();
    for sequence in 4..30 {
        log.append(&[record(sequence, &[(3, 1, Some(4))])]).unwrap();
    }
    let refused = scene.try_take(Faults::default()).unwrap_err();
    assert!(
        matches!(refused, BackupError::Diverged { .. }),
        "{refused:?}"
    );
    scene.check(5);
}
