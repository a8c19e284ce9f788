//! Floors, as commits move them.

use std::collections::HashMap;
use std::path::Path;

use bytes::Bytes;
use wellspring_types::{CollectionId, Data, Sequence};

use super::finding::{Finding, FloorFault};
use crate::collections::Collections;
use crate::floors::{ALL, COLLECTION};

/// What floors were told, by the names of their documents.
#[derive(Debug, Default)]
pub(super) struct FloorCheck {
    floors: HashMap<Box<str>, Sequence>,
    findings: Vec<Finding>,
}

/// A document of a floor, and where it stands.
pub(super) struct FloorDocument<'a> {
    pub(super) place: (&'a Path, u64),
    pub(super) sequence: Sequence,
    pub(super) name: &'a str,
    pub(super) data: &'a Bytes,
}

impl FloorCheck {
    /// Whether these are the documents of floors.
    pub(super) fn concerns(collection: CollectionId, collections: &Collections) -> bool {
        collections.id(COLLECTION) == Some(collection)
    }

    /// Something is missing: where floors are is not known.
    pub(super) fn forget(&mut self) {
        self.floors.clear();
    }

    /// The whole database's.
    pub(super) fn all(&self) -> Sequence {
        self.floors.get(ALL).copied().unwrap_or(Sequence::ZERO)
    }

    pub(super) fn take(&mut self, document: &FloorDocument<'_>, collections: &Collections) {
        let through = match self.through(document, collections) {
            Ok(through) => through,
            Err(fault) => return self.tell(document, fault),
        };
        let name = || Box::<str>::from(document.name);
        let from = self.floors.insert(name(), through).unwrap_or_default();
        if through < from {
            let (name, to) = (name(), through);
            self.tell(document, FloorFault::Back { name, from, to });
        }
        if through >= document.sequence {
            let name = name();
            self.tell(document, FloorFault::Ahead { name, through });
        }
    }

    fn through(
        &self,
        document: &FloorDocument<'_>,
        collections: &Collections,
    ) -> Result<Sequence, FloorFault> {
        let name = || Box::<str>::from(document.name);
        let unreadable = || FloorFault::Unreadable { name: name() };
        let data = Data::parse(document.data).map_err(|_not_json| unreadable())?;
        let through = data.object().get("through");
        let through = through.and_then(|through| through.as_number()?.as_u64());
        let through = through.ok_or_else(unreadable)?;
        if document.name != ALL {
            let number = document
                .name
                .parse()
                .map_err(|_not_a_number| unreadable())?;
            let path = collections.path(CollectionId(number));
            let said = data
                .object()
                .get("collection")
                .and_then(|said| said.as_str());
            if said.is_none() || path.as_ref().map(|path| path.as_str()) != said {
                return Err(FloorFault::Collection { name: name() });
            }
        }
        Ok(Sequence(through))
    }

    fn tell(&mut self, document: &FloorDocument<'_>, fault: FloorFault) {
        // There are few floors; those of a program that has gone wrong are not all wanted.
        if self.findings.len() < 100 {
            self.findings.push(Finding::Floor {
                file: document.place.0.to_path_buf(),
                offset: document.place.1,
                sequence: document.sequence,
                fault,
            });
        }
    }

    pub(super) fn into_findings(self) -> Vec<Finding> {
        self.findings
    }
}
