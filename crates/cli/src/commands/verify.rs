//! `wellspring verify`

use std::path::PathBuf;
use std::{panic, thread};

use clap::Args;
use wellspring_engine::verify::{
    Finding, Kind, Report, Severity, StoreChecked, VerifyOptions, verify,
};
use wellspring_types::{Number, Object, Value};

use super::transfer::Transfer;
use crate::failure::Failure;
use crate::output::{Output, documents};

/// Check a data directory that no server has open, or a backup, every byte of it.
#[derive(Debug, Args)]
#[command(after_help = "\
Reads all of the log, its indexes and snapshots, META, and the store in a copy, and compares them
with each other. Tells everything that is wrong, where, what it means and what to do. Changes
nothing. What a crash leaves, such as an append that was cut short, is told and is no damage.

Examples:
  wellspring verify ./wellspring-data
  wellspring verify /mnt/backup/wellspring --json
To check the database of a server at work, check a backup of it:
  wellspring backup --data ./wellspring-data --to ./copy && wellspring verify ./copy

Exit status:
  0  all is good
  1  something is damaged
  2  something could not be checked: wrong usage, a server has the database open, or the file
     system failed")]
pub(crate) struct Verify {
    /// The data directory, or the directory of a backup.
    path: PathBuf,
    /// Where a copy of the store goes while it is read; it needs as much space. Without it, where
    /// temporary files go.
    #[arg(long, value_name = "DIR")]
    scratch: Option<PathBuf>,
    /// Print one JSON object on standard output instead of text.
    #[arg(long)]
    json: bool,
}

/// The thread in which a store is opened.
const STORE_THREAD: &str = "store";

/// Keeps panics of the store's own thread from standard error: sled panics on some damaged files, which
/// is caught, and told as a finding.
fn silence_the_store() {
    let tell = panic::take_hook();
    panic::set_hook(Box::new(move |panicked| {
        if thread::current().name() != Some(STORE_THREAD) {
            tell(panicked);
        }
    }));
}

impl Verify {
    pub(crate) fn run(self) -> Result<(), Failure> {
        silence_the_store();
        let scratch = match &self.scratch {
            Some(scratch) => tempfile::tempdir_in(scratch),
            None => tempfile::tempdir(),
        };
        let scratch = scratch.map_err(|source| Failure::Scratch { source })?;
        let options = VerifyOptions::new(scratch.path());
        let transfer = Transfer::new();
        let report = verify(&self.path, &options, &mut |progress| {
            transfer.tell(progress.done, progress.total);
        })?;
        let took = transfer.finish(report.bytes);
        let mut output = Output::new();
        if self.json {
            output.line(json(&report))?;
        } else {
            for finding in &report.findings {
                for line in lines(&report, finding) {
                    output.line(line)?;
                }
            }
            if report.omitted > 0 {
                output.line(format_args!("and {} more", report.omitted))?;
            }
            output.line(summary(&report, &took))?;
        }
        output.flush()?;
        let path = self.path;
        if report.is_damaged() {
            return Err(Failure::Damaged { path });
        }
        if report.is_incomplete() {
            return Err(Failure::Unchecked { path });
        }
        Ok(())
    }
}

fn severity(finding: &Finding) -> &'static str {
    match finding.severity() {
        Severity::Note => "note",
        Severity::Unreadable => "unreadable",
        Severity::Derived => "derived",
        Severity::Damage => "damage",
    }
}

/// A finding, for people.
fn lines(report: &Report, finding: &Finding) -> [String; 4] {
    let explanation = report.explain(finding);
    let at = finding.offset().map(|offset| format!(" at byte {offset}"));
    [
        format!(
            "{}: {}{}",
            severity(finding),
            finding.file().display(),
            at.unwrap_or_default()
        ),
        format!("  what:  {finding}"),
        format!("  means: {}", explanation.means),
        format!("  do:    {}", explanation.advice),
    ]
}

fn kind(report: &Report) -> &'static str {
    match report.kind {
        Kind::Database => "database",
        Kind::Backup => "backup",
    }
}

/// What was read, for people.
fn summary(report: &Report, took: &str) -> String {
    let store = match report.store {
        StoreChecked::Checked { documents: count } => {
            format!("a store of {}", documents(count))
        }
        StoreChecked::Skipped => "no store, as something else is wrong".to_owned(),
        StoreChecked::Unused => "no store".to_owned(),
    };
    format!(
        "{} {}: {}; read {} commits from {} to {}, {} snapshots of {}, {store}: {took}",
        kind(report),
        report.path.display(),
        result(report),
        report.commits,
        report.oldest,
        report.head,
        report.snapshots,
        documents(report.documents),
    )
}

fn result(report: &Report) -> &'static str {
    if report.is_damaged() {
        "damaged"
    } else if report.is_incomplete() {
        "not all of it could be checked"
    } else {
        "good"
    }
}

/// The report, for programs.
fn json(report: &Report) -> String {
    let text = |text: &str| Value::String(text.into());
    let number = |number: u64| Value::Number(Number::from(number));
    let findings = report.findings.iter().map(|finding| {
        let explanation = report.explain(finding);
        let members = [
            ("severity", Some(text(severity(finding)))),
            ("file", Some(text(&finding.file().to_string_lossy()))),
            ("offset", finding.offset().map(number)),
            ("what", Some(text(&finding.to_string()))),
            ("means", Some(text(&explanation.means))),
            ("do", Some(text(explanation.advice))),
        ];
        Value::Object(object(members))
    });
    let findings: Vec<Value> = findings.collect();
    let store = match report.store {
        StoreChecked::Checked { .. } => "checked",
        StoreChecked::Skipped => "skipped",
        StoreChecked::Unused => "unused",
    };
    let result = match (report.is_damaged(), report.is_incomplete()) {
        (true, _) => "damaged",
        (false, true) => "incomplete",
        (false, false) => "good",
    };
    let report = object([
        ("kind", Some(text(kind(report)))),
        ("path", Some(text(&report.path.to_string_lossy()))),
        ("result", Some(text(result))),
        ("oldest", Some(number(report.oldest.0))),
        ("head", Some(number(report.head.0))),
        ("commits", Some(number(report.commits))),
        ("snapshots", Some(number(report.snapshots))),
        ("documents", Some(number(report.documents))),
        ("store", Some(text(store))),
        ("bytes", Some(number(report.bytes))),
        ("findings", Some(Value::Array(findings))),
        ("omitted", Some(number(report.omitted))),
    ]);
    let mut line = String::new();
    report.write(&mut line);
    line
}

fn object<const N: usize>(members: [(&str, Option<Value>); N]) -> Object {
    let present = members.into_iter();
    let present = present.filter_map(|(name, value)| Some((Box::<str>::from(name), value?)));
    present.collect()
}
