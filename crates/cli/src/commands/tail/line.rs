//! One change as a line.

use std::fmt::Write;

use anstyle::{AnsiColor, Style as Ansi};
use wellspring_client::{ChangeEvent, Commit};
use wellspring_protocol::json::reply::document_body;
use wellspring_types::feed::{Cause, Change, Op, ResetReason};
use wellspring_types::json::write_string;
use wellspring_types::{Document, ResumeToken, Sequence};

/// How lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// For people.
    Readable,
    /// For programs.
    Json,
}

/// The lines of an event.
pub(crate) fn lines(event: &ChangeEvent, style: Style) -> Vec<String> {
    match (event, style) {
        (ChangeEvent::Snapshot(snapshot), _) => {
            let last = snapshot.documents.len().saturating_sub(1);
            let numbered = snapshot.documents.iter().enumerate();
            let token = |index| (index == last).then_some(&snapshot.token);
            numbered
                .map(|(index, document)| match style {
                    Style::Readable => readable_document(document),
                    Style::Json => json_document(document, snapshot.seq, token(index)),
                })
                .collect()
        }
        (ChangeEvent::Commit(commit), Style::Readable) => commit
            .changes
            .iter()
            .map(|change| readable_change(commit, change))
            .collect(),
        (ChangeEvent::Commit(commit), Style::Json) => {
            let last = commit.changes.len().saturating_sub(1);
            let numbered = commit.changes.iter().enumerate();
            let token = |index| commit.token.as_ref().filter(|_| index == last);
            numbered
                .map(|(index, change)| json_change(commit, change, token(index)))
                .collect()
        }
        (ChangeEvent::Reset { reason, .. }, Style::Readable) => {
            vec![format!(
                "reset ({}): what was shown before is no longer so",
                name(*reason)
            )]
        }
        (ChangeEvent::Reset { reason, .. }, Style::Json) => {
            vec![format!(
                "{{\"op\":\"reset\",\"reason\":\"{}\"}}",
                name(*reason)
            )]
        }
        _ => Vec::new(),
    }
}

fn readable(colour: AnsiColor, mark: char, rest: std::fmt::Arguments<'_>) -> String {
    let style = Ansi::new().fg_color(Some(colour.into()));
    format!("{style}{mark}{style:#} {rest}")
}

fn readable_document(document: &Document) -> String {
    let Document {
        path,
        version,
        updated_at,
        data,
        ..
    } = document;
    readable(
        AnsiColor::Blue,
        '=',
        format_args!("{version:>6} {updated_at} {path} {}", data.as_str()),
    )
}

fn readable_change(commit: &Commit, change: &Change) -> String {
    let (colour, mark) = match change.op {
        Op::Insert => (AnsiColor::Green, '+'),
        Op::Update => (AnsiColor::Yellow, '~'),
        Op::Delete => (AnsiColor::Red, '-'),
    };
    let mut rest = format!("{:>6} {} {}", commit.seq, commit.time, change.path);
    if let Some(cause) = change.cause {
        write!(rest, " ({})", cause_name(cause)).ok();
    }
    if let Some(data) = &change.data {
        write!(rest, " {}", data.as_str()).ok();
    }
    if let Some(old) = &change.old {
        write!(rest, " was {}", old.as_str()).ok();
    }
    readable(colour, mark, format_args!("{rest}"))
}

fn json_document(document: &Document, seq: Sequence, token: Option<&ResumeToken>) -> String {
    let body = document_body(document);
    let members = body.strip_prefix('{').unwrap_or(&body);
    let mut line = format!("{{\"op\":\"snapshot\",\"seq\":{seq},{members}");
    push_token(&mut line, token);
    line
}

