//! The parser: one grammar, for whatever [`Form`] the text is wanted in.

use std::borrow::Cow;

use super::form::{Form, Minifying, Tree};
use super::write::first_to_escape;
use super::{JsonError, Minified, Number, Value, clip, number};
use crate::limits::{DEPTH_MAX, MESSAGE_DEPTH_MAX};

/// Parses a document's JSON: one value, of at most [`DEPTH_MAX`] levels.
///
/// # Errors
/// If it is not strictly JSON; see [`crate::json`].
pub fn parse(text: &[u8]) -> Result<Value, JsonError> {
    parse_levels(text, DEPTH_MAX, &mut Tree::default())
}

/// Parses a message, which has a few levels around the documents in it: at most
/// [`MESSAGE_DEPTH_MAX`].
///
/// # Errors
/// If it is not strictly JSON; see [`crate::json`].
pub fn parse_message(text: &[u8]) -> Result<Value, JsonError> {
    parse_levels(text, MESSAGE_DEPTH_MAX, &mut Tree::default())
}

/// Parses a message whose documents are kept as text: each object that is `member` of an object in
/// the message's `list`, such as `data` in `writes`. In the tree each of them is an empty object; the texts
/// are in the order of the message.
///
/// # Errors
/// As [`parse_message`].
pub fn parse_lifting(
    text: &[u8],
    list: &'static str,
    member: &'static str,
) -> Result<(Value, Vec<Minified>), JsonError> {
    let mut tree = Tree::lifting(list, member);
    let value = parse_levels(text, MESSAGE_DEPTH_MAX, &mut tree)?;
    Ok((value, tree.into_lifted()))
}

/// Minifies an object of at most [`DEPTH_MAX`] levels, as strictly as [`parse`] would read it.
///
/// # Errors
/// If it is not strictly JSON, or another value than an object.
pub(crate) fn minify(text: &[u8]) -> Result<Minified, JsonError> {
    let mut minifying = Minifying::default();
    parse_levels(text, DEPTH_MAX, &mut minifying)?;
    minifying.into_object().ok_or(JsonError::NotAnObject)
}

fn parse_levels<'a, F: Form<'a>>(
    text: &'a [u8],
    levels: usize,
    form: &mut F,
) -> Result<F::Value, JsonError> {
    let text = std::str::from_utf8(text).map_err(|error| JsonError::NotUtf8 {
        offset: error.valid_up_to(),
    })?;
    let mut parser = Parser { text, offset: 0 };
    let value = parser.value(form, levels)?;
    parser.skip_white_space();
    if parser.offset < text.len() {
        return Err(parser.expected("the end of the text"));
    }
    Ok(value)
}

/// Reads forwards only, and recurses once a level, of which the caller sets the number.
pub(super) struct Parser<'a> {
    text: &'a str,
    offset: usize,
}

impl<'a> Parser<'a> {
    pub(super) fn value<F: Form<'a>>(
        &mut self,
        form: &mut F,
        levels: usize,
    ) -> Result<F::Value, JsonError> {
        self.skip_white_space();
        match self.peek() {
            Some(b'{') => self.object(form, levels),
            Some(b'[') => self.array(form, levels),
            Some(b'"') => {
                let text = self.string()?;
                Ok(form.string(text))
            }
            Some(b'-' | b'0'..=b'9') => {
                let text = self.number()?;
                Ok(form.number(text))
            }
            Some(b't') => self.word(form, "true", Value::Bool(true)),
            Some(b'f') => self.word(form, "false", Value::Bool(false)),
            Some(b'n') => self.word(form, "null", Value::Null),
            _ => Err(self.expected("a value")),
        }
    }

    fn object<F: Form<'a>>(&mut self, form: &mut F, levels: usize) -> Result<F::Value, JsonError> {
        let below = levels.checked_sub(1).ok_or(JsonError::TooDeep)?;
        self.offset += 1;
        let mut object = form.open_object();
        self.skip_white_space();
        if self.take(b'}') {
            return Ok(form.close_object(object));
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
            form.key(&key);
            let value = form.member(self, &key, below)?;
            if let Err(key) = form.add_member(&mut object, key, value) {
                return Err(JsonError::DuplicateKey { key: clip(&key) });
            }
            self.skip_white_space();
            if self.take(b'}') {
                return Ok(form.close_object(object));
            }
            if !self.take(b',') {
                return Err(self.expected("a comma or }"));
            }
        }
    }

    fn array<F: Form<'a>>(&mut self, form: &mut F, levels: usize) -> Result<F::Value, JsonError> {
        let below = levels.checked_sub(1).ok_or(JsonError::TooDeep)?;
        self.offset += 1;
        let mut array = form.open_array();
        self.skip_white_space();
        if self.take(b']') {
            return Ok(form.close_array(array));
        }
        loop {
            form.element();
            let element = self.value(form, below)?;
            form.add_element(&mut array, element);
            self.skip_white_space();
            if self.take(b']') {
                return Ok(form.close_array(array));
            }
            if !self.take(b',') {
                return Err(self.expected("a comma or ]"));
            }
        }
    }

    /// Whether an object comes next.
    pub(super) fn is_at_object(&mut self) -> bool {
        self.skip_white_space();
        self.peek() == Some(b'{')
    }

    /// How many bytes are left.
    pub(super) fn left(&self) -> usize {
        self.text.len() - self.offset
    }

    fn number(&mut self) -> Result<&'a str, JsonError> {
        let start = self.offset;
        match number::scan(&self.text.as_bytes()[start..]) {
            Ok(bytes) => self.offset = start + bytes,
            Err(bytes) => {
                self.offset = start + bytes;
                return Err(self.expected("a digit"));
            }
        }
        let text = &self.text[start..self.offset];
        Number::check_scanned(text)?;
        Ok(text)
    }

    fn word<F: Form<'a>>(
        &mut self,
        form: &mut F,
        word: &'static str,
        value: Value,
    ) -> Result<F::Value, JsonError> {
        if !self.text[self.offset..].starts_with(word) {
            return Err(self.expected("true, false or null"));
        }
        self.offset += word.len();
        Ok(form.word(word, value))
    }

    /// A string, unescaped; borrowed where it has nothing to unescape.
    fn string(&mut self) -> Result<Cow<'a, str>, JsonError> {
        self.offset += 1;
        let run = self.run();
        if self.take(b'"') {
            return Ok(Cow::Borrowed(run));
        }
        let mut unescaped = String::from(run);
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.offset += 1;
                    return Ok(Cow::Owned(unescaped));
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
        self.offset = start + first_to_escape(rest).unwrap_or(rest.len());
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
