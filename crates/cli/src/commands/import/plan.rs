//! The first reading, which checks everything, and what it found out for the second.

use std::collections::HashMap;

use ulid::Generator;
use wellspring_types::{CollectionPath, Data, DocumentPath, FieldPath};

use super::error::ImportError;
use super::format::{Format, Row};
use super::identity::Identity;
use super::source::Source;

/// An input all of whose rows are good.
#[derive(Debug)]
pub(crate) struct Plan {
    source: Source,
    format: Format,
    /// `None`: each row names its own path.
    collection: Option<CollectionPath>,
    identity: Identity,
    rows: u64,
    /// For each id, the last row that has it.
    last_rows: HashMap<Box<str>, u64>,
}

/// A document that is ready to be written.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) path: DocumentPath,
    pub(crate) data: Data,
}

impl Plan {
    /// Reads and checks all rows.
    pub(crate) fn check(
        source: Source,
        format: Format,
        collection: Option<CollectionPath>,
        field: Option<&FieldPath>,
    ) -> Result<Plan, ImportError> {
        let mut identity = match &collection {
            Some(_) => field.cloned().map(Identity::Field),
            None => Some(Identity::Path),
        };
        let (mut rows, mut last_rows) = (0, HashMap::new());
        for row in format.rows(source.open()?)? {
            let row = row?;
            let number = row.number;
            let identity = identity.get_or_insert_with(|| Identity::find(field, &row));
            if let Some(id) = identity.document(collection.as_ref(), row)?.id {
                last_rows.insert(id, number);
            }
            rows += 1;
        }
        let identity = identity.unwrap_or(Identity::Generated);
        Ok(Plan {
            source,
            format,
            collection,
            identity,
            rows,
            last_rows,
        })
    }

    /// Where they go, in words.
    pub(crate) fn destination(&self) -> String {
        match &self.collection {
            Some(collection) => collection.as_str().to_owned(),
            None => "their paths".to_owned(),
        }
    }

    /// How many documents will be written.
    pub(crate) fn documents(&self) -> u64 {
        match self.identity {
            Identity::Generated => self.rows,
            _ => u64::try_from(self.last_rows.len()).unwrap_or(u64::MAX),
        }
    }

    /// How many rows are left out because a later one has the same id.
    pub(crate) fn repeats(&self) -> u64 {
        self.rows.saturating_sub(self.documents())
    }

    /// Reads the rows again, for writing.
    pub(crate) fn prepare(
        &self,
    ) -> Result<impl Iterator<Item = Result<Prepared, ImportError>>, ImportError> {
        let mut ids = Generator::new();
        let rows = self.format.rows(self.source.open()?)?;
        Ok(rows.filter_map(move |row| {
            row.and_then(|row| self.prepare_row(row, &mut ids))
                .transpose()
        }))
    }

    fn prepare_row(&self, row: Row, ids: &mut Generator) -> Result<Option<Prepared>, ImportError> {
        let number = row.number;
        let document = self.identity.document(self.collection.as_ref(), row)?;
        let id = match document.id {
            Some(id) => match self.last_rows.get(&id) {
                Some(last) if *last == number => id,
                Some(_) => return Ok(None),
                None => return Err(ImportError::Changed),
            },
            None => generate(ids),
        };
        let path = match &self.collection {
            Some(collection) => collection.document(&id),
            None => id.parse(),
        };
        match path {
            Ok(path) => Ok(Some(Prepared {
                path,
                data: document.data,
            })),
            Err(source) => Err(ImportError::Id {
                row: number,
                source,
            }),
        }
    }
}

