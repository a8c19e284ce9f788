//! Durable commits a second with 1, 16 and 64 writers, against the least that a durable server
//! can do: append the same bytes and `fdatasync`, one sync for all that wait.
#![allow(clippy::print_stdout, reason = "a benchmark prints its figures")]

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use tokio::sync::{mpsc, oneshot};
use wellspring_benches::{commit, database, document, per_second, print_row};

const ROUND: Duration = Duration::from_secs(2);
const ROUNDS: usize = 5;
const DIRECTORY: &str = env!("CARGO_TARGET_TMPDIR");

fn main() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    println!("| commits a second | min | median | max |\n| --- | --- | --- | --- |");
    for writers in [1, 16, 64] {
        let (mut floors, mut ours, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            let floor = runtime.block_on(floor(writers))?;
            let engine = runtime.block_on(engine(writers))?;
            floors.push(floor);
            ours.push(engine);
            ratios.push(engine / floor);
        }
        print_row(&format!("append + fdatasync, {writers} writers"), floors, 0);
        print_row(&format!("wellspring-engine, {writers} writers"), ours, 0);
        print_row(&format!("ratio, {writers} writers"), ratios, 2);
    }
    Ok(())
}

/// Runs `writers` tasks that call `write` with rising numbers for a round; writes a second.
async fn drive<F>(writers: usize, write: impl Fn(u64) -> F + Clone + Send + 'static) -> Result<f64>
where
    F: Future<Output = Result<()>> + Send,
{
    let (stop, next) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicU64::new(0)),
    );
    let began = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..writers {
        let (stop, next, write) = (Arc::clone(&stop), Arc::clone(&next), write.clone());
        tasks.spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                write(next.fetch_add(1, Ordering::Relaxed)).await?;
            }
            anyhow::Ok(())
        });
    }
    tokio::time::sleep(ROUND).await;
    stop.store(true, Ordering::Relaxed);
    while let Some(ended) = tasks.join_next().await {
        ended??;
    }
    Ok(per_second(next.load(Ordering::Relaxed), began.elapsed()))
}

async fn engine(writers: usize) -> Result<f64> {
    let (database, _directory) = database(DIRECTORY)?;
    let committing = database.clone();
    let rate = drive(writers, move |n| {
        let database = committing.clone();
        async move {
            database.commit(commit(n)?).await?;
            Ok(())
        }
    });
    let rate = rate.await?;
    database.close().await?;
    Ok(rate)
}

/// One thread that appends what waits and syncs once for all of it.
async fn floor(writers: usize) -> Result<f64> {
    let directory = tempfile::tempdir_in(DIRECTORY)?;
    let path = directory.path().join("appended");
    let file = OpenOptions::new().create(true).append(true).open(path)?;
    let (sender, receiver) = mpsc::channel(4096);
    let appender = thread::spawn(move || append(file, receiver));
    let rate = drive(writers, move |n| {
        let sender = sender.clone();
        async move {
            let (answer, answered) = oneshot::channel();
            sender
                .send((document(n)?, answer))
                .await
                .ok()
                .context("the appender has ended")?;
            answered.await?;
            Ok(())
        }
    });
    let rate = rate.await?;
    appender.join().ok().context("the appender panicked")??;
    Ok(rate)
}

type Waiting = (wellspring_types::Data, oneshot::Sender<()>);

fn append(mut file: File, mut waiting: mpsc::Receiver<Waiting>) -> Result<()> {
    let mut bytes = Vec::new();
    let mut answers = Vec::new();
    while let Some(first) = waiting.blocking_recv() {
        let mut next = Some(first);
        while let Some((document, answer)) = next {
            bytes.extend_from_slice(document.as_bytes());
            answers.push(answer);
            next = waiting.try_recv().ok();
        }
        file.write_all(&bytes)?;
        file.sync_data()?;
        bytes.clear();
        for answer in answers.drain(..) {
            answer.send(()).ok();
        }
    }
    Ok(())
}
