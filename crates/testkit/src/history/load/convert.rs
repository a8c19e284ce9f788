//! From lines to the model.

use serde_json::value::RawValue;
use wellspring_types::{Data, Filter, Select};

use super::{Fault, Loading};
use crate::history::DocumentHash;
use crate::history::model::{
    Ack, Attempt, AttemptedWrite, DocumentName, Feed, FloorMoved, Got, Held, Image, LoggedChange,
    LoggedCommit, Opened, Place, Position, QueryRead, Read, Received, Seen, StateDocument, ViewOf,
};
use crate::history::record::{
    AckRecord, ChangeEvent, DumpRecord, Event, LogChange, LogRecord, Origin, Outcome,
    PositionRecord, ReadRecord, Reception, Record, StateRecord, SubscribedEvent, WriteRecord,
};

/// Documents that say what is no longer offered (`docs/format.md`).
const FLOORS: &str = "__floors/";

#[derive(serde::Deserialize)]
struct FloorDocument {
    collection: Option<Box<str>>,
    through: u64,
}

impl Loading {
    pub(super) fn add(&mut self, place: Place, record: Record) -> Result<(), Fault> {
        match record {
            Record::W(record) => self.write(place, record),
            Record::R(record) => self.reception(place, *record),
            Record::G(record) => self.read(place, &record),
            Record::A(record) => self.ack(place, &record),
            Record::P(record) => self.position(place, &record),
            Record::X(record) => {
                self.history.faults.push(record);
                Ok(())
            }
            Record::Dump(record) => self.dump(place, &record),
            Record::Log(record) => self.commit(place, record),
            Record::State(record) => self.state(place, &record),
        }
    }

    fn dump(&mut self, place: Place, record: &DumpRecord) -> Result<(), Fault> {
        if let Some(first) = self.history.dump.place {
            let first = self.history.locate(first);
            return Err(Fault::SecondDump { first });
        }
        let dump = &mut self.history.dump;
        (dump.oldest, dump.head, dump.place) = (record.oldest, record.head, Some(place));
        dump.kept = record.kept.unwrap_or(record.oldest);
        Ok(())
    }

    fn ack(&mut self, place: Place, record: &AckRecord) -> Result<(), Fault> {
        check_outcome(record.outcome, (record.t_inv, record.t_ret), record.seq)?;
        self.history.acks.push(Ack {
            place,
            feed: self.history.names.intern(&record.sub),
            at_idx: record.at_idx,
            t_inv: record.t_inv,
            t_ret: record.t_ret,
            outcome: record.outcome,
            seq: record.seq,
        });
        Ok(())
    }

    fn position(&mut self, place: Place, record: &PositionRecord) -> Result<(), Fault> {
        if record.t_ret < record.t_inv {
            return Err(Fault::Times);
        }
        self.history.positions.push(Position {
            place,
            consumer: self.history.names.intern(&record.consumer),
            t_ret: record.t_ret,
            seq: record.seq,
        });
        Ok(())
    }

    fn write(&mut self, place: Place, record: WriteRecord) -> Result<(), Fault> {
        check_outcome(record.outcome, (record.t_inv, record.t_ret), record.seq)?;
        let mut writes = Vec::with_capacity(record.writes.len());
        for write in record.writes {
            writes.push(AttemptedWrite {
                document: self.document(&write.path)?,
                kind: write.kind,
                if_version: write.if_version,
                hash: hash(write.hash, write.data.as_deref())?,
            });
        }
        self.history.attempts.push(Attempt {
            place,
            op: self.history.names.intern(&record.op_id),
            writes,
            t_inv: record.t_inv,
            t_ret: record.t_ret,
            outcome: record.outcome,
            seq: record.seq,
        });
        Ok(())
    }

    fn commit(&mut self, place: Place, record: LogRecord) -> Result<(), Fault> {
        let op = record.op_id.map(|op| self.history.names.intern(&op));
        for change in &record.changes {
            self.floor(record.seq, change)?;
        }
        let changes = record.changes.iter().map(|change| self.change(change));
        let changes = changes.collect::<Result<Vec<_>, Fault>>()?;
        self.history.commits.push(LoggedCommit {
            place,
            seq: record.seq,
            op,
            changes,
        });
        Ok(())
    }

