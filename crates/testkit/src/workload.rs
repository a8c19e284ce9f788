//! Commits whose halves can be told apart from wholes, and what must be true of them afterwards.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::str::FromStr;

use anyhow::{Context as _, Result, ensure};
use wellspring_engine::{Database, Options};
use wellspring_types::feed::{FeedMessage, From, SubscribeRequest};
use wellspring_types::query::Query;
use wellspring_types::write::{CommitRequest, Write};
use wellspring_types::{Data, Document, Sequence};

/// Accounts that the writers share.
const ACCOUNTS: u64 = 50;

/// One commit of the workload: an entry of a journal and the account that it concerns, in two
/// collections. The account holds the number of its newest entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The entry's number, of the writer's own.
    pub number: u64,
    /// The writer.
    pub writer: u64,
}

/// An acknowledgement, as the writer's process prints it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Acknowledged {
    /// What was committed.
    pub entry: Entry,
    /// At which sequence.
    pub seq: Sequence,
}

impl Entry {
    fn account(self) -> u64 {
        (self.number.wrapping_mul(7) + self.writer) % ACCOUNTS
    }

    fn name(self) -> String {
        format!("{}-{}", self.writer, self.number)
    }

    fn data(self, large_bytes: usize) -> String {
        // Now and then one that does not fit into one page of the store.
        let large = self.number.is_multiple_of(13);
        let padding = "x".repeat(if large { large_bytes } else { 20 });
        format!(r#"{{"entry":"{}","padding":"{padding}"}}"#, self.name())
    }

    /// The commit. Some entries are large: of `large_bytes`.
    ///
    /// # Errors
    /// If `large_bytes` is more than a document may have.
    pub fn commit(self, large_bytes: usize) -> Result<CommitRequest> {
        let data = Data::parse(self.data(large_bytes).as_bytes())?;
        let journal = format!("journal/{}", self.name()).parse()?;
        let account = format!("accounts/{}", self.account()).parse()?;
        let writes = vec![
            Write::insert(journal, data.clone()),
            Write::set(account, data),
        ];
        let mutation_id = Some(self.name().parse()?);
        Ok(CommitRequest {
            mutation_id,
            writes,
            reads: Vec::new(),
        })
    }
}

impl fmt::Display for Acknowledged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {} {}",
            self.entry.writer, self.entry.number, self.seq
        )
    }
}

impl FromStr for Acknowledged {
    type Err = anyhow::Error;

    fn from_str(line: &str) -> Result<Acknowledged> {
        let mut numbers = line.split(' ').map(str::parse::<u64>);
        let mut next = || numbers.next().context("a number is missing");
        let (writer, number, seq) = (next()??, next()??, next()??);
        Ok(Acknowledged {
            entry: Entry { number, writer },
            seq: Sequence(seq),
        })
    }
}

/// The options of the workload's database: small segments, so that there are many, and snapshots
/// so often that a kill or a power cut meets one being made.
#[must_use]
pub fn options(data_dir: &Path) -> Options {
    let mut options = Options::new(data_dir);
    options.segment_bytes = 256 << 10;
    options.reserve_bytes = 0;
    options.snapshot_log_bytes_min = 512 << 10;
    options.snapshot_run_bytes = 128 << 10;
    options.keeper_interval_ms = 20;
    options
}

/// What was found in a database.
#[derive(Debug)]
pub struct Found {
    /// The head of the log.
    pub head: Sequence,
    /// Sequence of each journal entry, by its name.
    pub journal: BTreeMap<String, Sequence>,
}

/// Opens the database and checks everything that must be true of it, whatever happened before:
/// each acknowledged entry is there, at its sequence; each commit is whole in both collections;
/// the state is what the log adds up to.
///
/// # Errors
/// What is not true.
pub async fn check(database: &Database, acknowledged: &[Acknowledged]) -> Result<Found> {
    let head = database.visible();
    let journal = history(database, "journal", head).await?;
    let accounts = history(database, "accounts", head).await?;
    ensure!(
        journal.len() as u64 == head.0,
        "{} entries at head {head}",
        journal.len()
    );
    let mut by_name = BTreeMap::new();
    let mut newest = BTreeMap::new();
    for ((entry_seq, entry_id, entry_data), (seq, account, data)) in
        journal.into_iter().zip(accounts)
    {
        ensure!(
            entry_seq == seq && entry_data == data,
            "commit {seq} is not whole"
        );
        newest.insert(account, (seq, data));
        ensure!(
            by_name.insert(entry_id, seq).is_none(),
            "an entry twice, again at {seq}"
        );
    }
    for Acknowledged { entry, seq } in acknowledged {
        let found = by_name.get(&entry.name());
        ensure!(
            found == Some(seq),
            "{} was acknowledged at {seq}, found {found:?}",
            entry.name()
        );
    }
    let state = state(database, "accounts").await?;
    ensure!(
        state == newest,
        "the accounts are not what their changes add up to"
    );
    let entries = state_size(database, "journal").await?;
    ensure!(
        entries as u64 == head.0,
        "{entries} entries in the store at head {head}"
    );
    Ok(Found {
        head,
        journal: by_name,
    })
}

/// Every change of a collection, from the beginning: sequence, id, data.
async fn history(
    database: &Database,
    collection: &str,
    head: Sequence,
) -> Result<Vec<(Sequence, String, Data)>> {
    let request = SubscribeRequest::new(collection.parse()?, From::Beginning);
    let mut subscription = database.subscribe(request)?;
    let mut found = Vec::new();
    while found
        .last()
        .map_or(Sequence::ZERO, |(seq, ..): &(Sequence, _, _)| *seq)
        < head
    {
        if let FeedMessage::Changes { commits, .. } = subscription.next().await? {
            for commit in commits {
                let [change] = commit.changes.as_slice() else {
                    anyhow::bail!("commit {} has {} changes", commit.seq, commit.changes.len());
                };
                let data = change.data.clone().context("nothing is deleted")?;
                found.push((commit.seq, change.path.id().to_owned(), data));
            }
        }
    }
    Ok(found)
}

/// All documents of a collection, page by page.
///
/// # Errors
/// If a page cannot be read.
pub async fn documents(database: &Database, collection: &str) -> Result<Vec<Document>> {
    let mut documents = Vec::new();
    let mut cursor = None;
    loop {
        let query = Query {
            collection: collection.parse()?,
            filter: None,
            select: None,
            order_by: Vec::new(),
            limit: 1000,
            cursor,
            at: None,
        };
        let page = database.query(query).await?;
        documents.extend(page.documents);
        cursor = page.cursor;
        if cursor.is_none() {
            return Ok(documents);
        }
    }
}

async fn state(
    database: &Database,
    collection: &str,
) -> Result<BTreeMap<String, (Sequence, Data)>> {
    let documents = documents(database, collection).await?.into_iter();
    Ok(documents
        .map(|d| (d.path.id().to_owned(), (d.version, d.data)))
        .collect())
}

async fn state_size(database: &Database, collection: &str) -> Result<usize> {
    Ok(documents(database, collection).await?.len())
}
