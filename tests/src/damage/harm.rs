//! What is done to a file.

use std::fs;
use std::path::{Path, PathBuf};

use wellspring_types::Sequence;

use super::scene::{Kind, Scene, State, first_commit};
use wellspring_testkit::random::Random;

const BLOCK: usize = 4096;

/// Damage at one place.
#[derive(Clone, Debug)]
pub(super) struct Harm {
    /// The file, below the data directory.
    pub(super) file: PathBuf,
    pub(super) what: What,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// One bit of a byte is another.
    Flip { at: usize, bit: u8 },
    /// The file ends here.
    Truncate { at: usize },
    /// The block of 4 KiB that holds this byte is zeros.
    Zero { at: usize },
    /// The file is missing.
    Remove,
}

impl What {
    fn choose(at: usize, random: &mut Random) -> What {
        match random.below(100) {
            0..60 => What::Flip {
                at,
                bit: u8::try_from(random.below(8)).unwrap(),
            },
            60..80 => What::Truncate { at },
            80..98 => What::Zero { at },
            _ => What::Remove,
        }
    }
}

impl Harm {
    pub(super) fn choose(scene: &Scene, kind: Kind, random: &mut Random) -> Harm {
        let files = scene.files(kind);
        // A file is hit as often as it is long.
        let lengths: Vec<u64> = files
            .iter()
            .map(|file| fs::metadata(file).unwrap().len())
            .collect();
        let mut at = random.below(lengths.iter().sum());
        let mut chosen = 0;
        while at >= lengths[chosen] {
            at -= lengths[chosen];
            chosen += 1;
        }
        let at = usize::try_from(at).unwrap();
        let what = What::choose(at, random);
        let file = files[chosen].strip_prefix(scene.data_dir()).unwrap();
        Harm {
            file: file.to_owned(),
            what,
        }
    }

    /// At some place of a file in a directory.
    pub(super) fn of_file(directory: &Path, file: &Path, random: &mut Random) -> Harm {
        let at = random.below(fs::metadata(file).unwrap().len());
        Harm {
            file: file.strip_prefix(directory).unwrap().to_owned(),
            what: What::choose(usize::try_from(at).unwrap(), random),
        }
    }

    /// Does it in a copy.
    pub(super) fn apply(&self, data_dir: &Path) {
        let file = data_dir.join(&self.file);
        if self.what == What::Remove {
            return fs::remove_file(file).unwrap();
        }
        let bytes = self.harmed(fs::read(&file).unwrap());
        fs::write(file, bytes).unwrap();
    }

    /// What the file's content becomes.
    pub(super) fn harmed(&self, mut bytes: Vec<u8>) -> Vec<u8> {
        match self.what {
            What::Flip { at, bit } => bytes[at] ^= 1 << bit,
            What::Truncate { at } => bytes.truncate(at),
            What::Zero { at } => {
                let start = at / BLOCK * BLOCK;
                let end = bytes.len().min(start + BLOCK);
                bytes[start..end].fill(0);
            }
            What::Remove => bytes.clear(),
        }
        bytes
    }

    /// The oldest change that is kept. A log whose first segment is missing is one that retention
    /// has shortened, as far as the snapshot reaches.
    pub(super) fn oldest(&self, scene: &Scene) -> Sequence {
        let segments = scene.files(Kind::Segment);
        let second = first_commit(&segments[1]);
        let is_gone = self.what == What::Remove && segments[0].ends_with(&self.file);
        match is_gone && second <= scene.snapshot.next() {
            true => second,
            false => scene.oldest,
        }
    }

    /// The head that the log may come to although it is not the one that it had: where nothing
    /// bears witness, an end of the log of which every group is hit looks like a write that a crash
    /// has cut short. `None` where nothing may be missing.
    pub(super) fn unwitnessed_head(&self, scene: &Scene) -> Option<Sequence> {
        let last_segment = scene.last_segment();
        if scene.state != State::Crashed || !last_segment.ends_with(&self.file) {
            return None;
        }
        let (first, last) = match self.what {
            What::Flip { at, .. } => (at, at + 1),
            What::Truncate { at } => (at, usize::MAX),
            What::Zero { at } => (at / BLOCK * BLOCK, at / BLOCK * BLOCK + BLOCK),
            What::Remove => (0, usize::MAX),
        };
        let (first, last) = (first as u64, last as u64);
        let mut start = 64;
        let mut whole = Sequence(first_commit(&last_segment).0 - 1);
        let mut groups = scene.groups.iter();
        for (commit, end) in groups.by_ref() {
            if first < *end && last > start {
                // All that follow must be hit as well.
                let mut begins = *end;
                for (_, end) in groups.by_ref() {
                    if last <= begins {
                        return None;
                    }
                    begins = *end;
                }
                return (whole >= scene.closed_at).then_some(whole);
            }
            (start, whole) = (*end, Sequence(*commit));
        }
        None
    }
}
