//! CSV: the first record names the fields. A cell is text, unless it is exactly a JSON number,
//! `true`, `false` or `null`: `7` and `0.50` are numbers, `007`, `1e999` and an empty cell are
//! texts.

use std::io::Read;

use csv::{Reader, StringRecord};
use wellspring_types::{Number, Object, Value};

use super::error::ImportError;
use super::format::{ROW_BYTES_MAX, Row};

pub(crate) struct Records<R> {
    reader: Reader<R>,
    names: StringRecord,
    number: u64,
    record: StringRecord,
}

impl<R: Read> Records<R> {
    pub(crate) fn new(reader: R) -> Result<Records<R>, ImportError> {
        let mut reader = Reader::from_reader(reader);
        let names = reader
            .headers()
            .map_err(|source| ImportError::Csv { row: 0, source })?
            .clone();
        let mut seen = Object::new();
        for name in &names {
            if seen.insert(name, Value::Null).is_some() {
                return Err(ImportError::RepeatedColumn { name: name.into() });
            }
        }
        Ok(Records {
            reader,
            names,
            number: 0,
            record: StringRecord::new(),
        })
    }

    fn next_row(&mut self) -> Result<Option<Row>, ImportError> {
        self.number += 1;
        let row = self.number;
        let read = self.reader.read_record(&mut self.record);
        if !read.map_err(|source| ImportError::Csv { row, source })? {
            return Ok(None);
        }
        if self.record.as_slice().len() > ROW_BYTES_MAX {
            return Err(ImportError::RowTooLong {
                row,
                bytes_max: ROW_BYTES_MAX,
            });
        }
        let cells = self.names.iter().zip(&self.record);
        let members = cells.map(|(name, cell)| (Box::<str>::from(name), value(cell)));
        Ok(Some(Row {
            number: row,
            object: members.collect(),
        }))
    }
}

impl<R: Read> Iterator for Records<R> {
    type Item = Result<Row, ImportError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_row().transpose()
    }
}

fn value(cell: &str) -> Value {
    match cell {
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        "null" => Value::Null,
        text => match text.parse::<Number>() {
            Ok(number) => Value::Number(number),
            Err(_) => Value::String(text.into()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &str) -> Vec<String> {
        let show = |row: Result<Row, ImportError>| {
            let mut shown = String::new();
            row.unwrap().object.write(&mut shown);
            shown
        };
        Records::new(text.as_bytes()).unwrap().map(show).collect()
    }

    #[test]
    fn cells_are_text_unless_they_are_exactly_a_json_literal() {
        assert_eq!(
            rows("a,b,c\n7,0.50,-1e3\n007,1e999,\ntrue,null,\"x,\"\"y\"\"\"\nTrue, 1,+1\n"),
            [
                r#"{"a":7,"b":0.50,"c":-1e3}"#,
                r#"{"a":"007","b":"1e999","c":""}"#,
                r#"{"a":true,"b":null,"c":"x,\"y\""}"#,
                r#"{"a":"True","b":" 1","c":"+1"}"#,
            ]
        );
    }

    #[test]
    fn records_of_another_length_and_repeated_names_are_refused() {
        let short = Records::new("a,b\n1,2\n3\n".as_bytes())
            .unwrap()
            .find_map(Result::err);
        assert!(matches!(short, Some(ImportError::Csv { row: 2, .. })));
        let repeated = Records::new("a,a\n".as_bytes()).err();
        assert!(matches!(repeated, Some(ImportError::RepeatedColumn { .. })));
    }
}
