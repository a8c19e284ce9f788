//! One thing that must not happen, put into a correct history.

use wellspring_testkit::history::DocumentHash;
use wellspring_testkit::history::record::{
    Event, Op, Origin, Outcome, Reception, Record, WriteRecord,
};
use wellspring_testkit::random::Random;

#[derive(Clone, Copy, Debug)]
pub(crate) enum Mutation {
    LoseAcknowledged,
    RefuseCommitted,
    ForgetWrite,
    RenameCommit,
    AcknowledgeElsewhere,
    DemandOtherVersion,
    SpoilState,
    LoseState,
    SpoilRead,
    LoseChange,
    RepeatChange,
    SwapChanges,
    SpoilChange,
    TurnEffect,
    SpoilSnapshot,
    LoseSnapshotDocument,
    CheckpointBeyond,
    CheckpointBack,
    ResumeBehind,
    ResumeBefore,
    NeverEndCommit,
}

pub(crate) const ALL: [Mutation; 21] = [
    Mutation::LoseAcknowledged,
    Mutation::RefuseCommitted,
    Mutation::ForgetWrite,
    Mutation::RenameCommit,
    Mutation::AcknowledgeElsewhere,
    Mutation::DemandOtherVersion,
    Mutation::SpoilState,
    Mutation::LoseState,
    Mutation::SpoilRead,
    Mutation::LoseChange,
    Mutation::RepeatChange,
    Mutation::SwapChanges,
    Mutation::SpoilChange,
    Mutation::TurnEffect,
    Mutation::SpoilSnapshot,
    Mutation::LoseSnapshotDocument,
    Mutation::CheckpointBeyond,
    Mutation::CheckpointBack,
    Mutation::ResumeBehind,
    Mutation::ResumeBefore,
    Mutation::NeverEndCommit,
];

/// Applies it to a record that it can be applied to; `None` where there is none.
pub(crate) fn mutate(
    records: &[Record],
    mutation: Mutation,
    random: &mut Random,
) -> Option<Vec<Record>> {
    let candidates = (0..records.len()).filter(|index| applies(records, *index, mutation));
    let candidates: Vec<_> = candidates.collect();
    let count = u64::try_from(candidates.len())
        .ok()
        .filter(|count| *count > 0)?;
    let index = candidates[usize::try_from(random.below(count)).unwrap()];
    let mut records = records.to_vec();
    match mutation {
        Mutation::LoseAcknowledged | Mutation::ForgetWrite | Mutation::LoseState => {
            drop(records.remove(index))
        }
        Mutation::LoseChange | Mutation::LoseSnapshotDocument => remove_event(&mut records, index),
        Mutation::RepeatChange => repeat_event(&mut records, index),
        Mutation::SwapChanges => swap_events(&mut records, index),
        _ => spoil(&mut records[index], mutation),
    }
    Some(records)
}

fn applies(records: &[Record], index: usize, mutation: Mutation) -> bool {
    match (mutation, &records[index]) {
        (Mutation::LoseAcknowledged, Record::Log(log)) => {
            let ok = |w: &WriteRecord| w.op_id == *log.op_id.as_ref().unwrap() && w.seq.is_some();
            records
                .iter()
                .any(|record| matches!(record, Record::W(w) if ok(w)))
        }
        (Mutation::RenameCommit, Record::Log(_))
        | (Mutation::SpoilState | Mutation::LoseState, Record::State(_)) => true,
        (Mutation::RefuseCommitted | Mutation::ForgetWrite, Record::W(w)) => {
            // In the log, and tried once.
            let same = |record: &&Record| matches!(record, Record::W(o) if o.op_id == w.op_id);
            w.op_id.starts_with('c') && records.iter().filter(same).count() == 1
        }
        (Mutation::AcknowledgeElsewhere, Record::W(w)) => w.seq.is_some(),
        (Mutation::DemandOtherVersion, Record::W(w)) => {
            // The checker takes what was demanded from a commit's first record.
            let is_first = !records[..index]
                .iter()
                .any(|record| matches!(record, Record::W(o) if o.op_id == w.op_id));
            w.op_id.starts_with('c') && is_first
        }
        (Mutation::SpoilRead, Record::G(read)) => read.hash.is_some(),
        (_, Record::R(reception)) => applies_to_event(records, index, mutation, reception),
        _ => false,
    }
}