    /// Takes note of a floor, where the change is of one.
    fn floor(&mut self, seq: u64, change: &LogChange) -> Result<(), Fault> {
        if !change.path.starts_with(FLOORS) {
            return Ok(());
        }
        let data = change.data.as_deref().map_or("{}", RawValue::get);
        let floor: FloorDocument = serde_json::from_str(data).map_err(Fault::Json)?;
        let names = &mut self.history.names;
        self.history.floors.push(FloorMoved {
            seq,
            collection: floor.collection.map(|path| names.intern(&path)),
            through: floor.through,
        });
        Ok(())
    }

    fn change(&mut self, change: &LogChange) -> Result<LoggedChange, Fault> {
        let old = image(change.old_hash, change.old.as_deref())?;
        let new = image(change.hash, change.data.as_deref())?;
        let has_version = change.prev_version > 0;
        if has_version != old.is_some() || (old.is_none() && new.is_none()) {
            return Err(Fault::Change);
        }
        Ok(LoggedChange {
            document: self.document(&change.path)?,
            prev_version: change.prev_version,
            old,
            new,
        })
    }

    fn state(&mut self, place: Place, record: &StateRecord) -> Result<(), Fault> {
        let image = image(record.hash, record.data.as_deref())?.ok_or(Fault::NoContent)?;
        let document = self.document(&record.path)?;
        self.history.states.push(StateDocument {
            place,
            document,
            version: record.version,
            image,
        });
        Ok(())
    }

    fn read(&mut self, place: Place, record: &ReadRecord) -> Result<(), Fault> {
        if record.t_ret < record.t_inv {
            return Err(Fault::Times);
        }
        let (t_inv, t_ret) = (record.t_inv, record.t_ret);
        match (&record.path, record.version, &record.collection, record.seq) {
            (Some(path), Some(version), None, None) => {
                let hash = hash(record.hash, record.data.as_deref())?;
                if hash.is_some() != (version > 0) {
                    return Err(Fault::NoContent);
                }
                let document = self.document(path)?;
                self.history.reads.push(Read {
                    place,
                    t_inv,
                    t_ret,
                    document,
                    version,
                    hash,
                });
            }
            (None, None, Some(collection), Some(seq)) => {
                let view = self.view(collection, record.filter.as_deref(), &[])?;
                let documents = record.documents.iter().map(|d| {
                    let hash = hash(d.hash, d.data.as_deref())?.ok_or(Fault::NoContent)?;
                    let version = d.version;
                    Ok((self.document(&d.path)?.path, Held { version, hash }))
                });
                let documents = documents.collect::<Result<Vec<_>, Fault>>()?;
                self.history.queries.push(QueryRead {
                    place,
                    t_inv,
                    t_ret,
                    view,
                    seq,
                    documents,
                });
            }
            _ => return Err(Fault::Read),
        }
        Ok(())
    }

    fn reception(&mut self, place: Place, record: Reception) -> Result<(), Fault> {
        let name = self.history.names.intern(&record.sub);
        let got = self.event(record.got, record.idx)?;
        let history = &mut self.history;
        let index = *self.feeds.entry(name).or_insert_with(|| {
            history.feeds.push(Feed {
                name,
                receptions: Vec::new(),
            });
            history.feeds.len() - 1
        });
        history.feeds[index].receptions.push(Received {
            place,
            session: record.session,
            idx: record.idx,
            t_recv: record.t_recv,
            got,
        });
        Ok(())
    }

    fn event(&mut self, event: Event, idx: u64) -> Result<Got, Fault> {
        Ok(match event {
            Event::Subscribed(event) => Got::Subscribed(Box::new(self.opened(&event, idx)?)),
            Event::Snapshot(event) => {
                let hash = hash(event.hash, event.data.as_deref())?.ok_or(Fault::NoContent)?;
                let version = event.version;
                Got::Snapshot(self.document(&event.path)?.path, Held { version, hash })
            }
            Event::Removed(event) => Got::Removed(self.document(&event.path)?.path),
            Event::Current(event) => Got::Current(event.seq),
            Event::Change(event) => Got::Change(self.seen(&event)?),
            Event::Checkpoint(event) => Got::Checkpoint(event.seq),
            Event::Page(_) => Got::Page,
            Event::Reset(event) => Got::Reset {
                reason: event.reason,
                known: event.known,
            },
            Event::Ended(event) => Got::Ended {
                expired: &*event.code == "token_expired",
            },
            Event::Left(event) => Got::Left { lost: event.lost },
            Event::Drained(_) => Got::Drained,
        })
    }

