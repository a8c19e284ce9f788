//! Whether it pays to write zeros ahead of the log's end: a group that overwrites zeros needs no
//! new size and no new blocks to be made durable with it. Compared with a file that just grows.
#![allow(clippy::print_stdout, reason = "a benchmark prints its figures")]

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::time::Instant;

use anyhow::Result;
use wellspring_benches::print_row;

const ROUNDS: usize = 7;
/// As the log does it: with the group that reaches the end of what is there.
const ZEROS_BYTES: u64 = 1 << 20;
const DIRECTORY: &str = env!("CARGO_TARGET_TMPDIR");

fn main() -> Result<()> {
    println!("| group of | min | median | max |\n| --- | --- | --- | --- |");
    for (group_bytes, groups) in [(512, 800), (8 << 10, 800), (128 << 10, 200)] {
        let mut ratios = Vec::new();
        for _ in 0..ROUNDS {
            let growing = append(group_bytes, groups, Ahead::Nothing)?;
            ratios.push(append(group_bytes, groups, Ahead::Zeros)? / growing);
        }
        print_row(
            &format!("{group_bytes} bytes: zeros ahead / growing"),
            ratios,
            2,
        );
    }
    Ok(())
}

#[derive(Clone, Copy)]
enum Ahead {
    Nothing,
    Zeros,
}

/// Appends groups, each made durable by itself; groups a second.
fn append(group_bytes: usize, groups: u32, ahead: Ahead) -> Result<f64> {
    let directory = tempfile::tempdir_in(DIRECTORY)?;
    let path = directory.path().join("appended");
    let file: File = OpenOptions::new().create_new(true).write(true).open(path)?;
    let group = vec![b'x'; group_bytes];
    let zeros = vec![0; usize::try_from(ZEROS_BYTES)?];
    let (mut end, mut zeroed) = (0, 0);
    let began = Instant::now();
    for _ in 0..groups {
        let next = end + u64::try_from(group_bytes)?;
        if matches!(ahead, Ahead::Zeros) && next > zeroed {
            file.write_all_at(&zeros, next)?;
            zeroed = next + ZEROS_BYTES;
        }
        file.write_all_at(&group, end)?;
        file.sync_data()?;
        end = next;
    }
    Ok(f64::from(groups) / began.elapsed().as_secs_f64())
}
