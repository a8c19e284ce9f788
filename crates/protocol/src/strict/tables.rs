//! The descriptors of requests as plain tables, made once.

use std::collections::HashMap;
use std::sync::LazyLock;

use prost_reflect::{DescriptorPool, Kind, MessageDescriptor};

use crate::pb::FILE_DESCRIPTOR_SET;

/// Messages refer to each other by their place in `messages`.
pub(super) struct Tables {
    pub(super) messages: Vec<MessageTable>,
    /// The requests of all methods, by their full name.
    requests: HashMap<String, usize>,
}

pub(super) struct MessageTable {
    pub(super) name: String,
    pub(super) nesting: Nesting,
    /// By number, ascending.
    fields: Vec<(u32, Content)>,
}

/// What a field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    Scalar,
    /// A message, by its place.
    Message(usize),
}

/// Whether a message is a level of nested JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Nesting {
    None,
    /// A `Struct` or a `ListValue`.
    Level,
}

pub(super) static TABLES: LazyLock<Tables> = LazyLock::new(|| {
    #[expect(
        clippy::expect_used,
        reason = "the bytes are part of this program, and a test decodes them"
    )]
    let pool = DescriptorPool::decode(FILE_DESCRIPTOR_SET).expect("our own descriptors decode");
    Tables::new(&pool)
});

impl Tables {
    fn new(pool: &DescriptorPool) -> Tables {
        let all: Vec<MessageDescriptor> = pool.all_messages().collect();
        let places: HashMap<&str, usize> = all
            .iter()
            .enumerate()
            .map(|(place, message)| (message.full_name(), place))
            .collect();
        let place = |message: &MessageDescriptor| places.get(message.full_name()).copied();
        let messages = all
            .iter()
            .map(|message| MessageTable::new(message, place))
            .collect();
        let requests = pool
            .services()
            .flat_map(|service| service.methods().collect::<Vec<_>>())
            .filter_map(|method| {
                let input = method.input();
                Some((input.full_name().to_owned(), place(&input)?))
            })
            .collect();
        Tables { messages, requests }
    }

    /// The place of a request's message; `None` for any other message.
    pub(super) fn request(&self, full_name: &str) -> Option<usize> {
        self.requests.get(full_name).copied()
    }
}

impl MessageTable {
    fn new(
        message: &MessageDescriptor,
        place: impl Fn(&MessageDescriptor) -> Option<usize>,
    ) -> MessageTable {
        let mut fields: Vec<(u32, Content)> = message
            .fields()
            .map(|field| {
                let content = match field.kind() {
                    Kind::Message(inner) => place(&inner).map_or(Content::Scalar, Content::Message),
                    _ => Content::Scalar,
                };
                (field.number(), content)
            })
            .collect();
        fields.sort_unstable_by_key(|(number, _)| *number);
        let nesting = match message.full_name() {
            "google.protobuf.Struct" | "google.protobuf.ListValue" => Nesting::Level,
            _ => Nesting::None,
        };
        MessageTable {
            name: message.full_name().to_owned(),
            nesting,
            fields,
        }
    }

    pub(super) fn field(&self, number: u32) -> Option<Content> {
        let index = self
            .fields
            .binary_search_by_key(&number, |(number, _)| *number)
            .ok()?;
        Some(self.fields[index].1)
    }
}
