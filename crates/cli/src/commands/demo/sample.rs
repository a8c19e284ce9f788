//! A small town's bike stations, and how they change.

use wellspring_types::write::{Transform, TransformOperation, Write, WriteAction};
use wellspring_types::{CollectionPath, Data, FieldPath, Number, Object, Value, json};

const TEXT: &[u8] = include_bytes!("sample.json");

/// The stations as the demo knows them.
pub(super) struct Sample {
    collection: CollectionPath,
    stations: Vec<Station>,
    random: u64,
}

struct Station {
    id: Box<str>,
    data: Data,
    bikes: u64,
    docks: u64,
}

/// The collection's path.
#[expect(clippy::expect_used, reason = "the text is one segment of letters")]
pub(super) fn collection() -> CollectionPath {
    "stations".parse().expect("a collection's path")
}

impl Sample {
    pub(super) fn new() -> Sample {
        let stations = match json::parse(TEXT) {
            Ok(Value::Array(rows)) => rows.into_iter().filter_map(Station::new).collect(),
            _ => Vec::new(),
        };
        Sample {
            collection: collection(),
            stations,
            random: 1,
        }
    }

    /// All stations, as they are at first.
    pub(super) fn documents(&self) -> Vec<Write> {
        let set =
            |station: &Station| Write::set(self.collection.join(&station.id), station.data.clone());
        self.stations.iter().map(set).collect()
    }

    /// Somebody takes a bike, or brings one back.
    pub(super) fn change(&mut self) -> Write {
        let (which, brings) = (self.next_random(), self.next_random().is_multiple_of(2));
        let count = u64::try_from(self.stations.len()).unwrap_or(u64::MAX);
        let index = usize::try_from(which % count.max(1)).unwrap_or_default();
        let station = &mut self.stations[index];
        let brings = match station.bikes {
            0 => true,
            bikes if bikes >= station.docks => false,
            _ => brings,
        };
        let by = if brings {
            station.bikes += 1;
            1_i64
        } else {
            station.bikes -= 1;
            -1
        };
        let operation = TransformOperation::Increment(Number::from(by));
        let transforms = vec![Transform {
            field: bikes(),
            operation,
        }];
        let action = WriteAction::Update {
            patch: Object::new(),
            transforms,
        };
        Write {
            path: self.collection.join(&station.id),
            action,
            precondition: None,
        }
    }

    /// The next number of a fixed course: every demo is the same. The constants are those of
    /// Knuth's MMIX (The Art of Computer Programming, volume 2, 3.3.4); high bits are the better.
    fn next_random(&mut self) -> u64 {
        self.random = self
            .random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        self.random >> 33
    }
}

#[expect(clippy::expect_used, reason = "the text is one name of letters")]
fn bikes() -> FieldPath {
    "bikes".parse().expect("a field's path")
}

impl Station {
    fn new(row: Value) -> Option<Station> {
        let Value::Object(mut object) = row else {
            return None;
        };
        let id = object.remove("id")?.as_str()?.into();
        let number = |field: &str| object.get(field)?.as_number()?.as_u64();
        let (bikes, docks) = (number("bikes")?, number("docks")?);
        Some(Station {
            id,
            bikes,
            docks,
            data: Data::from_object(object).ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forty_stations_are_all_good() {
        let sample = Sample::new();
        assert_eq!(sample.stations.len(), 40);
        assert_eq!(sample.documents().len(), 40);
        assert!(
            sample
                .stations
                .iter()
                .all(|station| station.bikes <= station.docks)
        );
        for station in &sample.stations {
            assert!(
                sample.collection.document(&station.id).is_ok(),
                "{}",
                station.id
            );
        }
    }

    #[test]
    fn bikes_are_never_fewer_than_none_or_more_than_docks() {
        let mut sample = Sample::new();
        for _ in 0..10_000 {
            sample.change();
        }
        assert!(
            sample
                .stations
                .iter()
                .all(|station| station.bikes <= station.docks)
        );
    }
}
