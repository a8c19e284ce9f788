//! Numbers as exact decimals.

use std::hash::{BuildHasher, RandomState};

use bigdecimal::BigDecimal;
use proptest::prelude::*;
use wellspring_types::limits::NUMBER_BYTES_MAX;
use wellspring_types::{Filter, Number, NumberError};

use crate::arbitrary::{number, number_text, respelled_number};

fn n(text: &str) -> Number {
    text.parse()
        .unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[track_caller]
fn check_sum(a: &str, b: &str, sum: &str) {
    assert_eq!(n(a).add(&n(b)).unwrap().as_str(), sum);
    assert_eq!(n(b).add(&n(a)).unwrap().as_str(), sum);
}

#[test]
fn spellings_of_one_value_are_equal_and_hash_alike() {
    let state = RandomState::new();
    for equal in [
        &["1", "1.0", "1e0", "10e-1", "0.1E+1", "1.000e-000"][..],
        &["0", "-0", "0.00", "0e99999999999999999999", "-0.0e-5"],
        &["-120", "-1.2e2", "-120.0", "-0.00012e6"],
        &["1e308", "10e307", "0.1e309"],
    ] {
        for other in equal {
            assert_eq!(n(equal[0]), n(other));
            assert_eq!(
                state.hash_one(n(equal[0])),
                state.hash_one(n(other)),
                "{other}"
            );
        }
    }
    assert_ne!(n("9007199254740993"), n("9007199254740992"));
    assert_ne!(n("0.1"), n("0.10000000000000000000000000000000001"));
}

#[test]
fn order_is_numeric() {
    let sorted = [
        "-1e308",
        "-10",
        "-9.5",
        "-1",
        "-1e-300",
        "0",
        "4.9e-324",
        "0.09",
        "0.1",
        "0.11",
        "1",
        "1.5",
        "2",
        "10",
        "9007199254740992",
        "9007199254740993",
        "1e308",
    ];
    for pair in sorted.windows(2) {
        assert!(n(pair[0]) < n(pair[1]), "{pair:?}");
        assert!(n(pair[1]) > n(pair[0]), "{pair:?}");
    }
}

#[test]
fn sums_are_exact() {
    check_sum("1", "1", "2");
    check_sum("0.1", "0.2", "0.3");
    check_sum("1.10", "0.90", "2");
    check_sum("9007199254740993", "1", "9007199254740994");
    check_sum("99999999999999999999999999999", "1", "1e29");
    check_sum("-5", "5", "0");
    check_sum("-0", "0", "0");
    check_sum("1e5", "1", "100001");
    check_sum("1e307", "1e307", "2e307");
    check_sum("-1.5e-9", "0", "-1.5e-9");
    check_sum("0e99999999999999999999", "7", "7");
}

#[test]
fn a_sum_that_is_too_long_or_out_of_range_is_an_error() {
    assert!(matches!(
        n("1e308").add(&n("1e-308")),
        Err(NumberError::TooLong { .. })
    ));
    assert!(matches!(
        n("1e308").add(&n("9e307")),
        Err(NumberError::OutOfRange { .. })
    ));
    let (long, nearly) = (format!("1.{}1e-300", "0".repeat(100)), "-1e-300");
    assert!(matches!(
        n(&long).add(&n(nearly)),
        Err(NumberError::OutOfRange { .. })
    ));
}

#[test]
fn integers_are_read_however_they_are_written() {
    for (text, integer) in [
        ("0", Some(0)),
        ("-0.0", Some(0)),
        ("5.0", Some(5)),
        ("1e3", Some(1000)),
        ("120e-1", Some(12)),
        ("18446744073709551615", Some(u64::MAX)),
        ("18446744073709551616", None),
        ("1e20", None),
        ("1e308", None),
        ("-1", None),
        ("0.5", None),
        ("1.5e0", None),
        ("1e-3", None),
    ] {
        assert_eq!(n(text).as_u64(), integer, "{text}");
    }
    assert_eq!(Number::from(u64::MAX).as_str(), "18446744073709551615");
    assert_eq!(Number::from(i64::MIN).as_str(), "-9223372036854775808");
}

#[test]
fn doubles_become_their_shortest_text() {
    let text = |value: f64| Number::try_from(value).map(|number| number.to_string());
    assert_eq!(text(3.0).as_deref(), Ok("3"));
    assert_eq!(text(0.1).as_deref(), Ok("0.1"));
    assert_eq!(text(-0.0).as_deref(), Ok("-0"));
    assert_eq!(text(1e300).as_deref(), Ok("1e300"));
    assert_eq!(text(5e-324).as_deref(), Ok("5e-324"));
    assert!(text(f64::NAN).is_err() && text(f64::INFINITY).is_err());
    assert_eq!(n("1e-1").to_f64().to_bits(), 0.1_f64.to_bits());
}

#[test]
fn what_is_not_a_json_number_is_refused() {
    for text in [
        "", "-", "01", "1.", "1e", " 1", "1 ", "+1", "NaN", "inf", "0x10", "1_000",
    ] {
        assert!(
            matches!(Number::try_from(text), Err(NumberError::Syntax { .. })),
            "{text}"
        );
    }
}

/// An operator's operand in a filter's canonical form, which numbers have one text in.
fn canonical(number: &Number) -> String {
    let filter = Filter::parse(&format!("{{\"a\":{number}}}")).unwrap();
    let text = filter.canonical();
    text.strip_prefix("{\"a\":{\"eq\":")
        .and_then(|text| text.strip_suffix("}}"))
        .unwrap()
        .to_owned()
}

#[test]
fn the_canonical_text_is_plain_where_that_is_short() {
    for (text, expected) in [
        ("1.0", "1"),
        ("-0", "0"),
        ("1e3", "1000"),
        ("12.50", "12.5"),
        ("1e-3", "0.001"),
        ("1e20", "100000000000000000000"),
        ("1e21", "1e21"),
        ("1.25E+40", "1.25e40"),
        ("0.00000001", "1e-8"),
        ("-1.0e-8", "-1e-8"),
    ] {
        assert_eq!(canonical(&n(text)), expected);
    }
}

proptest! {
    #[test]
    fn order_and_sums_agree_with_bigdecimal(a in number(), b in number()) {
        // A zero's exponent can be beyond what the other library takes.
        let big = |number: &Number| match number.to_f64() {
            0.0 => BigDecimal::default(),
            _ => number.as_str().parse::<BigDecimal>().unwrap(),
        };
        prop_assert_eq!(a.cmp(&b), big(&a).cmp(&big(&b)));
        prop_assert_eq!(a == b, big(&a) == big(&b));
        if let Ok(sum) = a.add(&b) {
            prop_assert_eq!(big(&sum), big(&a) + big(&b));
            prop_assert_eq!(canonical(&sum), sum.as_str(), "a sum is in canonical form");
        }
    }

    #[test]
    fn equal_numbers_share_one_canonical_text_that_is_a_number(number in number()) {
        let text = canonical(&number);
        prop_assert!(text.len() <= NUMBER_BYTES_MAX);
        prop_assert_eq!(&n(&text), &number);
        prop_assert_eq!(canonical(&respelled_number(&number)), text);
    }

    #[test]
    fn a_number_is_in_range_if_a_double_comes_near(text in number_text()) {
        let double: f64 = text.parse().unwrap();
        let digits = text.split(['e', 'E']).next().unwrap().trim_matches(['-', '0', '.']);
        let near = double.is_finite() && (double != 0.0 || digits.is_empty());
        match text.parse::<Number>() {
            Ok(number) => prop_assert!(near && number.as_str() == text),
            Err(NumberError::TooLong { bytes }) => prop_assert!(bytes > NUMBER_BYTES_MAX),
            Err(NumberError::OutOfRange { .. }) => prop_assert!(!near),
            Err(error) => prop_assert!(false, "{}", error),
        }
    }
}
