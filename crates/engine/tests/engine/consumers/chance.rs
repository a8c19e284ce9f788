//! Consumers, whatever happens.

use std::collections::{BTreeMap, BTreeSet};

use wellspring_engine::ConsumerError;
use wellspring_testkit::random::Random;
use wellspring_types::Sequence;
use wellspring_types::feed::{FeedMessage, From};

use super::{Worker, request};
use crate::common::{Fixture, PATIENCE, fixture, set};

/// Some who come, go, acknowledge and crash as chance has it: in the end each change was acknowledged,
/// none was sent again after that was on disk, and no document was ever with two.
#[tokio::test]
async fn whatever_happens_each_change_is_acknowledged_once_and_in_order() {
    for seed in 0..20 {
        let mut random = Random::new(seed);
        let mut db = fixture();
        // Through where each document is acknowledged, on disk.
        let mut done: BTreeMap<String, Sequence> = BTreeMap::new();
        let mut written: BTreeMap<String, Vec<Sequence>> = BTreeMap::new();
        let mut workers: Vec<Worker> = Vec::new();
        let mut of = request(From::Beginning);
        of.consumer.as_mut().unwrap().unacked_max = 1 + u32::try_from(random.below(20)).unwrap();
        for round in 0..300 {
            match random.below(12) {
                0 if workers.len() < 5 => {
                    workers.push(Worker::new(db.database.consume(of.clone()).unwrap()));
                }
                1 if !workers.is_empty() => {
                    workers.swap_remove(below(&mut random, workers.len()));
                }
                2 if round % 10 == 0 => {
                    workers.clear();
                    db = db.crash();
                }
                3..=5 => {
                    let ids: BTreeSet<u64> =
                        (0..=random.below(3)).map(|_| random.below(30)).collect();
                    let writes = ids.iter().map(|id| set(&format!("rooms/{id}"), "{}"));
                    let seq = db.commit(writes.collect()).await.seq;
                    for id in ids {
                        written.entry(id.to_string()).or_default().push(seq);
                    }
                }
                6 | 7 if !workers.is_empty() => {
                    let index = below(&mut random, workers.len());
                    acknowledge(&db, &mut workers[index], &mut done).await;
                }
                _ => turn(&mut workers, &done).await,
            }
        }
        let deadline = tokio::time::Instant::now() + PATIENCE;
        workers.push(Worker::new(db.database.consume(of.clone()).unwrap()));
        let last = |(id, seqs): (&String, &Vec<Sequence>)| (id.clone(), *seqs.last().unwrap());
        let wanted: BTreeMap<_, _> = written.iter().map(last).collect();
        while done != wanted {
            assert!(tokio::time::Instant::now() < deadline, "seed {seed}");
            turn(&mut workers, &done).await;
            for worker in &mut workers {
                acknowledge(&db, worker, &mut done).await;
            }
            tokio::task::yield_now().await;
        }
    }
}

fn below(random: &mut Random, limit: usize) -> usize {
    usize::try_from(random.below(limit as u64)).unwrap()
}

/// Each takes what there is for it.
async fn turn(workers: &mut [Worker], done: &BTreeMap<String, Sequence>) {
    for index in 0..workers.len() {
        let before = workers[index].sent.len();
        let polled = workers[index].poll().await;
        if let Some(message) = &polled {
            let message = message.as_ref().unwrap();
            if matches!(message, FeedMessage::Subscribed { .. }) {
                // What it had is with others now, or comes again.
                workers[index].sent.clear();
                continue;
            }
        }
        let new = workers[index].sent[before..].to_vec();
        for (seq, id) in new {
            assert!(
                done.get(&id).is_none_or(|done| *done < seq),
                "{id} at {seq} was acknowledged"
            );
            for (other, worker) in workers.iter().enumerate() {
                let has = worker.sent.iter().any(|(_, held)| *held == id);
                assert!(other == index || !has, "{id} is with two");
            }
        }
    }
}

async fn acknowledge(db: &Fixture, worker: &mut Worker, done: &mut BTreeMap<String, Sequence>) {
    let Some(token) = &worker.token else { return };
    match db.database.ack(token).await {
        Ok(_) => {
            for (seq, id) in worker.sent.drain(..) {
                done.insert(id, seq);
            }
        }
        Err(ConsumerError::SubscriptionOver) => assert!(worker.sent.is_empty()),
        Err(error) => panic!("{error:?}"),
    }
}
