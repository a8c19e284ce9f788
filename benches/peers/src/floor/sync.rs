//! `limit-sync`: a client of the log, and the thread that appends to it.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use anyhow::{Context as _, Result};
use bytes::Bytes;
use tokio::io::AsyncWriteExt as _;
use tokio::sync::{mpsc, oneshot};

use super::hub::Hub;
use super::{ACKNOWLEDGED, WRITE, parts};
use crate::wire::Connection;
use crate::wire::websocket::{End, Opening, WebSocket, push_text};

/// Documents that may wait for the thread. Each writer waits for its answer, so that there are never
/// more than writers; one that finds the queue full is cut off.
const QUEUE_DOCUMENTS_MAX: usize = 4096;
/// What is written to a socket at once.
const WRITE_BYTES_MAX: usize = 64 * 1024;

/// A document to be made durable.
#[derive(Debug)]
pub(super) struct Job {
    topic: Bytes,
    document: Bytes,
    acknowledge: oneshot::Sender<()>,
}

/// The queue of a thread that makes documents durable, acknowledges them and hands them out.
pub(super) fn start(path: &Path, hub: Hub) -> Result<SyncSender<Job>> {
    let file = File::create(path).with_context(|| format!("creating {}", path.display()))?;
    let (jobs, waiting) = sync_channel(QUEUE_DOCUMENTS_MAX);
    let work = move || {
        if let Err(error) = append(&waiting, file, &hub) {
            // Nothing is acknowledged any more, and every writer is cut off.
            eprintln!("the log failed: {error}");
        }
    };
    thread::Builder::new().name("log".to_owned()).spawn(work)?;
    Ok(jobs)
}

fn append(waiting: &Receiver<Job>, mut file: File, hub: &Hub) -> std::io::Result<()> {
    let mut group = Vec::new();
    let mut bytes = Vec::new();
    while let Ok(first) = waiting.recv() {
        group.push(first);
        group.extend(waiting.try_iter());
        for job in &group {
            bytes.extend_from_slice(&job.document);
        }
        file.write_all(&bytes)?;
        file.sync_data()?;
        bytes.clear();
        for job in group.drain(..) {
            // Fails where the writer has hung up.
            job.acknowledge.send(()).ok();
            hub.send(&job.topic, &job.document);
        }
    }
    Ok(())
}

pub(super) async fn client(connection: Connection, hub: Hub, log: SyncSender<Job>) -> Result<()> {
    let opening = Opening::read(connection).await?;
    if opening.path == WRITE {
        return writer(opening.accept().await?, &log).await;
    }
    // Before the answer: who has it misses nothing.
    let messages = hub.subscribe_at(&opening.path)?;
    subscriber(opening.accept().await?, messages).await
}

async fn writer(mut socket: WebSocket, log: &SyncSender<Job>) -> Result<()> {
    loop {
        let (topic, document) = parts(socket.text().await?.freeze())?;
        let (acknowledge, acknowledged) = oneshot::channel();
        log.try_send(Job {
            topic,
            document,
            acknowledge,
        })?;
        acknowledged.await?;
        socket.send_text(ACKNOWLEDGED).await?;
    }
}

/// Sends whatever waits with one write.
async fn subscriber(socket: WebSocket, mut messages: mpsc::Receiver<Bytes>) -> Result<()> {
    let mut stream = socket.into_stream();
    let mut bytes = Vec::new();
    while let Some(first) = messages.recv().await {
        push_text(&mut bytes, End::Server, &first);
        while bytes.len() < WRITE_BYTES_MAX
            && let Ok(next) = messages.try_recv()
        {
            push_text(&mut bytes, End::Server, &next);
        }
        stream.write_all(&bytes).await?;
        bytes.clear();
    }
    Ok(())
}
