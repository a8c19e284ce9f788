//! The `id` of a message that is refused before it is understood.

use wellspring_types::{Value, json};

/// The string `id` of the object that `text` is, as far as it can be told: also where the rest is
/// nested too deeply, has a key twice, or is no JSON. The first one counts. Without it an error
/// could not be addressed, and the client would wait for an answer for ever.
pub(super) fn id(text: &[u8]) -> Option<String> {
    let mut depth = 0_usize;
    let mut offset = 0;
    // Of the outermost object: the last string, and whether a colon followed it.
    let mut key: Option<&[u8]> = None;
    let mut after_colon = false;
    while let Some(byte) = text.get(offset) {
        let mut next = offset + 1;
        match byte {
            b'"' => {
                next = end_of_string(text, offset)?;
                let string = &text[offset..next];
                if depth == 1 && after_colon {
                    if key.and_then(unescape).as_deref() == Some("id") {
                        return unescape(string);
                    }
                } else if depth == 1 {
                    key = Some(string);
                }
            }
            b':' if depth == 1 => after_colon = true,
            b',' if depth == 1 => (key, after_colon) = (None, false),
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.checked_sub(1)?,
            _ => {}
        }
        offset = next;
    }
    None
}

/// The offset after the closing quote of the string that begins at `start`.
fn end_of_string(text: &[u8], start: usize) -> Option<usize> {
    let mut offset = start + 1;
    loop {
        match text.get(offset)? {
            b'"' => return Some(offset + 1),
            b'\\' => offset += 2,
            _ => offset += 1,
        }
    }
}

fn unescape(string: &[u8]) -> Option<String> {
    match json::parse_message(string).ok()? {
        Value::String(text) => Some(text.into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::id;

    #[test]
    fn the_id_is_found_in_what_is_refused() {
        let found = |text: &str| id(text.as_bytes());
        assert_eq!(
            found(r#"{"type":"commit","id":"c1","x":{"a":1,"a":2}}"#).as_deref(),
            Some("c1")
        );
        assert_eq!(
            found(r#"{"x":{"id":"no"},"y":["id","no"],"id":"c2"}"#).as_deref(),
            Some("c2")
        );
        assert_eq!(
            found(r#" { "i\u0064" : "c\"3" , "#).as_deref(),
            Some("c\"3")
        );
        assert_eq!(found(r#"{"name":"id","id":"c4"}"#).as_deref(), Some("c4"));
    }

    #[test]
    fn what_is_no_string_id_is_not_found() {
        for text in [
            r#"{"id":1}"#,
            r#"{"id":"#,
            r#"["id","x"]"#,
            r#""id""#,
            "",
            "}{",
            r#"{"id":"\"#,
        ] {
            assert_eq!(id(text.as_bytes()), None, "{text}");
        }
    }
}