fn json_change(commit: &Commit, change: &Change, token: Option<&ResumeToken>) -> String {
    let op = match change.op {
        Op::Insert => "insert",
        Op::Update => "update",
        Op::Delete => "delete",
    };
    let mut line = format!("{{\"op\":\"{op}\"");
    if let Some(cause) = change.cause {
        write!(line, ",\"cause\":\"{}\"", cause_name(cause)).ok();
    }
    line.push_str(",\"path\":");
    write_string(&mut line, change.path.as_str());
    let Commit {
        seq,
        time,
        actor,
        mutation_id,
        conflated,
        ..
    } = commit;
    write!(
        line,
        ",\"version\":{},\"seq\":{seq},\"time\":\"{time}\"",
        change.version
    )
    .ok();
    if let Some(actor) = actor {
        line.push_str(",\"actor\":");
        write_string(&mut line, actor);
    }
    if let Some(mutation_id) = mutation_id {
        line.push_str(",\"mutation_id\":");
        write_string(&mut line, mutation_id.as_str());
    }
    if *conflated {
        line.push_str(",\"conflated\":true");
    }
    for (member, data) in [("data", &change.data), ("old", &change.old)] {
        if let Some(data) = data {
            write!(line, ",\"{member}\":{}", data.as_str()).ok();
        }
    }
    line.push('}');
    push_token(&mut line, token);
    line
}

/// Adds a member to an object that is already written.
fn push_token(object: &mut String, token: Option<&ResumeToken>) {
    if let Some(token) = token {
        object.pop();
        object.push_str(",\"token\":");
        write_string(object, token.as_str());
        object.push('}');
    }
}

fn cause_name(cause: Cause) -> &'static str {
    match cause {
        Cause::Filter => "filter",
        Cause::Rules => "rules",
        Cause::Window => "window",
    }
}

fn name(reason: ResetReason) -> &'static str {
    match reason {
        ResetReason::Retention => "retention",
        ResetReason::Epoch => "epoch",
        ResetReason::Rules => "rules",
    }
}

#[cfg(test)]
mod tests {
    use wellspring_types::{Data, Timestamp};

    use super::*;

    fn commit() -> ChangeEvent {
        let change = |op, path: &str, data: Option<&str>| Change {
            op,
            cause: data.is_none().then_some(Cause::Filter),
            path: path.parse().unwrap(),
            version: Sequence(7),
            data: data.map(|text| Data::parse(text.as_bytes()).unwrap()),
            old: data.is_none().then(|| Data::parse(b"{\"n\":0}").unwrap()),
            patch: None,
        };
        ChangeEvent::Commit(Commit {
            seq: Sequence(7),
            time: Timestamp::from_millis(0),
            actor: None,
            mutation_id: Some("m".parse().unwrap()),
            changes: vec![
                change(Op::Update, "rooms/\"1\"", Some("{\"n\":1.50}")),
                change(Op::Delete, "rooms/2", None),
            ],
            conflated: false,
            token: Some(ResumeToken::new("t7")),
        })
    }

    #[test]
    fn json_lines_are_exact_and_the_last_of_a_commit_has_its_token() {
        assert_eq!(
            lines(&commit(), Style::Json),
            [
                r#"{"op":"update","path":"rooms/\"1\"","version":7,"seq":7,"time":"1970-01-01T00:00:00.000Z","mutation_id":"m","data":{"n":1.50}}"#,
                r#"{"op":"delete","cause":"filter","path":"rooms/2","version":7,"seq":7,"time":"1970-01-01T00:00:00.000Z","mutation_id":"m","old":{"n":0},"token":"t7"}"#,
            ]
        );
    }

    #[test]
    fn readable_lines_say_what_happened_and_why() {
        let plain = |line: &String| anstream::adapter::strip_str(line).to_string();
        let shown: Vec<_> = lines(&commit(), Style::Readable)
            .iter()
            .map(plain)
            .collect();
        assert_eq!(
            shown,
            [
                r#"~      7 1970-01-01T00:00:00.000Z rooms/"1" {"n":1.50}"#,
                r#"-      7 1970-01-01T00:00:00.000Z rooms/2 (filter) was {"n":0}"#,
            ]
        );
    }
}
