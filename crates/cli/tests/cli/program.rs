//! The program itself: serving, the demo, help.

use std::io::{BufRead, BufReader};

use crate::support::{Server, said, signal, spawn, wellspring};

#[test]
fn without_a_server_the_error_says_how_to_start_one() {
    let child = spawn(wellspring().args(["--server", "http://127.0.0.1:1", "get", "rooms/1"]));
    let said = said(child, "");
    assert_eq!(said.status, 5);
    assert!(
        said.stderr
            .contains("Start one with `wellspring serve --dev`"),
        "{}",
        said.stderr
    );
}

#[test]
fn serve_without_dev_mode_says_what_to_pass_and_is_exit_status_2() {
    let directory = tempfile::tempdir().unwrap();
    let child = spawn(wellspring().current_dir(directory.path()).arg("serve"));
    let said = said(child, "");
    assert_eq!(said.status, 2);
    assert!(said.stderr.contains("pass --dev"), "{}", said.stderr);
}

#[test]
fn a_server_that_is_asked_to_stop_keeps_its_documents() {
    let server = Server::start();
    server.run(["put", "rooms/1", r#"{"a":1}"#]);
    let (status, server) = server.restart();
    assert_eq!(status, Some(0));
    assert_eq!(server.run(["get", "rooms/1"]).stdout, "{\"a\":1}\n");
}

#[test]
fn the_demo_shows_changes_and_ends_when_its_time_is_up() {
    let child = spawn(wellspring().args(["demo", "--seconds", "2", "--listen", "127.0.0.1:0"]));
    let said = said(child, "");
    assert_eq!(said.status, 0, "{}", said.stderr);
    assert!(
        said.stdout.contains("grpcurl -plaintext"),
        "{}",
        said.stdout
    );
    assert!(
        said.stdout
            .lines()
            .any(|line| line.starts_with("~      2 ")),
        "{}",
        said.stdout
    );
}

#[test]
fn there_are_completions_for_each_shell() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let said = said(spawn(wellspring().args(["completions", shell])), "");
        assert_eq!(said.status, 0);
        assert!(said.stdout.contains("wellspring"), "{shell}");
    }
}

#[test]
fn help_documents_the_exit_statuses() {
    let said = said(spawn(wellspring().arg("--help")), "");
    assert!(said.stdout.contains("Exit status:"), "{}", said.stdout);
    let version = crate::support::said(spawn(wellspring().arg("version")), "");
    assert_eq!(
        version.stdout,
        concat!("wellspring ", env!("CARGO_PKG_VERSION"), "\n")
    );
}

#[test]
fn the_demo_ends_well_when_interrupted_and_keeps_the_data_it_was_told_to() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let data = data.to_str().unwrap();
    let mut child = spawn(wellspring().args(["demo", "--listen", "127.0.0.1:0", "--data", data]));
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().starts_with("~      2 ")));
    signal(&child, "INT");
    let ended = said(child, "");
    assert_eq!((ended.status, ended.stderr.as_str()), (0, ""));
    assert!(directory.path().join("data/META").exists());
}

#[test]
fn a_port_that_is_taken_names_its_setting() {
    let server = Server::start();
    let directory = tempfile::tempdir().unwrap();
    let taken = server.url.trim_start_matches("http://");
    let child = spawn(
        wellspring()
            .current_dir(directory.path())
            .args(["serve", "--dev", "--listen", taken]),
    );
    let ended = said(child, "");
    assert_eq!(ended.status, 1);
    assert!(ended.stderr.contains("setting listen"), "{}", ended.stderr);
}
