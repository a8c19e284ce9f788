//! Histories written by hand: `histories/broken` says in each file's first line which rules must
//! find it, and no other may; `histories/clean` must not be flagged.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use wellspring_testkit::history::{History, Report, Rule, check};

fn histories(kind: &str) -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/histories")
        .join(kind);
    let entries = fs::read_dir(directory).unwrap();
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn report(file: &Path) -> Report {
    let history = History::read(&[file]).unwrap_or_else(|error| panic!("{error}"));
    check(&history).unwrap_or_else(|error| panic!("{error}"))
}

/// The rules in a first line like `# S2,S4: a resume goes on one commit before its token`.
fn expected(file: &Path) -> BTreeSet<String> {
    let text = fs::read_to_string(file).unwrap();
    let first = text.lines().next().unwrap();
    let (rules, _why) = first.strip_prefix("# ").unwrap().split_once(':').unwrap();
    rules.split(',').map(str::to_owned).collect()
}

#[test]
fn every_broken_history_is_flagged_by_exactly_its_rules() {
    let files = histories("broken");
    assert!(files.len() >= 92, "{} broken histories", files.len());
    for file in files {
        let report = report(&file);
        let found = report
            .verdicts
            .iter()
            .map(|verdict| verdict.rule.to_string());
        let found: BTreeSet<_> = found.collect();
        let what = format!("{}: {:#?}", file.display(), report.verdicts);
        assert_eq!(found, expected(&file), "{what}");
        let has_records = report.verdicts.iter().all(|v| !v.records.is_empty());
        assert!(has_records, "{what}");
    }
}

#[test]
fn every_rule_has_a_broken_history() {
    let found = histories("broken")
        .into_iter()
        .flat_map(|file| expected(&file));
    let all = Rule::ALL.iter().map(Rule::to_string);
    assert_eq!(found.collect::<BTreeSet<_>>(), all.collect());
}

#[test]
fn no_clean_history_is_flagged() {
    let files = histories("clean");
    assert!(files.len() >= 26, "{} clean histories", files.len());
    for file in files {
        let report = report(&file);
        assert!(
            report.is_clean(),
            "{}: {:#?}",
            file.display(),
            report.verdicts
        );
        assert!(report.summary.commits > 0 && report.summary.changes > 0);
    }
}
