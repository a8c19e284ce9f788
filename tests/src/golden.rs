//! Golden data directories: databases that some release has written, kept for good, and what they
//! must come to when they are opened.
//!
//! `tests/data/golden-N` has `data`, a directory as a killed process leaves it, and `expected`, a line
//! for each thing that must be found in it. N is the format that a directory was written in.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use wellspring_engine::{Clock, Database, FloorMove, Options, PageLimit, Subscription};
use wellspring_protocol::json::parse_commit;
use wellspring_testkit::random::Random;
use wellspring_testkit::workload::documents;
use wellspring_types::feed::{FeedCommit, FeedMessage, From, SubscribeRequest};
use wellspring_types::{ResumeToken, Sequence, Timestamp};

/// The collections of a golden directory.
pub const COLLECTIONS: [&str; 5] = [
    "rooms",
    "rooms/42/messages",
    "rooms/42/messages/7/réactions",
    "users",
    "large",
];

/// Bytes of the large document: more than a block of a snapshot, and many chunks of a store.
const LARGE_BYTES: usize = 140 << 10;
/// The time of the first commit: the beginning of 2026.
const FIRST_MS: u64 = 1_767_225_600_000;
const FIRST_COMMITS: u64 = 70;
const LAST_COMMITS: u64 = 14;
const SEGMENT_BYTES: u64 = 24 << 10;
const PAGE: PageLimit = PageLimit {
    bytes: 1 << 20,
    messages: 100,
};

/// Where golden directories are.
#[must_use]
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("data")
}

/// Tells a second more each time.
struct Steady(AtomicU64);

impl Clock for Steady {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(FIRST_MS + 1_000 * self.0.fetch_add(1, Ordering::Relaxed))
    }
}

/// The time at which golden directories are opened: mutation ids are remembered for a day.
struct Then;

impl Clock for Then {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(FIRST_MS + 3_600_000)
    }
}

/// How a golden directory is opened: as any other, in the hour after it was written.
#[must_use]
pub fn options(data_dir: &Path) -> Options {
    let mut options = Options::new(data_dir);
    options.cache_bytes = 4 << 20;
    options.reserve_bytes = 0;
    options.clock = Arc::new(Then);
    options
}

/// Makes `tests/data/golden-N` by the engine as it is now; never over one that is there.
///
/// # Errors
/// If it is there, or anything fails.
pub async fn make(number: u32) -> Result<PathBuf> {
    let golden = root().join(format!("golden-{number}"));
    ensure!(
        !golden.exists(),
        "{} is there, and is kept as it is: choose another number",
        golden.display()
    );
    let directory = tempfile::tempdir()?;
    let built = directory.path().join("built");
    let clock: Arc<dyn Clock> = Arc::new(Steady(AtomicU64::new(0)));
    let mut history = History::new();
    first_life(&built, Arc::clone(&clock), &mut history).await?;
    fs::create_dir_all(&golden)?;
    second_life(&built, clock, &mut history, &golden).await?;
    let again = directory.path().join("again");
    copy(&golden.join("data"), &again)?;
    let database = Database::open(options(&again), &mut |_| {})?;
    let mut expected = describe(&database).await?;
    database.close().await?;
    expected.push_str(&history.lines);
    fs::write(golden.join("expected"), expected)?;
    Ok(golden)
}

/// What is committed, and lines about it.
struct History {
    number: u64,
    random: Random,
    lines: String,
}

impl History {
    fn new() -> History {
        History {
            number: 0,
            random: Random::new(1),
            lines: String::new(),
        }
    }

