//! Writing.

use super::{JsonError, Value};

const HEX: [u8; 16] = *b"0123456789abcdef";

/// Appends `text` as a JSON string with its quotes. Escaped is only what must be, in one way:
/// `\"`, `\\`, and the control characters below U+0020, as `\b \t \n \f \r` or `\u00xx` with small
/// hexadecimal digits (as in RFC 8785). So the result is no longer than any other spelling.
pub fn write_string(out: &mut String, text: &str) {
    out.push('"');
    write_escaped(out, text);
    out.push('"');
}

/// Appends a part of a JSON string, as [`write_string`] does but without quotes.
pub fn write_escaped(out: &mut String, text: &str) {
    let mut rest = text;
    while let Some(index) = first_to_escape(rest.as_bytes()) {
        out.push_str(&rest[..index]);
        match rest.as_bytes()[index] {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            0x08 => out.push_str("\\b"),
            b'\t' => out.push_str("\\t"),
            b'\n' => out.push_str("\\n"),
            0x0c => out.push_str("\\f"),
            b'\r' => out.push_str("\\r"),
            byte => {
                out.push_str("\\u00");
                out.push(char::from(HEX[usize::from(byte >> 4)]));
                out.push(char::from(HEX[usize::from(byte & 0xf)]));
            }
        }
        rest = &rest[index + 1..];
    }
    out.push_str(rest);
}

/// Where the first byte is that must be escaped, eight at a time: nearly all strings have none.
pub(super) fn first_to_escape(bytes: &[u8]) -> Option<usize> {
    let must = |byte: &u8| *byte < b' ' || *byte == b'"' || *byte == b'\\';
    let (eights, _rest) = bytes.as_chunks::<8>();
    let clean = eights.iter().take_while(|eight| !any_to_escape(**eight));
    let from = 8 * clean.count();
    let found = bytes[from..].iter().position(must);
    found.map(|index| from + index)
}

/// Whether any of eight bytes must be escaped. From "Bit Twiddling Hacks" (Sean Eron Anderson),
/// "Determine if a word has a byte less than n".
fn any_to_escape(eight: [u8; 8]) -> bool {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let word = u64::from_le_bytes(eight);
    let any_less = |word: u64, than: u8| word.wrapping_sub(ONES * u64::from(than)) & !word & HIGH;
    let any_equal = |byte: u8| any_less(word ^ (ONES * u64::from(byte)), 1);
    any_less(word, b' ') | any_equal(b'"') | any_equal(b'\\') != 0
}

/// The one text that all equal values share: members sorted by the bytes of their keys, numbers in
/// their canonical form.
pub(crate) fn canonical_text(value: &Value) -> String {
    let mut text = String::new();
    write_canonical(&mut text, value);
    text
}

fn write_canonical(out: &mut String, value: &Value) {
    match value {
        Value::Number(number) => number.write_canonical(out),
        Value::Array(elements) => {
            out.push('[');
            for (index, element) in elements.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write_canonical(out, element);
            }
            out.push(']');
        }
        Value::Object(object) => {
            out.push('{');
            for (index, (key, value)) in object.sorted().into_iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write_string(out, key);
                out.push(':');
                write_canonical(out, value);
            }
            out.push('}');
        }
        Value::Null | Value::Bool(_) | Value::String(_) => value.write(out),
    }
}

/// Checks that what holds `children` has at most `levels` levels, itself included. Never goes
/// deeper than that itself.
pub(crate) fn check_depth<'a>(
    children: impl IntoIterator<Item = &'a Value>,
    levels: usize,
) -> Result<(), JsonError> {
    let Some(below) = levels.checked_sub(1) else {
        return Err(JsonError::TooDeep);
    };
    for child in children {
        match child {
            Value::Array(elements) => check_depth(elements, below)?,
            Value::Object(object) => check_depth(object.values(), below)?,
            _ => {}
        }
    }
    Ok(())
}
