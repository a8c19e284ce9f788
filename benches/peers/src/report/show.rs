//! Figures as people read them.

use super::seen::Spread;

/// With as many digits as tell something, and commas between thousands.
pub(super) fn figure(value: f64) -> String {
    if !value.is_finite() {
        return "–".to_owned();
    }
    match value.abs() {
        size if size < 10.0 => format!("{value:.2}"),
        size if size < 100.0 => format!("{value:.1}"),
        _ => thousands(&format!("{value:.0}")),
    }
}

fn thousands(digits: &str) -> String {
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        let left = digits.len() - index;
        if index > 0 && left.is_multiple_of(3) && !text.ends_with('-') {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The median, and behind it the least and the greatest.
pub(super) fn spread(spread: Option<Spread>) -> String {
    match spread {
        None => "–".to_owned(),
        Some(Spread { min, median, max }) if figure(min) == figure(max) => figure(median),
        Some(Spread { min, median, max }) => {
            format!("{} ({}–{})", figure(median), figure(min), figure(max))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_commas_and_few_digits() {
        let shown = [0.854, 9.0, 12.34, 999.6, 12_345.6, 1_234_567.0].map(figure);
        assert_eq!(
            shown,
            ["0.85", "9.00", "12.3", "1,000", "12,346", "1,234,567"]
        );
        assert_eq!(figure(f64::NAN), "–");
    }
}