    /// The next commit, as a client would write it.
    fn next(&mut self) -> String {
        let number = self.number;
        self.number += 1;
        let padding = self.text(700);
        let room = format!("rooms/{}", 40 + number % 5);
        let mut writes = vec![format!(
            r#"{{"op":"set","path":"{room}","data":{{"number":{number},"exact":[1.10,1e3,123456789012345678901234567890.5,-0.0],"padding":"{padding}"}}}}"#
        )];
        if number == 2 {
            let large = self.text(LARGE_BYTES);
            writes.push(format!(
                r#"{{"op":"insert","path":"large/one","data":{{"text":"{large}"}}}}"#
            ));
        }
        let message = format!("rooms/42/messages/{}", number % 9);
        match number % 18 {
            0..9 => writes.push(format!(
                r#"{{"op":"set","path":"{message}","data":{{"text":"é\n\u0000 {number}"}}}}"#
            )),
            _ => writes.push(format!(r#"{{"op":"delete","path":"{message}"}}"#)),
        }
        if number.is_multiple_of(4) {
            let reaction = format!("rooms/42/messages/7/réactions/ann {}", number % 3);
            writes.push(format!(
                r#"{{"op":"set","path":"{reaction}","data":{{"deep":{{"er":[null,true,{{"n":{number}}}]}}}}}}"#
            ));
        }
        if number.is_multiple_of(3) {
            let user = format!("users/{}", number % 8);
            writes.push(format!(r#"{{"op":"set","path":"{user}","data":{{}}}}"#));
        }
        let id = match number.is_multiple_of(2) {
            true => format!(r#""mutation_id":"golden-{number}","#),
            false => String::new(),
        };
        format!(r#"{{{id}"writes":[{}]}}"#, writes.join(","))
    }

    /// Letters that do not compress away.
    fn text(&mut self, bytes: usize) -> String {
        let letter = |n: u64| char::from(b'a' + u8::try_from(n).unwrap_or(0));
        (0..bytes).map(|_| letter(self.random.below(26))).collect()
    }

    /// Commits the next. What has a mutation id is remembered.
    async fn commit(&mut self, database: &Database) -> Result<Sequence> {
        let text = self.next();
        let request =
            parse_commit(text.as_bytes()).map_err(|error| anyhow::anyhow!("{text}: {error:?}"))?;
        let is_named = request.mutation_id.is_some();
        let seq = database.commit(request).await?.seq;
        // The large one is in the data already.
        if is_named && text.len() < LARGE_BYTES {
            writeln!(self.lines, "mutation {seq} {text}")?;
        }
        Ok(seq)
    }
}

/// With a snapshot, and with a log that does not reach back to its beginning; closed.
async fn first_life(data_dir: &Path, clock: Arc<dyn Clock>, history: &mut History) -> Result<()> {
    let mut options = options(data_dir);
    options.segment_bytes = SEGMENT_BYTES;
    options.keeper_interval_ms = 1;
    options.snapshot_log_bytes_min = 200 << 10;
    options.retention_bytes_max = Some(70 << 10);
    options.clock = clock;
    let database = Database::open(options, &mut |_| {})?;
    let mut kept = database.kept();
    for _ in 0..FIRST_COMMITS {
        history.commit(&database).await?;
    }
    drop(
        kept.wait_for(|kept| kept.snapshot.0 > 0 && kept.oldest.0 > 1)
            .await?,
    );
    database.close().await?;
    Ok(())
}

/// With commits behind the snapshot, and floors; copied while it is open, with the beginning of
/// another append at its end.
async fn second_life(
    data_dir: &Path,
    clock: Arc<dyn Clock>,
    history: &mut History,
    golden: &Path,
) -> Result<()> {
    let mut options = options(data_dir);
    options.segment_bytes = SEGMENT_BYTES;
    options.clock = clock;
    let database = Database::open(options, &mut |_| {})?;
    let now = SubscribeRequest::new("rooms".parse()?, From::Now);
    let mut live = database.subscribe(now)?;
    for _ in 0..LAST_COMMITS {
        let seq = history.commit(&database).await?;
        let token = token_of(&mut live, seq).await?;
        writeln!(history.lines, "token rooms {seq} {token}")?;
    }
    for (collection, back) in [("users", 4), ("rooms/42/messages", 9)] {
        let wished = FloorMove {
            collection: Some(collection.parse()?),
            through: Sequence(database.visible().0 - back),
        };
        database.move_floor(wished).await?;
    }
    let data = golden.join("data");
    copy(data_dir, &data)?;
    // Derived, large, and of no use where its directory is another.
    fs::remove_dir_all(data.join("store"))?;
    history.commit(&database).await?;
    // It was never acknowledged, as far as the copy knows.
    let line = history
        .lines
        .trim_end()
        .rfind('\n')
        .map_or(0, |end| end + 1);
    if history.lines[line..].starts_with("mutation") {
        history.lines.truncate(line);
    }
    tear(data_dir, &data)?;
    database.close().await?;
    Ok(())
}

async fn token_of(live: &mut Subscription, seq: Sequence) -> Result<ResumeToken> {
    loop {
        if let FeedMessage::Changes { commits, token } = live.next().await?
            && commits.last().is_some_and(|commit| commit.seq == seq)
        {
            return Ok(token);
        }
    }
}

/// Puts a half of what `from` has behind the end of the log into `to`.
fn tear(from: &Path, to: &Path) -> Result<()> {
    let last = |data_dir: &Path| -> Result<PathBuf> {
        let mut names: Vec<PathBuf> = fs::read_dir(data_dir.join("log"))?
            .map(|entry| Ok(entry?.path()))
            .collect::<Result<_>>()?;
        names.retain(|name| name.extension().is_some_and(|end| end == "seg"));
        names.sort_unstable();
        names.pop().context("a segment")
    };
    let (from, to) = (last(from)?, last(to)?);
    ensure!(
        from.file_name() == to.file_name(),
        "the append has begun another segment"
    );
    let (after, mut before) = (fs::read(from)?, fs::read(&to)?);
    let mut differing = after.iter().zip(&before).enumerate();
    let start = differing.find(|(_, (after, before))| after != before);
    let start = start.context("an append")?.0;
    let end = after.iter().rposition(|&byte| byte != 0).context("bytes")?;
    let middle = start + (end - start) / 2;
    before[start..middle].copy_from_slice(&after[start..middle]);
    fs::write(to, before)?;
    Ok(())
}

/// Copies a directory and what is in it.
///
/// # Errors
/// If the file system fails.
pub fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let path = entry?.path();
        let target = to.join(path.file_name().context("a name")?);
        if path.is_dir() {
            copy(&path, &target)?;
        } else {
            fs::copy(&path, &target)?;
        }
    }
    Ok(())
}

/// What a database has, a line each: how far it reaches, floors, documents, and all changes that are
/// offered with the tokens that they begin and end with.
///
/// # Errors
/// If something cannot be read.
pub async fn describe(database: &Database) -> Result<String> {
    let mut lines = String::new();
    writeln!(lines, "epoch {}", database.epoch())?;
    writeln!(lines, "head {}", database.visible())?;
    writeln!(lines, "floor {}", database.floor())?;
    for floor in database.collection_floors() {
        writeln!(lines, "floor {} {}", floor.collection, floor.through)?;
    }
    for collection in COLLECTIONS {
        for document in documents(database, collection).await? {
            writeln!(
                lines,
                "document {:?} {} {} {} {}",
                document.path.as_str(),
                document.version,
                document.created_at,
                document.updated_at,
                document.data.as_str()
            )?;
        }
        describe_changes(database, collection, &mut lines).await?;
    }
    Ok(lines)
}

async fn describe_changes(database: &Database, collection: &str, lines: &mut String) -> Result<()> {
    let request = SubscribeRequest::new(collection.parse()?, From::Beginning);
    let mut subscription = database.subscribe(request)?;
    loop {
        let page = subscription.page(PAGE, Duration::ZERO).await?;
        for message in page.messages {
            match message {
                FeedMessage::Subscribed { seq, token, .. } => {
                    let token = token.context("a token at the beginning")?;
                    writeln!(lines, "begins {collection} {seq} {token}")?;
                }
                FeedMessage::Changes { commits, .. } => {
                    for commit in commits {
                        describe_commit(collection, &commit, lines)?;
                    }
                }
                other => bail!("{other:?}"),
            }
        }
        if !page.more {
            // Of the last commit that there is.
            writeln!(lines, "ends {collection} {}", page.token)?;
            return Ok(());
        }
    }
}

/// A commit's changes as a view of a whole collection sees them.
///
/// # Errors
/// Never: it is written into memory.
pub fn describe_commit(collection: &str, commit: &FeedCommit, lines: &mut String) -> Result<()> {
    for change in &commit.changes {
        let data = change.data.as_ref().map_or("-", |data| data.as_str());
        writeln!(
            lines,
            "change {collection} {} {} {:?} {:?} {data}",
            commit.seq,
            commit.time,
            change.op,
            change.path.as_str()
        )?;
    }
    Ok(())
}
