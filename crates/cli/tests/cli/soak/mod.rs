//! A mixed load for a long time: writers, followers, clients that come and go or stop reading,
//! while the oldest of the log is dropped. Memory, files and latencies must not grow.
//!
//! The short form shows that the load runs and that what clients see is in order. The long one is
//! `WELLSPRING_SOAK_MINUTES=60 cargo test --release -p wellspring-cli soak -- --nocapture`.

#![allow(
    clippy::print_stdout,
    reason = "the long form shows its figures as they come"
)]

mod followers;
mod load;
mod samples;
mod visitors;

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::support::{Server, wellspring};
use load::Load;
use samples::{Sample, Window};

/// How long each row of figures is, and how many there are.
fn windows() -> (Duration, usize) {
    let minutes = option_env!("WELLSPRING_SOAK_MINUTES").and_then(|minutes| minutes.parse().ok());
    match minutes {
        Some(minutes) => (Duration::from_secs(60), minutes),
        None => (Duration::from_secs(2), 3),
    }
}

#[test]
fn memory_files_and_latencies_stay_flat_under_a_mixed_load() {
    let mut program = wellspring();
    // So small that all of them are reached in the first minutes: segments are dropped, the store's
    // cache is full, mutation ids are forgotten. What still grows then is a leak.
    for (setting, value) in [
        ("WELLSPRING_CACHE_BYTES", "8388608"),
        ("WELLSPRING_MUTATION_IDS_MAX", "50000"),
        ("WELLSPRING_SEGMENT_BYTES", "4194304"),
        ("WELLSPRING_SNAPSHOT_LOG_BYTES_MIN", "8388608"),
        ("WELLSPRING_RETENTION_BYTES_MAX", "33554432"),
        ("WELLSPRING_STALLED_WRITE_MS", "2000"),
    ] {
        program.env(setting, value);
    }
    let server = Server::start_as(program, tempfile::tempdir().unwrap());
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let (before, windows, after) = runtime.block_on(soak(&server.url, &server.admin));
    drop(runtime);
    server.signal("TERM");
    assert_eq!(server.ended().0, Some(0));

    // Who is gone has left nothing open.
    assert!(
        after.file_descriptors <= before.file_descriptors + samples::FILES_OF_THE_DATABASE,
        "{before:?} {after:?}"
    );
    assert_eq!(after.subscriptions, 0);
    if option_env!("WELLSPRING_SOAK_MINUTES").is_some() {
        samples::assert_flat(&windows);
    }
}

/// Figures before the load, of each window, and after everybody has left.
async fn soak(url: &str, admin: &str) -> (Sample, Vec<Window>, Sample) {
    let before = samples::take(admin).await;
    let (length, count) = windows();
    let load = Arc::new(Load::default());
    let stop = CancellationToken::new();
    let mut tasks = JoinSet::new();
    load::fill(url).await;
    load::write(&mut tasks, url, &load, &stop).await;
    followers::follow(&mut tasks, url, &load, &stop).await;
    visitors::come_and_go(&mut tasks, url, &load, &stop);

    println!("{}", Window::HEAD);
    let mut windows = Vec::new();
    for _ in 0..count {
        tokio::time::sleep(length).await;
        let window = Window::of(&load, length, samples::take(admin).await);
        println!("{window}");
        windows.push(window);
    }
    stop.cancel();
    while let Some(ended) = tasks.join_next().await {
        ended.expect("nobody of the load found anything wrong");
    }
    load.assert_everybody_did_something();
    (before, windows, samples::quiet(admin).await)
}