/// Ids that sort in the order of the rows.
fn generate(ids: &mut Generator) -> Box<str> {
    let id = match ids.generate() {
        Ok(id) => id,
        // A millisecond had more ids than fit behind a random start.
        Err(overflow) => overflow.commit_overflow_increment(),
    };
    id.to_string().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(text: &str, id: Option<&str>) -> Result<Plan, ImportError> {
        let source = Source::Memory(text.into());
        let field: Option<FieldPath> = id.map(|field| field.parse().unwrap());
        Plan::check(
            source,
            Format::Ndjson,
            Some("films".parse().unwrap()),
            field.as_ref(),
        )
    }

    fn prepared(plan: &Plan) -> Vec<String> {
        let show = |p: Prepared| format!("{} {}", p.path, p.data.as_str());
        plan.prepare().unwrap().map(|p| show(p.unwrap())).collect()
    }

    #[test]
    fn of_rows_with_the_same_id_the_last_wins_and_the_others_are_counted() {
        let text =
            "{\"t\":\"a\",\"n\":1}\n{\"t\":7}\n{\"t\":\"a\",\"n\":2}\n{\"t\":\"7\",\"n\":3}\n";
        let plan = plan(text, Some("t")).unwrap();
        assert_eq!((plan.documents(), plan.repeats()), (2, 2));
        assert_eq!(
            prepared(&plan),
            [r#"films/a {"t":"a","n":2}"#, r#"films/7 {"t":"7","n":3}"#]
        );
    }

    #[test]
    fn a_missing_or_invalid_id_names_the_row() {
        let error = |text: &str| plan(text, Some("t")).unwrap_err();
        assert!(matches!(
            error("{\"t\":1}\n{}"),
            ImportError::NoId { row: 2, .. }
        ));
        assert!(matches!(
            error("{\"t\":null}"),
            ImportError::IdType { row: 1, .. }
        ));
        assert!(matches!(
            error("{\"t\":\"a/b\"}"),
            ImportError::Id { row: 1, .. }
        ));
        assert!(matches!(
            error("{\"t\":\"\"}"),
            ImportError::Id { row: 1, .. }
        ));
    }

    #[test]
    fn numbers_become_text_as_they_were_written() {
        let plan = plan("{\"t\":1.50}\n{\"t\":1e3}\n", Some("t")).unwrap();
        assert_eq!(
            prepared(&plan),
            [r#"films/1.50 {"t":1.50}"#, r#"films/1e3 {"t":1e3}"#]
        );
    }

    #[test]
    fn without_an_id_they_are_generated_in_the_order_of_the_rows() {
        let plan = plan("{\"n\":1}\n{\"n\":2}\n{\"n\":3}\n", None).unwrap();
        let shown = prepared(&plan);
        assert!(shown.is_sorted(), "{shown:?}");
        assert!(shown[2].ends_with(r#" {"n":3}"#), "{shown:?}");
        assert_eq!(
            shown[0].split(' ').next().unwrap().len(),
            "films/".len() + 26
        );
    }

    #[test]
    fn lines_of_an_export_keep_their_ids_and_lose_their_envelopes() {
        let line = |id: &str| {
            format!(
                r#"{{"path":"old/x/movies/{id}","version":3,"created_at":"2026-11-24T09:00:00.000Z","updated_at":"2026-11-24T09:00:00.000Z","data":{{"n":1}}}}"#
            )
        };
        let plan = plan(&format!("{}\n{}\n", line("a"), line("b")), None).unwrap();
        assert_eq!(
            prepared(&plan),
            [r#"films/a {"n":1}"#, r#"films/b {"n":1}"#]
        );
    }

    #[test]
    fn a_row_among_an_exports_lines_that_is_none_is_named() {
        let line = r#"{"path":"m/a","version":3,"created_at":"","updated_at":"","data":{}}"#;
        let error = plan(&format!("{line}\n{{}}"), None).unwrap_err();
        assert!(
            matches!(error, ImportError::NotAnEnvelope { row: 2 }),
            "{error:?}"
        );
    }

    #[test]
    fn a_document_that_is_too_large_names_its_row() {
        let text = format!("{{}}\n{{\"t\":\"{}\"}}", "x".repeat(1 << 20));
        assert!(matches!(
            plan(&text, None),
            Err(ImportError::Json { row: 2, .. })
        ));
    }
}
