//! Writing.

use super::{JsonError, Value};

const HEX: [u8; 16] = *b"0123456789abcdef";

/// Appends `text` as a JSON string with its quotes. Escaped is only what must be, in one way:
/// `\"`, `\\`, and the control characters below U+0020, as `\b \t \n \f \r` or `\u00xx` with small
/// hexadecimal digits (as in RFC 8785). So the result is no longer than any other spelling.
pub fn write_string(out: &mut String, text: &str) {
    out.push('"');
    let mut written = 0;
    for (index, byte) in text.bytes().enumerate() {
        if byte >= b' ' && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.push_str(&text[written..index]);
        written = index + 1;
        match byte {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            0x08 => out.push_str("\\b"),
            b'\t' => out.push_str("\\t"),
            b'\n' => out.push_str("\\n"),
            0x0c => out.push_str("\\f"),
            b'\r' => out.push_str("\\r"),
            _ => {
                out.push_str("\\u00");
                out.push(char::from(HEX[usize::from(byte >> 4)]));
                out.push(char::from(HEX[usize::from(byte & 0xf)]));
            }
        }
    }
    out.push_str(&text[written..]);
    out.push('"');
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
