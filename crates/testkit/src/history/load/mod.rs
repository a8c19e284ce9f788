//! Reading a history's files.

mod convert;
mod error;

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use super::model::{Feed, Got, History, Name, Place, ViewOf};
use super::record::Record;

pub use error::{Fault, InputError};

/// A line at most: a commit of the log with all its documents, before and after, and some to spare.
const LINE_BYTES_MAX: u64 = 256 << 20;

/// A history being read.
#[derive(Default)]
struct Loading {
    history: History,
    feeds: HashMap<Name, usize>,
    views: HashMap<ViewOf, usize>,
}

impl History {
    /// Reads the files of one history.
    ///
    /// # Errors
    /// If a file cannot be read, a line is not a record, or the records do not make a history that
    /// can be judged: there is no dump, or lines are missing.
    pub fn read(files: &[impl AsRef<Path>]) -> Result<History, InputError> {
        let mut loading = Loading::default();
        for file in files {
            let path = file.as_ref();
            let name = path.display().to_string();
            let io = |source| InputError::Io {
                file: name.clone(),
                source,
            };
            let reader = BufReader::with_capacity(1 << 20, File::open(path).map_err(io)?);
            loading.file(&name, reader)?;
        }
        loading.finish()
    }

    /// Reads a history of one file from memory; `name` stands for the file.
    ///
    /// # Errors
    /// As [`History::read`].
    pub fn parse(name: &str, text: &[u8]) -> Result<History, InputError> {
        let mut loading = Loading::default();
        loading.file(name, text)?;
        loading.finish()
    }
}

impl Loading {
    fn file(&mut self, name: &str, mut reader: impl BufRead) -> Result<(), InputError> {
        let file = u32::try_from(self.history.files.len()).unwrap_or(u32::MAX);
        self.history.files.push(name.to_owned());
        let mut line = String::new();
        for number in 1.. {
            line.clear();
            let mut limited = std::io::Read::take(&mut reader, LINE_BYTES_MAX);
            let bytes = limited.read_line(&mut line);
            let bytes = bytes.map_err(|source| InputError::Io {
                file: name.to_owned(),
                source,
            })?;
            if bytes == 0 {
                return Ok(());
            }
            let place = Place { file, line: number };
            let text = line.trim();
            if text.is_empty() || text.starts_with('#') {
                continue;
            }
            let record = serde_json::from_str(text).map_err(Fault::Json);
            let added = record.and_then(|record: Record| self.add(place, record));
            added.map_err(|fault| self.unusable(place, fault))?;
            self.history.records += 1;
        }
        Ok(())
    }

    fn unusable(&self, place: Place, fault: Fault) -> InputError {
        InputError::Record {
            at: self.history.locate(place),
            fault,
        }
    }

    /// Sorts, and holds the records against each other.
    fn finish(mut self) -> Result<History, InputError> {
        if self.history.dump.place.is_none() {
            return Err(InputError::NoDump);
        }
        self.history.commits.sort_by_key(|commit| commit.seq);
        for feed in &mut self.history.feeds {
            feed.receptions.sort_by_key(|received| received.idx);
        }
        for feed in &self.history.feeds {
            check_whole(feed).map_err(|(place, fault)| self.unusable(place, fault))?;
        }
        for ack in &self.history.acks {
            let feed = self.feeds.get(&ack.feed);
            let feed = feed.map(|index| &self.history.feeds[*index]);
            let is_of_one = feed.is_some_and(|feed| {
                feed.consumer().is_some() && ack.at_idx < feed.receptions.len() as u64
            });
            if !is_of_one {
                return Err(self.unusable(ack.place, Fault::Ack));
            }
        }
        Ok(self.history)
    }
}

/// A subscription's lines are all there, and each session begins with what it is.
fn check_whole(feed: &Feed) -> Result<(), (Place, Fault)> {
    let mut session = None;
    let mut t_recv = 0;
    let consumer = feed.consumer();
    for (expected, received) in (0_u64..).zip(&feed.receptions) {
        let fault = if received.idx != expected {
            Some(Fault::MissingIndex { expected })
        } else if received.t_recv < t_recv {
            Some(Fault::ClockFell)
        } else if let Got::Subscribed(opened) = &received.got {
            session = Some(received.session);
            (opened.consumer != consumer).then_some(Fault::OtherConsumer)
        } else if matches!(received.got, Got::Ended { .. } | Got::Left { .. }) {
            None // Also of what was not accepted, or not answered.
        } else {
            (session != Some(received.session)).then_some(Fault::NotSubscribed)
        };
        if let Some(fault) = fault {
            return Err((received.place, fault));
        }
        t_recv = received.t_recv;
    }
    Ok(())
}
