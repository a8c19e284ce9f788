//! Documents as a table for people.

use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use comfy_table::{ContentArrangement, Table};
use wellspring_types::{Document, Value};

/// Further fields are only counted.
const FIELDS_MAX: u16 = 8;
/// A field's column has room for this many characters.
const FIELD_CHARS: u16 = 14;
/// The width of a terminal that does not tell.
const TERMINAL_CHARS: u16 = 80;
/// Room for the id and the version.
const FIRST_CHARS: u16 = 30;
/// Longer texts are cut.
const CELL_CHARS_MAX: usize = 60;

/// A table with a column for each of the first fields that occur, in the order in which they do.
pub(crate) fn table(documents: &[Document]) -> Table {
    let mut table = Table::new();
    table
        .load_style(UTF8_HORIZONTAL_ONLY)
        .set_content_arrangement(ContentArrangement::Dynamic);
    let width = table
        .width()
        .filter(|width| *width > FIRST_CHARS)
        .unwrap_or(TERMINAL_CHARS);
    table.set_width(width);
    let room = (width - FIRST_CHARS) / FIELD_CHARS;
    let fields_max = usize::from(room.clamp(1, FIELDS_MAX));
    let mut fields: Vec<&str> = Vec::new();
    for document in documents {
        for field in document.data.object().keys() {
            if !fields.contains(&field) && fields.len() <= fields_max {
                fields.push(field);
            }
        }
    }
    let has_more = fields.len() > fields_max;
    fields.truncate(fields_max);
    let header = ["id", "version"].into_iter().chain(fields.iter().copied());
    table.set_header(header.chain(has_more.then_some("…")));
    for document in documents {
        table.add_row(row(document, &fields, has_more.then_some(())));
    }
    table
}

fn row(document: &Document, fields: &[&str], rest: Option<()>) -> Vec<String> {
    let object = document.data.object();
    let mut cells = vec![document.path.id().to_owned(), document.version.to_string()];
    cells.extend(
        fields
            .iter()
            .map(|field| object.get(field).map_or_else(String::new, cell)),
    );
    if rest.is_some() {
        let others = object.keys().filter(|key| !fields.contains(key)).count();
        cells.push(format!("+{others}"));
    }
    cells
}

fn cell(value: &Value) -> String {
    match value {
        Value::String(text) => cut(text),
        other => cut(&other.to_text()),
    }
}

fn cut(text: &str) -> String {
    // Control characters would move the cursor of whoever looks at the table.
    let printable = text
        .chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c });
    let mut cut: String = printable.take(CELL_CHARS_MAX).collect();
    if text.chars().nth(CELL_CHARS_MAX).is_some() {
        cut.push('…');
    }
    cut
}

#[cfg(test)]
mod tests {
    use wellspring_types::{Data, Sequence, Timestamp};

    use super::*;

    fn document(id: &str, data: &str) -> Document {
        Document {
            path: format!("rooms/{id}").parse().unwrap(),
            version: Sequence(7),
            created_at: Timestamp::default(),
            updated_at: Timestamp::default(),
            data: Data::parse(data.as_bytes()).unwrap(),
        }
    }

    #[test]
    fn columns_are_the_fields_that_occur() {
        let shown = table(&[
            document("a", r#"{"x":1}"#),
            document("b", r#"{"y":"t","x":[2]}"#),
        ])
        .to_string();
        let words = |line: &str| {
            line.split_whitespace()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        let lines: Vec<_> = shown
            .lines()
            .filter(|line| line.contains(char::is_alphanumeric))
            .collect();
        assert_eq!(words(lines[0]), ["id", "version", "x", "y"]);
        assert_eq!(words(lines[1]), ["a", "7", "1"]);
        assert_eq!(words(lines[2]), ["b", "7", "[2]", "t"]);
    }

    #[test]
    fn long_texts_are_cut_and_control_characters_replaced() {
        assert_eq!(cut(&"x".repeat(61)), format!("{}…", "x".repeat(60)));
        assert_eq!(cut("a\u{1b}[2J"), "a\u{fffd}[2J");
    }
}