    fn seen(&mut self, event: &ChangeEvent) -> Result<Seen, Fault> {
        Ok(Seen {
            seq: event.seq,
            version: event.version.unwrap_or(event.seq),
            conflated: event.conflated,
            op: event.op,
            path: self.document(&event.path)?.path,
            old: hash(event.old_hash, event.old.as_deref())?,
            new: hash(event.hash, event.data.as_deref())?,
            last_of_commit: event.last_of_commit,
        })
    }

    fn opened(&mut self, event: &SubscribedEvent, idx: u64) -> Result<Opened, Fault> {
        let is_known = event.at_idx.is_some_and(|at| at < idx) != event.after.is_some();
        if (event.from == Origin::Token) != is_known {
            return Err(Fault::Token);
        }
        Ok(Opened {
            view: self.view(&event.collection, event.filter.as_deref(), &event.select)?,
            old: event.old,
            checkpoint_interval_ms: event.checkpoint_interval_ms,
            from: event.from,
            at_idx: event.at_idx,
            after: event.after,
            t_inv: event.t_inv,
            how: event.how,
            seq: event.seq,
            known: event.known,
            conflate: event.conflate,
            consumer: event
                .consumer
                .as_deref()
                .map(|name| self.history.names.intern(name)),
            ack_timeout_ms: event.ack_timeout_ms,
        })
    }

    fn view(
        &mut self,
        collection: &str,
        filter: Option<&RawValue>,
        select: &[Box<str>],
    ) -> Result<usize, Fault> {
        let filter = filter.map(|text| Filter::parse(text.get()));
        let fields = select.iter().map(|field| field.parse());
        let fields = fields
            .collect::<Result<Vec<_>, _>>()
            .map_err(Fault::Field)?;
        let select = (!fields.is_empty()).then(|| Select::new(fields));
        let view = ViewOf {
            collection: self.history.names.intern(collection),
            filter: filter.transpose().map_err(Fault::Filter)?,
            select: select.transpose().map_err(Fault::Select)?,
        };
        let views = &mut self.history.views;
        Ok(*self.views.entry(view).or_insert_with_key(|view| {
            views.push(view.clone());
            views.len() - 1
        }))
    }

    fn document(&mut self, path: &str) -> Result<DocumentName, Fault> {
        // Other segments are the database's business.
        let Some((collection, _id)) = path.rsplit_once('/') else {
            return Err(Fault::Path { path: path.into() });
        };
        Ok(DocumentName {
            collection: self.history.names.intern(collection),
            path: self.history.names.intern(path),
        })
    }
}

/// An answer goes with an outcome, and comes after the question.
fn check_outcome(
    outcome: Outcome,
    (t_inv, t_ret): (u64, Option<u64>),
    seq: Option<u64>,
) -> Result<(), Fault> {
    let is_ok = outcome == Outcome::Ok;
    if seq.is_some() != is_ok || (is_ok && t_ret.is_none()) {
        return Err(Fault::Outcome);
    }
    if t_ret.is_some_and(|t_ret| t_ret < t_inv) {
        return Err(Fault::Times);
    }
    Ok(())
}

fn image(hash: Option<DocumentHash>, data: Option<&RawValue>) -> Result<Option<Image>, Fault> {
    let Some(data) = data else {
        return Ok(hash.map(|hash| Image { hash, text: None }));
    };
    let data = Data::parse(data.get().as_bytes()).map_err(Fault::Document)?;
    let of_data = DocumentHash::of(&data);
    if let Some(hash) = hash.filter(|hash| *hash != of_data) {
        return Err(Fault::Hash { hash, of_data });
    }
    Ok(Some(Image {
        hash: of_data,
        text: Some(data.as_str().into()),
    }))
}

fn hash(
    hash: Option<DocumentHash>,
    data: Option<&RawValue>,
) -> Result<Option<DocumentHash>, Fault> {
    Ok(image(hash, data)?.map(|image| image.hash))
}
