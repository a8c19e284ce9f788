//! The parser.

use super::number;
use super::{JsonError, Number, Object, Value, clip};
use crate::limits::{DEPTH_MAX, MESSAGE_DEPTH_MAX};

/// Parses a document's JSON: one value, of at most [`DEPTH_MAX`] levels.
///
/// # Errors
/// If it is not strictly JSON; see [`crate::json`].
pub fn parse(text: &[u8]) -> Result<Value, JsonError> {
    parse_levels(text, DEPTH_MAX)
}

/// Parses a message, which has a few levels around the documents in it: at most
/// [`MESSAGE_DEPTH_MAX`].
///
/// # Errors
/// If it is not strictly JSON; see [`crate::json`].
pub fn parse_message(text: &[u8]) -> Result<Value, JsonError> {
    parse_levels(text, MESSAGE_DEPTH_MAX)
}

fn parse_levels(text: &[u8], levels: usize) -> Result<Value, JsonError> {
    let text = std::str::from_utf8(text).map_err(|error| JsonError::NotUtf8 {
        offset: error.valid_up_to(),
    })?;
    let mut parser = Parser { text, offset: 0 };
    let value = parser.value(levels)?;
    parser.skip_white_space();
    if parser.offset < text.len() {
        return Err(parser.expected("the end of the text"));
    }
    Ok(value)
}

/// Reads forwards only, and recurses once a level, of which the caller sets the number.
struct Parser<'a> {
    text: &'a str,
    offset: usize,
}

impl<'a> Parser<'a> {
    fn value(&mut self, levels: usize) -> Result<Value, JsonError> {
        self.skip_white_space();
        match self.peek() {
            Some(b'{') => self.object(levels).map(Value::Object),
            Some(b'[') => self.array(levels).map(Value::Array),
            Some(b'"') => self.string().map(Value::String),
            Some(b'-' | b'0'..=b'9') => self.number().map(Value::Number),
            Some(b't') => self.word("true", Value::Bool(true)),
            Some(b'f') => self.word("false", Value::Bool(false)),
            Some(b'n') => self.word("null", Value::Null),
            _ => Err(self.expected("a value")),
        }
    }

    fn object(&mut self, levels: usize) -> Result<Object, JsonError> {
        let below = levels.checked_sub(1).ok_or(JsonError::TooDeep)?;
        self.offset += 1;
        let mut object = Object::new();
        self.skip_white_space();
        if self.take(b'}') {
            return Ok(object);
        }
        loop {
            self.skip_white_space();
            if self.peek() != Some(b'"') {
                return Err(self.expected("a key in quotes"));
            }
            let key = self.string()?;
            self.skip_white_space();
            if !self.take(b':') {
                return Err(self.expected("a colon"));
            }
            let value = self.value(below)?;
            if let Err(key) = object.insert_new(key, value) {
                return Err(JsonError::DuplicateKey { key: clip(&key) });
            }
            self.skip_white_space();
            if self.take(b'}') {
                object.shrink_to_fit();
                return Ok(object);
            }
            if !self.take(b',') {
                return Err(self.expected("a comma or }"));
            }
        }
    }

    fn array(&mut self, levels: usize) -> Result<Vec<Value>, JsonError> {
        let below = levels.checked_sub(1).ok_or(JsonError::TooDeep)?;
        self.offset += 1;
        let mut elements = Vec::new();
        self.skip_white_space();
        if self.take(b']') {
            return Ok(elements);
        }
        loop {
            elements.push(self.value(below)?);
            self.skip_white_space();
            if self.take(b']') {
                // Room for more would be most of the memory of many small arrays.
                elements.shrink_to_fit();
                return Ok(elements);
            }
            if !self.take(b',') {
                return Err(self.expected("a comma or ]"));
            }
        }
    }

    fn number(&mut self) -> Result<Number, JsonError> {
        let start = self.offset;
        match number::scan(&self.text.as_bytes()[start..]) {
            Ok(bytes) => self.offset = start + bytes,
            Err(bytes) => {
                self.offset = start + bytes;
                return Err(self.expected("a digit"));
            }
        }
        Ok(Number::from_scanned(&self.text[start..self.offset])?)
    }

    fn word(&mut self, word: &'static str, value: Value) -> Result<Value, JsonError> {
        if !self.text[self.offset..].starts_with(word) {
            return Err(self.expected("true, false or null"));
        }
        self.offset += word.len();
        Ok(value)
    }

    fn string(&mut self) -> Result<Box<str>, JsonError> {
        self.offset += 1;
        let run = self.run();
        if self.take(b'"') {
            return Ok(run.into());
        }
        let mut unescaped = String::from(run);
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.offset += 1;
                    return Ok(unescaped.into());
                }
                Some(b'\\') => unescaped.push(self.escape()?),
                Some(_) => return Err(self.expected("a control character to be escaped")),
                None => return Err(self.expected("the end of a string")),
            }
            unescaped.push_str(self.run());
        }
    }

    /// The characters up to the next that means something in a string.
    fn run(&mut self) -> &'a str {
        let start = self.offset;
        let rest = &self.text.as_bytes()[start..];
        let bytes = rest
            .iter()
            .position(|&byte| byte < b' ' || byte == b'"' || byte == b'\\');
        self.offset = start + bytes.unwrap_or(rest.len());
        &self.text[start..self.offset]
    }

    fn escape(&mut self) -> Result<char, JsonError> {
        let start = self.offset;
        self.offset += 1;
        let escaped = match self.peek() {
            Some(byte @ (b'"' | b'\\' | b'/')) => char::from(byte),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                self.offset += 1;
                return self.unicode_escape(start);
            }
            _ => return Err(self.expected("one of \"\\/bfnrtu")),
        };
        self.offset += 1;
        Ok(escaped)
    }

    /// The character of `\uxxxx`, or of two of them that make a surrogate pair; the offset is
    /// behind the first `u`, `start` at its backslash.
    fn unicode_escape(&mut self, start: usize) -> Result<char, JsonError> {
        let first = self.hex4()?;
        if !(0xd800..=0xdfff).contains(&first) {
            return char::from_u32(first).ok_or(JsonError::LoneSurrogate { offset: start });
        }
        if !self.text[self.offset..].starts_with("\\u") {
            return Err(JsonError::LoneSurrogate { offset: start });
        }
        self.offset += 2;
        let second = self.hex4()?;
        if first >= 0xdc00 || !(0xdc00..=0xdfff).contains(&second) {
            return Err(JsonError::LoneSurrogate { offset: start });
        }
        let code = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
        char::from_u32(code).ok_or(JsonError::LoneSurrogate { offset: start })
    }

    fn hex4(&mut self) -> Result<u32, JsonError> {
        let mut code = 0;
        for _ in 0..4 {
            let digit = self.peek().and_then(|byte| char::from(byte).to_digit(16));
            let digit = digit.ok_or_else(|| self.expected("four hexadecimal digits"))?;
            code = code << 4 | digit;
            self.offset += 1;
        }
        Ok(code)
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.offset).copied()
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.offset += usize::from(found);
        found
    }

    fn skip_white_space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.offset += 1;
        }
    }

    fn expected(&self, expected: &'static str) -> JsonError {
        JsonError::Syntax {
            offset: self.offset,
            expected,
        }
    }
}