fn applies_to_event(
    records: &[Record],
    index: usize,
    mutation: Mutation,
    reception: &Reception,
) -> bool {
    match (mutation, &reception.got) {
        (Mutation::RepeatChange, Event::Change(_)) => true,
        (Mutation::SpoilChange, Event::Change(change)) => change.hash.is_some(),
        (Mutation::TurnEffect, Event::Change(change)) => change.op == Op::Update,
        // Where something after it says that it should have come.
        (Mutation::LoseChange, Event::Change(_)) => next(records, index)
            .is_some_and(|next| !matches!(event(&records[next]).got, Event::Subscribed(_))),
        (Mutation::SwapChanges, Event::Change(change)) => {
            next(records, index).is_some_and(|next| match &event(&records[next]).got {
                Event::Change(next) => next.seq > change.seq,
                _ => false,
            })
        }
        (Mutation::NeverEndCommit, Event::Change(change)) => {
            change.last_of_commit
                && next(records, index).is_some_and(|next| {
                    matches!(
                        event(&records[next]).got,
                        Event::Change(_) | Event::Checkpoint(_)
                    )
                })
        }
        (Mutation::SpoilSnapshot | Mutation::LoseSnapshotDocument, Event::Snapshot(_))
        | (Mutation::CheckpointBeyond, Event::Checkpoint(_)) => true,
        // Behind what was received. A checkpoint may stand for less than the one before could.
        (Mutation::CheckpointBack, Event::Checkpoint(checkpoint)) => records[..index]
            .iter()
            .rev()
            .find_map(|record| match record {
                Record::R(r) if r.sub == reception.sub => Some(&r.got),
                _ => None,
            })
            .is_some_and(|got| matches!(got, Event::Change(c) if c.seq == checkpoint.seq)),
        (Mutation::ResumeBehind | Mutation::ResumeBefore, Event::Subscribed(opened)) => {
            // A page's token may stand for more than anybody can tell.
            let is_page = |at| {
                records.iter().any(|record| match record {
                    Record::R(r) => {
                        r.sub == reception.sub && r.idx == at && matches!(r.got, Event::Page(_))
                    }
                    _ => false,
                })
            };
            opened.from == Origin::Token && opened.seq > 0 && !opened.at_idx.is_some_and(is_page)
        }
        _ => false,
    }
}

fn spoil(record: &mut Record, mutation: Mutation) {
    let wrong = Some(DocumentHash::of_text(b"wrong"));
    match (mutation, record) {
        (Mutation::RenameCommit, Record::Log(log)) => log.op_id = Some("nobody".into()),
        (Mutation::RefuseCommitted, Record::W(write)) => {
            (write.outcome, write.seq) = (Outcome::Fail, None);
        }
        (Mutation::AcknowledgeElsewhere, Record::W(write)) => {
            write.seq = write.seq.map(|seq| seq + 1);
        }
        (Mutation::DemandOtherVersion, Record::W(write)) => {
            write.writes[0].if_version = Some(1_000_000);
        }
        (Mutation::SpoilState, Record::State(state)) => (state.hash, state.data) = (wrong, None),
        (Mutation::SpoilRead, Record::G(read)) => read.hash = wrong,
        (mutation, Record::R(reception)) => spoil_event(reception, mutation, wrong),
        (mutation, record) => panic!("{mutation:?} of {record:?}"),
    }
}

fn spoil_event(reception: &mut Reception, mutation: Mutation, wrong: Option<DocumentHash>) {
    match (mutation, &mut reception.got) {
        (Mutation::SpoilChange, Event::Change(change)) => change.hash = wrong,
        (Mutation::TurnEffect, Event::Change(change)) => change.op = Op::Insert,
        (Mutation::NeverEndCommit, Event::Change(change)) => change.last_of_commit = false,
        (Mutation::SpoilSnapshot, Event::Snapshot(document)) => document.hash = wrong,
        (Mutation::CheckpointBeyond, Event::Checkpoint(checkpoint)) => checkpoint.seq += 1_000_000,
        (Mutation::CheckpointBack, Event::Checkpoint(checkpoint)) => checkpoint.seq -= 1,
        (Mutation::ResumeBehind, Event::Subscribed(opened)) => opened.seq += 1,
        (Mutation::ResumeBefore, Event::Subscribed(opened)) => opened.seq -= 1,
        (mutation, event) => panic!("{mutation:?} of {event:?}"),
    }
}

fn event(record: &Record) -> &Reception {
    match record {
        Record::R(reception) => reception,
        record => panic!("{record:?} is no reception"),
    }
}

/// The next event of the same subscription.
fn next(records: &[Record], index: usize) -> Option<usize> {
    let sub = &event(&records[index]).sub;
    let mut later = index + 1..records.len();
    later.find(|later| matches!(&records[*later], Record::R(r) if r.sub == *sub))
}

/// Makes room for events, or takes it back: those after `idx` and what refers to them.
fn renumber(records: &mut [Record], sub: &str, idx: u64, by: i64) {
    for record in records {
        let Record::R(reception) = record else {
            continue;
        };
        if &*reception.sub != sub {
            continue;
        }
        let moved = |at: u64| {
            if at > idx {
                at.saturating_add_signed(by)
            } else {
                at
            }
        };
        reception.idx = moved(reception.idx);
        if let Event::Subscribed(opened) = &mut reception.got {
            // A token of a lost event: the one before it, which stands for less.
            let at = opened.at_idx.map(|at| {
                if by < 0 && at == idx {
                    at - 1
                } else {
                    moved(at)
                }
            });
            opened.at_idx = at;
        }
    }
}

fn remove_event(records: &mut Vec<Record>, index: usize) {
    let Record::R(removed) = records.remove(index) else {
        return;
    };
    renumber(records, &removed.sub, removed.idx, -1);
}

fn repeat_event(records: &mut Vec<Record>, index: usize) {
    let repeated = event(&records[index]).clone();
    renumber(records, &repeated.sub, repeated.idx, 1);
    let idx = repeated.idx + 1;
    records.insert(
        index + 1,
        Record::R(Box::new(Reception { idx, ..repeated })),
    );
}

fn swap_events(records: &mut [Record], index: usize) {
    let Some(next) = next(records, index) else {
        return;
    };
    let (first, second) = records.split_at_mut(next);
    if let (Record::R(first), Record::R(second)) = (&mut first[index], &mut second[0]) {
        std::mem::swap(&mut first.got, &mut second.got);
        // What comes earlier now was known of by then.
        first.t_recv = second.t_recv.max(first.t_recv);
    }
}
