//! A JSON array, element by element: only one of them is held at a time.

use std::io::{self, BufRead};

use super::error::ImportError;
use super::format::{ROW_BYTES_MAX, Row, parse_row};

pub(crate) struct Elements<R> {
    reader: R,
    /// Elements that have been begun.
    row: u64,
    element: Vec<u8>,
    state: State,
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    /// Before the `[`.
    Start,
    /// Before an element.
    Inside,
    /// After the `]`, or an error.
    Done,
}

/// What ended an element.
#[derive(Clone, Copy, PartialEq)]
enum Delimiter {
    Comma,
    Bracket,
}

impl<R: BufRead> Elements<R> {
    pub(crate) fn new(reader: R) -> Elements<R> {
        Elements {
            reader,
            row: 0,
            element: Vec::new(),
            state: State::Start,
        }
    }

    fn next_byte(&mut self) -> Result<Option<u8>, ImportError> {
        let row = self.row;
        let failed = |source: io::Error| ImportError::ReadRow { row, source };
        let byte = self.reader.fill_buf().map_err(failed)?.first().copied();
        if byte.is_some() {
            self.reader.consume(1);
        }
        Ok(byte)
    }

    /// Reads an element up to the comma or bracket that ends it. What is between is JSON only if
    /// the parser says so: here it is enough to know strings and brackets.
    fn read_element(&mut self) -> Result<Delimiter, ImportError> {
        self.row += 1;
        self.element.clear();
        let (mut depth, mut in_string, mut escaped) = (0_u32, false, false);
        while let Some(byte) = self.next_byte()? {
            if in_string {
                in_string = escaped || byte != b'"';
                escaped = !escaped && byte == b'\\';
            } else {
                match byte {
                    b',' if depth == 0 => return Ok(Delimiter::Comma),
                    b']' if depth == 0 => return Ok(Delimiter::Bracket),
                    b'"' => in_string = true,
                    b'[' | b'{' => depth += 1,
                    b']' | b'}' => depth = depth.saturating_sub(1),
                    _ => {}
                }
            }
            if self.element.len() == ROW_BYTES_MAX {
                return Err(ImportError::RowTooLong {
                    row: self.row,
                    bytes_max: ROW_BYTES_MAX,
                });
            }
            self.element.push(byte);
        }
        Err(ImportError::ArrayNotClosed { row: self.row })
    }

    /// The next byte that is not white space.
    fn next_visible(&mut self) -> Result<Option<u8>, ImportError> {
        loop {
            match self.next_byte()? {
                Some(byte) if byte.is_ascii_whitespace() => {}
                other => return Ok(other),
            }
        }
    }

    fn next_row(&mut self) -> Result<Option<Row>, ImportError> {
        let is_first = self.state == State::Start;
        if self.state == State::Done {
            return Ok(None);
        }
        if is_first && self.next_visible()? != Some(b'[') {
            return Err(ImportError::UnknownFormat);
        }
        self.state = State::Inside;
        let delimiter = self.read_element()?;
        let is_empty = self.element.trim_ascii().is_empty();
        if delimiter == Delimiter::Bracket {
            self.state = State::Done;
            if self.next_visible()?.is_some() {
                return Err(ImportError::AfterArray { row: self.row });
            }
            if is_empty && is_first {
                return Ok(None);
            }
        }
        if is_empty {
            return Err(ImportError::EmptyElement { row: self.row });
        }
        parse_row(self.row, &self.element).map(Some)
    }
}

impl<R: BufRead> Iterator for Elements<R> {
    type Item = Result<Row, ImportError>;

    fn next(&mut self) -> Option<Self::Item> {
        let row = self.next_row().transpose();
        if matches!(row, Some(Err(_))) {
            self.state = State::Done;
        }
        row
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &str) -> Vec<String> {
        Elements::new(text.as_bytes())
            .map(|row| {
                let mut shown = String::new();
                row.unwrap().object.write(&mut shown);
                shown
            })
            .collect()
    }

    fn error(text: &str) -> ImportError {
        Elements::new(text.as_bytes())
            .find_map(Result::err)
            .expect("an error")
    }

    #[test]
    fn elements_are_told_apart_by_commas_outside_of_strings_and_brackets() {
        assert_eq!(
            rows(" [ {\"a\": [1, 2], \"b\": \"],{\\\"\"} ,\n{} ] \n"),
            [r#"{"a":[1,2],"b":"],{\""}"#, "{}"]
        );
        assert!(rows("[]").is_empty());
        assert!(rows(" [ \n ] ").is_empty());
    }

    #[test]
    fn numbers_keep_every_digit() {
        let row = r#"{"n":123456789012345678901234567890.10}"#;
        assert_eq!(rows(&format!("[{row}]")), [row]);
    }

    #[test]
    fn what_is_wrong_is_named_with_its_row() {
        assert!(matches!(
            error("[{},5]"),
            ImportError::NotAnObject {
                row: 2,
                found: "a number" | "number"
            }
        ));
        assert!(matches!(
            error("[{},{}"),
            ImportError::ArrayNotClosed { row: 2 }
        ));
        assert!(matches!(
            error("[{},]"),
            ImportError::EmptyElement { row: 2 }
        ));
        assert!(matches!(
            error("[,{}]"),
            ImportError::EmptyElement { row: 1 }
        ));
        assert!(matches!(
            error("[{}] {}"),
            ImportError::AfterArray { row: 1 }
        ));
        assert!(matches!(error("[{} {}]"), ImportError::Json { row: 1, .. }));
        assert!(matches!(
            error("[{\"a\":1}}]"),
            ImportError::Json { row: 1, .. }
        ));
        assert!(matches!(error("{}"), ImportError::UnknownFormat));
    }
}
