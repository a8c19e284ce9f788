//! `wellspring tail`

mod line;

use clap::Args;
use wellspring_client::{ChangeEvent, Changes, Consumer};
use wellspring_types::consumer::ConsumerName;
use wellspring_types::feed::From;
use wellspring_types::limits::UNACKED_DEFAULT;
use wellspring_types::{CollectionPattern, CollectionSet, FieldPath, Filter, ResumeToken, Select};

use self::line::Style;
use super::signals;
use crate::arguments::Target;
use crate::connection::connect;
use crate::failure::Failure;
use crate::output::{Output, tell};

/// Watch collections change.
#[derive(Debug, Args)]
#[command(after_help = "\
One change a line. On exit the token to go on from is printed on standard error.

  wellspring tail rooms --from snapshot --where '{\"open\":true}'
  wellspring tail rooms --from AZ8sKgA --json
  wellspring tail rooms 'rooms/*/messages'   # both, in their one order
  wellspring tail '**'                       # everything
  wellspring tail orders --consumer mailer   # goes on where it was")]
pub(crate) struct Tail {
    /// Collections, such as `rooms`, or patterns of them: `*` stands for one segment, as in
    /// `rooms/*/messages`, `**` at the end for all that is below; `**` alone is everything.
    #[arg(required = true, value_name = "COLLECTION")]
    collections: Vec<CollectionPattern>,
    /// Where to begin: now, snapshot, beginning, a token, or a time like 2026-11-24T09:00:00Z.
    #[arg(long, value_name = "POSITION", default_value = "now", value_parser = parse_from)]
    from: From,
    /// Only documents that match this filter, such as `{"open":true}`.
    #[arg(long = "where", value_name = "JSON", value_parser = Filter::parse)]
    filter: Option<Filter>,
    /// Only these fields.
    #[arg(long, value_name = "FIELDS", value_delimiter = ',')]
    select: Vec<FieldPath>,
    /// Show what was there before, too.
    #[arg(long)]
    old: bool,
    /// While behind, show each document's newest state instead of every change.
    #[arg(long)]
    conflate: bool,
    /// Take part in this consumer: the server keeps the position, what is printed is acknowledged, and
    /// others with the same consumer have other documents.
    #[arg(long, value_name = "NAME", conflicts_with = "conflate")]
    consumer: Option<ConsumerName>,
    /// One JSON object a line: op, path, version, seq, time, data; token on a commit's last line.
    #[arg(long)]
    json: bool,
    /// End after this many lines.
    #[arg(long, value_name = "COUNT")]
    limit: Option<u64>,
}

fn parse_from(text: &str) -> Result<From, std::convert::Infallible> {
    Ok(match text {
        "now" => From::Now,
        "snapshot" => From::Snapshot,
        "beginning" => From::Beginning,
        // No token is a time: tokens have no colon.
        other => match other.parse() {
            Ok(time) => From::Time(time),
            Err(_) => From::Token(ResumeToken::new(other)),
        },
    })
}

impl Tail {
    pub(crate) async fn run(self, target: &Target) -> Result<(), Failure> {
        let stop = signals::stop()?;
        let client = connect(target).await?;
        let mut builder = client
            .changes_of(CollectionSet::matching(self.collections.clone())?)
            .from(self.from.clone());
        if let Some(filter) = self.filter.clone() {
            builder = builder.filter(filter);
        }
        if !self.select.is_empty() {
            builder = builder.select(Select::new(self.select.clone())?);
        }
        if self.old {
            builder = builder.with_old();
        }
        if self.conflate {
            builder = builder.conflate();
        }
        let mut printer = Printer::new(self.style(), self.limit.unwrap_or(u64::MAX));
        let outcome = match self.consumer.clone() {
            Some(name) => {
                // No more than is printed: the rest would be for others to wait for.
                let limit = self.limit.unwrap_or(u64::MAX).max(1);
                let most = u32::try_from(limit).unwrap_or(u32::MAX);
                let builder = builder.consumer(name);
                let builder = builder.unacked_max(most.min(UNACKED_DEFAULT));
                let mut consumer = builder.subscribe().await?;
                tokio::select! {
                    outcome = print_part(&mut consumer, &mut printer) => outcome,
                    () = stop => Ok(()),
                }
            }
            None => {
                let mut changes = builder.subscribe().await?;
                printer.token = changes.token().cloned();
                let outcome = tokio::select! {
                    outcome = print_all(&mut changes, &mut printer) => outcome,
                    () = stop => Ok(()),
                };
                if let Some(line) = printer.how_to_go_on() {
                    tell(line);
                }
                outcome
            }
        };
        client.close().await;
        outcome
    }

    fn style(&self) -> Style {
        if self.json {
            Style::Json
        } else {
            Style::Readable
        }
    }
}

/// Prints until the limit is reached or the feed ends.
async fn print_all(changes: &mut Changes, printer: &mut Printer) -> Result<(), Failure> {
    while printer.left > 0 {
        match changes.next().await {
            Some(event) => {
                printer.print(&event?)?;
            }
            None => break,
        }
    }
    Ok(())
}

/// Prints what is for this one of a consumer's changes, and acknowledges what was printed.
async fn print_part(consumer: &mut Consumer, printer: &mut Printer) -> Result<(), Failure> {
    while printer.left > 0 {
        let Some(commit) = consumer.next().await else {
            break;
        };
        if printer.print(&ChangeEvent::Commit(commit?))? {
            consumer.ack().await?;
        }
    }
    Ok(())
}

/// Prints events as lines, up to a limit.
pub(crate) struct Printer {
    output: Output,
    style: Style,
    left: u64,
    /// Of the last event that has one and whose lines were all printed.
    token: Option<ResumeToken>,
    /// Lines printed after that.
    after_token: u64,
}

impl Printer {
    fn new(style: Style, limit: u64) -> Printer {
        Printer {
            output: Output::new(),
            style,
            left: limit,
            token: None,
            after_token: 0,
        }
    }

    /// For people, without a limit.
    pub(crate) fn readable() -> Printer {
        Printer::new(Style::Readable, u64::MAX)
    }

    /// Prints something that is no event.
    pub(crate) fn say(&mut self, text: impl std::fmt::Display) -> Result<(), Failure> {
        self.output.line(text)?;
        self.output.flush()
    }

    /// Prints what an event has to show; false if the limit did not let all of it.
    pub(crate) fn print(&mut self, event: &ChangeEvent) -> Result<bool, Failure> {
        let mut is_whole = true;
        for line in line::lines(event, self.style) {
            is_whole = self.left > 0;
            if !is_whole {
                break;
            }
            self.output.line(line)?;
            self.left -= 1;
            self.after_token += 1;
        }
        self.output.flush()?;
        if let Some(token) = event.token().filter(|_| is_whole) {
            self.token = Some(token.clone());
            self.after_token = 0;
        }
        Ok(is_whole)
    }

    /// How to see what follows. Commits that arrived in one message share its token, so that a
    /// limit may fall behind it.
    fn how_to_go_on(&self) -> Option<String> {
        let token = self.token.as_ref()?;
        Some(match self.after_token {
            0 => format!("to go on: --from {token}"),
            lines => format!("to go on: --from {token} (the last {lines} lines come again)"),
        })
    }
}
