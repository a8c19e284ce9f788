//! Generated histories: correct ones are not flagged, and with one thing put wrong they are.

use proptest::prelude::*;
use proptest::sample::select;
use wellspring_testkit::history::record::Record;
use wellspring_testkit::history::{History, Report, check};
use wellspring_testkit::random::Random;

use crate::generate::{Shape, history};
use crate::mutate::{ALL, mutate};

fn report(records: &[Record]) -> Report {
    let lines = records
        .iter()
        .map(|record| serde_json::to_string(record).unwrap());
    let text = lines.collect::<Vec<_>>().join("\n");
    let history = History::parse("generated", text.as_bytes());
    check(&history.unwrap_or_else(|error| panic!("{error}\n{text}"))).unwrap()
}

fn shapes() -> impl Strategy<Value = Shape> {
    (any::<u64>(), 0..150_u64, 1..6_u64, 1..5_u64).prop_map(
        |(seed, steps, documents, subscriptions)| Shape {
            seed,
            steps,
            documents,
            subscriptions,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_correct_history_is_not_flagged(shape in shapes()) {
        let report = report(&history(shape));
        prop_assert!(report.is_clean(), "{:#?}", report.verdicts);
    }

    #[test]
    fn a_history_with_one_thing_put_wrong_is_flagged(shape in shapes(), mutation in select(&ALL[..])) {
        let records = history(shape);
        let mutated = mutate(&records, mutation, &mut Random::new(shape.seed));
        prop_assume!(mutated.is_some());
        let report = report(&mutated.unwrap());
        prop_assert!(!report.is_clean(), "{mutation:?} was not found");
    }
}

#[test]
fn each_thing_that_can_be_put_wrong_is_put_wrong() {
    for mutation in ALL {
        let mutated = (0..20).filter_map(|seed| {
            let records = history(Shape {
                seed,
                steps: 150,
                documents: 4,
                subscriptions: 3,
            });
            mutate(&records, mutation, &mut Random::new(seed))
        });
        let reports: Vec<_> = mutated.map(|records| report(&records)).collect();
        assert!(
            reports.len() >= 10,
            "{mutation:?} applies {} times",
            reports.len()
        );
        assert!(
            reports.iter().all(|report| !report.is_clean()),
            "{mutation:?}"
        );
    }
}
