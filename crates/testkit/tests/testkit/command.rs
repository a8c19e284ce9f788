//! `wellspring-check`, as scripts see it.

use std::path::Path;
use std::process::{Command, Output};

use wellspring_testkit::history::Rule;

fn run(arguments: &[&str]) -> Output {
    let histories = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/histories");
    let mut command = Command::new(env!("CARGO_BIN_EXE_wellspring-check"));
    command
        .current_dir(histories)
        .args(arguments)
        .output()
        .unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn a_clean_history_is_status_0() {
    let output = run(&["clean/everything_at_once.jsonl"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(
        out(&output).ends_with("every promise was kept\n"),
        "{output:?}"
    );
}

#[test]
fn a_violation_is_status_1_and_names_rule_and_lines() {
    let output = run(&["broken/change_missing.jsonl"]);
    assert_eq!(output.status.code(), Some(1));
    let text = out(&output);
    assert!(
        text.starts_with("S3: s1 was sent everything up to 4"),
        "{text}"
    );
    assert!(text.contains("broken/change_missing.jsonl:16"), "{text}");
}

#[test]
fn json_has_the_verdicts_as_data() {
    let output = run(&["--json", "broken/change_missing.jsonl"]);
    assert_eq!(output.status.code(), Some(1));
    let report: serde_json::Value = serde_json::from_str(&out(&output)).unwrap();
    assert_eq!(report["clean"], false);
    assert_eq!(report["verdicts"][0]["rule"], "S3");
    assert_eq!(report["summary"]["commits"], 7);
}

#[test]
fn what_is_not_a_history_is_status_2() {
    for arguments in [
        &["main.rs"][..],
        &[],
        &["--no-such-option"],
        &["--", "--json"],
    ] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(
            output.stderr.starts_with(b"wellspring-check: "),
            "{output:?}"
        );
    }
}

#[test]
fn help_says_what_the_statuses_mean() {
    let output = run(&["--help"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(out(&output).contains("Exit status: 0 every promise was kept"));
    assert_eq!(out(&run(&["--rules"])).lines().count(), Rule::ALL.len());
}
