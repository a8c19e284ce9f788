//! What may happen to the store while nobody has it open.

use std::fs;
use std::path::{Path, PathBuf};

use wellspring_testkit::random::Random;

/// Deletes the store, cuts one of its files, or flips a bit of one. Whether there was one.
pub fn hurt_store(data_dir: &Path, random: &mut Random) -> bool {
    let store = data_dir.join("store");
    if !store.exists() {
        return false; // Killed before there was one.
    }
    let files = files(&store);
    let Some(count) = u64::try_from(files.len()).ok().filter(|count| *count > 0) else {
        return false;
    };
    let file = &files[usize::try_from(random.below(count)).unwrap()];
    let mut bytes = fs::read(file).unwrap();
    let at = usize::try_from(random.below(bytes.len().max(1) as u64)).unwrap();
    match random.below(3) {
        0 => {
            fs::remove_dir_all(store).unwrap();
            return true;
        }
        1 => bytes.truncate(at),
        _ if bytes.is_empty() => {}
        _ => bytes[at] ^= 0x10,
    }
    fs::write(file, bytes).unwrap();
    true
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}
