//! Documents as a table for people.

use comfy_table::{ContentArrangement, LineStyle, Table, TableStyle};
use wellspring_types::query::OrderBy;
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

const LINE: LineStyle = LineStyle::none().fill('─').junction('─');
const DOUBLE_LINE: LineStyle = LineStyle::none().fill('═').junction('═');
const STYLE: TableStyle = TableStyle::new()
    .top_border(LINE)
    .header_separator(DOUBLE_LINE)
    .bottom_border(LINE);

/// A table with a column for each of the first fields that occur, in the order in which they do.
/// Where not all have room, those that the documents are sorted by come first.
pub(crate) fn table(documents: &[Document], order: &[OrderBy]) -> Table {
    let mut table = Table::new();
    table
        .load_style(STYLE)
        .set_content_arrangement(ContentArrangement::Dynamic);
    let width = table
        .width()
        .filter(|width| *width > FIRST_CHARS)
        .unwrap_or(TERMINAL_CHARS);
    table.set_width(width);
    let room = (width - FIRST_CHARS) / FIELD_CHARS;
    let fields_max = usize::from(room.clamp(1, FIELDS_MAX));
    let mut fields = first_fields(documents, Vec::new(), fields_max);
    let has_more = fields.len() > fields_max;
    if has_more {
        fields = first_fields(documents, sorted_by(documents, order), fields_max);
        fields.truncate(fields_max);
    }
    let header = ["id", "version"].into_iter().chain(fields.iter().copied());
    table.set_header(header.chain(has_more.then_some("…")));
    for document in documents {
        table.add_row(row(document, &fields, has_more.then_some(())));
    }
    table
}

/// The fields that occur, after those given: up to one more than there is room for.
fn first_fields<'a>(
    documents: &'a [Document],
    mut fields: Vec<&'a str>,
    fields_max: usize,
) -> Vec<&'a str> {
    for document in documents {
        for field in document.data.object().keys() {
            if fields.len() <= fields_max && !fields.contains(&field) {
                fields.push(field);
            }
        }
    }
    fields
}

/// The fields that occur of those that the documents are sorted by.
fn sorted_by<'a>(documents: &'a [Document], order: &'a [OrderBy]) -> Vec<&'a str> {
    let mut fields = Vec::new();
    for field in order.iter().filter_map(|key| key.field.names().first()) {
        let occurs = |document: &Document| document.data.object().get(field).is_some();
        if !fields.contains(&&**field) && documents.iter().any(occurs) {
            fields.push(&**field);
        }
    }
    fields
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

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn columns_are_the_fields_that_occur() {
        let documents = [
            document("a", r#"{"x":1}"#),
            document("b", r#"{"y":"t","x":[2]}"#),
        ];
        let shown = table(&documents, &[]).to_string();
        let lines: Vec<_> = shown.lines().collect();
        assert_eq!(lines.len(), 6, "{shown}");
        assert_eq!(words(lines[1]), ["id", "version", "x", "y"]);
        assert_eq!(words(lines[3]), ["a", "7", "1"]);
        assert_eq!(words(lines[4]), ["b", "7", "[2]", "t"]);
    }

    #[test]
    fn a_field_that_is_sorted_by_has_a_column_where_others_have_no_room() {
        let documents = [document(
            "a",
            r#"{"f0":0,"f1":0,"f2":0,"f3":0,"f4":0,"f5":0,"f6":0,"f7":0,"f8":0,"last":{"n":5}}"#,
        )];
        let header = |order: &[&str]| {
            let order: Vec<_> = order.iter().map(|key| key.parse().unwrap()).collect();
            let shown = table(&documents, &order).to_string();
            words(shown.lines().nth(1).unwrap())
        };
        assert_eq!(header(&[])[..3], ["id", "version", "f0"]);
        let sorted = header(&["-last.n", "absent"]);
        assert_eq!(sorted[..4], ["id", "version", "last", "f0"]);
        assert_eq!(sorted.last().unwrap(), "…");
    }

    #[test]
    fn long_texts_are_cut_and_control_characters_replaced() {
        assert_eq!(cut(&"x".repeat(61)), format!("{}…", "x".repeat(60)));
        assert_eq!(cut("a\u{1b}[2J"), "a\u{fffd}[2J");
    }
}
