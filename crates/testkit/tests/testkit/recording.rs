//! The recorder.

use wellspring_testkit::history::recorder::{Recorder, now};
use wellspring_testkit::history::{History, check};
use wellspring_types::write::{CommitRequest, Write};
use wellspring_types::{Data, Sequence};

fn request() -> CommitRequest {
    let data = Data::parse(br#"{"n":1}"#).unwrap();
    CommitRequest::of(vec![Write::set("rooms/1".parse().unwrap(), data)])
}

#[test]
fn a_commit_whose_outcome_nobody_learnt_is_recorded_as_unknown() {
    let recorder = Recorder::in_memory(1 << 20);
    drop(recorder.write("w", "a", &request()));
    let text = String::from_utf8(recorder.finish().unwrap()).unwrap();
    assert!(
        text.contains(r#""outcome":"unknown""#) && !text.contains("seq"),
        "{text}"
    );
}

#[test]
fn what_does_not_fit_is_an_error_and_not_a_shorter_history() {
    let recorder = Recorder::in_memory(10);
    recorder
        .write("w", "a", &request())
        .acknowledged(Sequence(1));
    assert!(recorder.finish().is_err());
}

#[test]
fn threads_share_a_file_and_a_clock() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("history.jsonl");
    let recorder = Recorder::create(&file).unwrap();
    let before = now();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let recorder = recorder.clone();
            scope.spawn(move || {
                for number in 0..100 {
                    let op_id = format!("{thread}-{number}");
                    recorder.write("w", &op_id, &request()).refused();
                }
            });
        }
    });
    assert!(now() >= before);
    let dump = serde_json::from_str(r#"{"DUMP":{"oldest":1,"head":0}}"#).unwrap();
    recorder.record(&dump);
    recorder.finish().unwrap();
    let report = check(&History::read(&[file]).unwrap()).unwrap();
    assert!(report.is_clean(), "{:?}", report.verdicts);
    assert_eq!(report.summary.refused, 400);
}
