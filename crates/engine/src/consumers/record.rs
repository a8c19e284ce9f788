//! A consumer as it is stored: a document of the reserved collection [`COLLECTION`] by its name.
//!
//! `{"collections": […], "where": "…", "select": […], "old": true, "patch": true, "positions": [[7, 60], [5, 4]]}`:
//! slots after slots, each run with the sequence that they are acknowledged through and their count.
//! A position means something in the history that it is stored in, and goes with it: a database that
//! is restored has consumers where they were.

use wellspring_types::consumer::ConsumerName;
use wellspring_types::feed::View;
use wellspring_types::{
    CollectionPath, CollectionSet, Data, DocumentPath, Filter, JsonError, Number, Object, Select,
    Sequence, Value,
};

use super::slots::COUNT;

/// The reserved collection of the consumers.
pub(super) const COLLECTION: &str = "__consumers";

/// What a consumer is sent.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Target {
    pub(super) collections: CollectionSet,
    pub(super) view: View,
}

/// Through where each slot is acknowledged.
pub(super) type Positions = [Sequence; COUNT];

/// Through where everything is acknowledged.
pub(super) fn lowest(positions: &Positions) -> Sequence {
    positions.iter().copied().min().unwrap_or_default()
}

/// The reserved collection, by its path.
pub(crate) fn collection() -> CollectionPath {
    #[expect(clippy::expect_used, reason = "one segment, of letters")]
    CollectionPath::from_stored(COLLECTION).expect("a path")
}

pub(super) fn path(name: &ConsumerName) -> DocumentPath {
    collection().join(name.as_str())
}

pub(super) fn write(target: &Target, positions: &Positions) -> Result<Data, JsonError> {
    let mut object = Object::new();
    let collections = target.collections.texts().into_iter();
    let collections = collections.map(string).collect();
    object.insert("collections", Value::Array(collections));
    let view = &target.view;
    if let Some(filter) = &view.filter {
        // As text: a filter may be as deep as a document.
        object.insert("where", string(filter.canonical()));
    }
    if let Some(select) = &view.select {
        let fields = select.fields().iter();
        let fields = fields.map(|field| string(field.as_str())).collect();
        object.insert("select", Value::Array(fields));
    }
    for (name, wanted) in [("old", view.old), ("patch", view.patch)] {
        if wanted {
            object.insert(name, Value::Bool(true));
        }
    }
    let runs = positions.chunk_by(|one, other| one == other);
    let runs = runs.map(|run| Value::Array(vec![number(run[0].0), number(run.len() as u64)]));
    object.insert("positions", Value::Array(runs.collect()));
    Data::from_object(object)
}

/// `None` where it is not what [`write`] writes.
pub(super) fn read(data: &Data) -> Option<(Target, Positions)> {
    let object = data.object();
    let patterns = object.get("collections")?.as_array()?.iter();
    let patterns: Option<Vec<_>> = patterns.map(|one| one.as_str()?.parse().ok()).collect();
    let select = match object.get("select") {
        None => None,
        Some(fields) => {
            let fields = fields.as_array()?.iter();
            let fields: Option<Vec<_>> = fields.map(|field| field.as_str()?.parse().ok()).collect();
            Some(Select::new(fields?).ok()?)
        }
    };
    let is_set = |name| {
        object
            .get(name)
            .is_some_and(|value| value == &Value::Bool(true))
    };
    let target = Target {
        collections: CollectionSet::matching(patterns?).ok()?,
        view: View {
            filter: match object.get("where") {
                None => None,
                Some(filter) => Some(Filter::parse(filter.as_str()?).ok()?),
            },
            select,
            old: is_set("old"),
            patch: is_set("patch"),
        },
    };
    let mut positions = Vec::with_capacity(COUNT);
    for run in object.get("positions")?.as_array()? {
        let [position, count] = run.as_array()? else {
            return None;
        };
        let position = Sequence(position.as_number()?.as_u64()?);
        let count = usize::try_from(count.as_number()?.as_u64()?).ok()?;
        if positions.len() + count > COUNT {
            return None;
        }
        positions.resize(positions.len() + count, position);
    }
    Some((target, positions.try_into().ok()?))
}

fn string(text: &str) -> Value {
    Value::String(text.into())
}

fn number(number: u64) -> Value {
    Value::Number(Number::from(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn targets() -> Vec<Target> {
        let rooms: CollectionPath = "rooms".parse().unwrap();
        let patterns = ["users", "rooms/*/messages"].map(|pattern| pattern.parse().unwrap());
        let fields = ["a", "b.c", "/d~1e/0"].map(|field| field.parse().unwrap());
        vec![
            Target {
                collections: rooms.into(),
                view: View::default(),
            },
            Target {
                collections: CollectionSet::matching(patterns).unwrap(),
                view: View {
                    filter: Some(Filter::parse(r#"{"open":true,"votes":{"gte":3}}"#).unwrap()),
                    select: Some(Select::new(fields.to_vec()).unwrap()),
                    old: true,
                    patch: true,
                },
            },
        ]
    }

    #[test]
    fn what_was_written_is_read() {
        for target in targets() {
            let mut positions = [Sequence(7); COUNT];
            positions[60..].fill(Sequence(5));
            positions[3] = Sequence(u64::MAX);
            let data = write(&target, &positions).unwrap();
            assert_eq!(read(&data), Some((target, positions)));
        }
    }

    #[test]
    fn another_program_s_document_is_none() {
        let good = r#""collections":["a"],"positions":[[7,64]]"#;
        assert!(read(&Data::parse(format!("{{{good}}}").as_bytes()).unwrap()).is_some());
        for bad in [
            r#"{}"#,
            r#"{"collections":["a"],"positions":[[7,63]]}"#,
            r#"{"collections":["a"],"positions":[[7,64],[7,1]]}"#,
            r#"{"collections":["a"],"positions":[[7,18446744073709551615]]}"#,
            r#"{"collections":[],"positions":[[7,64]]}"#,
            r#"{"collections":["a"],"positions":[[7,64]],"where":3}"#,
        ] {
            assert_eq!(read(&Data::parse(bad.as_bytes()).unwrap()), None, "{bad}");
        }
    }
}
