//! NDJSON: one object a line, empty lines allowed.

use std::io::{BufRead, Read};

use super::error::ImportError;
use super::format::{ROW_BYTES_MAX, Row, parse_row};

pub(crate) struct Lines<R> {
    reader: R,
    number: u64,
    line: Vec<u8>,
}

impl<R: BufRead> Lines<R> {
    pub(crate) fn new(reader: R) -> Lines<R> {
        Lines {
            reader,
            number: 0,
            line: Vec::new(),
        }
    }

    /// Reads the next line; false at the end.
    fn read(&mut self) -> Result<bool, ImportError> {
        self.line.clear();
        self.number += 1;
        let row = self.number;
        let limit = u64::try_from(ROW_BYTES_MAX).unwrap_or(u64::MAX) + 1;
        let mut limited = (&mut self.reader).take(limit);
        let read = limited.read_until(b'\n', &mut self.line);
        let bytes = read.map_err(|source| ImportError::ReadRow { row, source })?;
        if bytes > ROW_BYTES_MAX {
            return Err(ImportError::RowTooLong {
                row,
                bytes_max: ROW_BYTES_MAX,
            });
        }
        Ok(bytes > 0)
    }
}

impl<R: BufRead> Iterator for Lines<R> {
    type Item = Result<Row, ImportError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.read() {
                Ok(true) if self.line.trim_ascii().is_empty() => {}
                Ok(true) => return Some(parse_row(self.number, &self.line)),
                Ok(false) => return None,
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_numbered_by_line_and_empty_lines_passed_over() {
        let rows: Vec<_> = Lines::new(&b"{\"a\":1}\n\n {} \r\n{\"b\":2}"[..])
            .map(Result::unwrap)
            .collect();
        assert_eq!(
            rows.iter().map(|row| row.number).collect::<Vec<_>>(),
            [1, 3, 4]
        );
    }

    #[test]
    fn a_line_that_is_no_object_or_no_json_is_named() {
        let error = |text: &'static str| Lines::new(text.as_bytes()).find_map(Result::err).unwrap();
        assert!(matches!(
            error("{}\n[1]"),
            ImportError::NotAnObject { row: 2, .. }
        ));
        assert!(matches!(error("{}\n\n{"), ImportError::Json { row: 3, .. }));
    }
}
