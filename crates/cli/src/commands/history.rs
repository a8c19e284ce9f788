//! `wellspring history`

use anstyle::{AnsiColor, Style};
use clap::Args;
use wellspring_protocol::json::reply::version_body;
use wellspring_types::DocumentPath;
use wellspring_types::feed::Op;
use wellspring_types::history::{DocumentVersion, HistoryQuery};
use wellspring_types::limits::{PAGE_DOCUMENTS_DEFAULT, PAGE_DOCUMENTS_MAX};

use crate::arguments::Target;
use crate::connection::connect;
use crate::failure::Failure;
use crate::output::{Output, tell};

/// Read the versions of a document, newest first.
#[derive(Debug, Args)]
#[command(after_help = "\
As far back as its changes are kept, whether it still exists or not. On a terminal each version is a
line for people (+ inserted, ~ updated, - deleted, = the commit is not kept); otherwise, or with
--json, one version a line. `wellspring get PATH --at VERSION` reads any of them.")]
pub(crate) struct History {
    /// The document, such as `rooms/42`.
    path: DocumentPath,
    /// At most this many versions.
    #[arg(long, value_name = "COUNT", default_value_t = u64::from(PAGE_DOCUMENTS_DEFAULT))]
    limit: u64,
    /// All versions, however many.
    #[arg(long, conflicts_with = "limit")]
    all: bool,
    /// One version a line, as JSON.
    #[arg(long)]
    json: bool,
}

impl History {
    pub(crate) async fn run(self, target: &Target) -> Result<(), Failure> {
        let client = connect(target).await?;
        let mut output = Output::new();
        let readable = output.is_terminal() && !self.json;
        let mut left = if self.all { u64::MAX } else { self.limit };
        let mut query = HistoryQuery {
            path: self.path,
            limit: 1,
            cursor: None,
        };
        let mut rest = None;
        while left > 0 {
            query.limit = u32::try_from(left)
                .unwrap_or(u32::MAX)
                .min(PAGE_DOCUMENTS_MAX);
            let page = client.history(query.clone()).await?;
            for version in &page.versions {
                if readable {
                    output.line(line(version))?;
                } else {
                    output.line(version_body(version))?;
                }
            }
            // The search for older ones may take a while.
            output.flush()?;
            left -= page.versions.len() as u64;
            query.cursor = page.cursor;
            if query.cursor.is_none() {
                rest = page
                    .truncated
                    .then_some("what was before is not kept any more");
                break;
            }
            rest = Some("there may be more: see --limit and --all");
        }
        client.close().await;
        if let Some(rest) = rest {
            tell(rest);
        }
        Ok(())
    }
}

fn line(version: &DocumentVersion) -> String {
    let (colour, mark) = match version.op {
        Some(Op::Insert) => (AnsiColor::Green, '+'),
        Some(Op::Update) => (AnsiColor::Yellow, '~'),
        Some(Op::Delete) => (AnsiColor::Red, '-'),
        None => (AnsiColor::Blue, '='),
    };
    let style = Style::new().fg_color(Some(colour.into()));
    let DocumentVersion {
        version,
        time,
        data,
        ..
    } = version;
    let data = data.as_ref().map(|data| format!(" {}", data.as_str()));
    let data = data.unwrap_or_default();
    format!("{style}{mark}{style:#} {version:>6} {time}{data}")
}

#[cfg(test)]
mod tests {
    use wellspring_types::{Data, Sequence, Timestamp};

    use super::*;

    #[test]
    fn a_line_says_what_became_of_the_document_and_when() {
        let shown = |op, data: Option<&str>| {
            let version = DocumentVersion {
                version: Sequence(7),
                time: Timestamp::default(),
                op,
                data: data.map(|text| Data::parse(text.as_bytes()).unwrap()),
                actor: None,
                mutation_id: None,
            };
            anstream::adapter::strip_str(&line(&version)).to_string()
        };
        let inserted = shown(Some(Op::Insert), Some(r#"{"n":1.50}"#));
        assert_eq!(inserted, r#"+      7 1970-01-01T00:00:00.000Z {"n":1.50}"#);
        let deleted = shown(Some(Op::Delete), None);
        assert_eq!(deleted, "-      7 1970-01-01T00:00:00.000Z");
        assert!(shown(None, Some("{}")).starts_with("=      7"));
    }
}
