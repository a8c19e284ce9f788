//! `wellspring-check FILE…`: holds recorded histories against what the database promises.

use std::io::{self, Write};
use std::process::ExitCode;

use serde_json::json;
use wellspring_testkit::history::{History, Report, Rule, check};

const HELP: &str = "\
Holds a recorded history against what the database promises.

Usage: wellspring-check [--json] FILE...

All files together are one history, in the JSON lines that docs/testing.md describes.

Options:
      --json   one JSON object instead of text
      --rules  list the rules
  -h, --help   this

Exit status: 0 every promise was kept; 1 some were not; 2 the files cannot be judged.
";

/// Verdicts shown as text; --json has all.
const SHOWN_MAX: usize = 100;

fn main() -> ExitCode {
    let mut files = Vec::new();
    let mut as_json = false;
    let mut options = true;
    for argument in std::env::args_os().skip(1) {
        match argument.to_str() {
            Some("--") if options => options = false,
            Some("-h" | "--help") if options => return print(HELP),
            Some("--rules") if options => return print(&rules()),
            Some("--json") if options => as_json = true,
            Some(text) if options && text.starts_with('-') => {
                return unusable(&format!("no such option: {text}; see --help"));
            }
            _ => files.push(argument),
        }
    }
    if files.is_empty() {
        return unusable("no FILE; see --help");
    }
    let judged = History::read(&files).and_then(|history| Ok((check(&history)?, history)));
    let (report, history) = match judged {
        Ok(judged) => judged,
        Err(error) => return unusable(&error.to_string()),
    };
    let text = if as_json {
        to_json(&history, &report)
    } else {
        to_text(&history, &report)
    };
    if print(&text) != ExitCode::SUCCESS {
        return ExitCode::from(2);
    }
    ExitCode::from(u8::from(!report.is_clean()))
}

fn print(text: &str) -> ExitCode {
    match io::stdout().lock().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => unusable(&format!("standard output: {error}")),
    }
}

fn unusable(message: &str) -> ExitCode {
    // Should standard error be gone too, the status is left.
    writeln!(io::stderr(), "wellspring-check: {message}").ok();
    ExitCode::from(2)
}

fn rules() -> String {
    let lines = Rule::ALL
        .iter()
        .map(|rule| format!("{rule}  {}\n", rule.promise()));
    lines.collect()
}

fn to_text(history: &History, report: &Report) -> String {
    let mut lines = Vec::new();
    for verdict in report.verdicts.iter().take(SHOWN_MAX) {
        let places = verdict.records.iter().map(|place| history.locate(*place));
        let places = places.collect::<Vec<_>>().join(", ");
        lines.push(format!("{}: {} ({places})", verdict.rule, verdict.sentence));
    }
    let more = report.verdicts.len().saturating_sub(SHOWN_MAX);
    if more > 0 {
        lines.push(format!("and {more} more; --json has all"));
    }
    let s = &report.summary;
    lines.push(format!(
        "{} records: {} commits acknowledged, {} refused, {} unknown, {} in the log; {} changes on {} \
         subscriptions in {} sessions, {} of what several commits come to; {} acknowledged to consumers, \
         {} changes sent to them again; {} snapshots and queries, {} reads, {} faults",
        s.records,
        s.acknowledged,
        s.refused,
        s.unknown,
        s.commits,
        s.changes,
        s.subscriptions,
        s.sessions,
        s.conflated,
        s.acks,
        s.repeats,
        s.snapshots,
        s.reads,
        s.faults
    ));
    lines.push(match report.verdicts.len() {
        0 => "every promise was kept".to_owned(),
        broken => format!("{broken} violations"),
    });
    lines.join("\n") + "\n"
}

fn to_json(history: &History, report: &Report) -> String {
    let verdicts = report.verdicts.iter().map(|verdict| {
        let places = verdict.records.iter().map(|place| history.locate(*place));
        json!({
            "rule": verdict.rule,
            "promise": verdict.rule.promise(),
            "records": places.collect::<Vec<_>>(),
            "sentence": verdict.sentence,
        })
    });
    let verdicts: Vec<_> = verdicts.collect();
    let report = json!({
        "clean": report.is_clean(),
        "verdicts": verdicts,
        "summary": report.summary,
    });
    report.to_string() + "\n"
}
