//! The document that everyone writes, and how it is found again in what a subscriber is sent.
//!
//! Each document carries a stamp: who wrote it, the how-manieth it is of its writer and topic, and
//! when it was sent. It is one string, so that it survives every server's way to order and to space
//! the members of an object, and `"@` occurs nowhere else in what a server sends.

use std::sync::OnceLock;
use std::time::Instant;

use memchr::memmem;

/// Rooms of the scenario with filters; each has a subscriber of its own.
pub(crate) const ROOMS: u16 = 1000;
/// The size of a document in bytes.
pub(crate) const DOCUMENT_BYTES: usize = 200;

const MARK: &[u8] = b"\"@";

/// Which documents: where one goes, and what a subscriber wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Topic {
    /// All of the collection; a document that is in no room.
    All,
    /// Those whose field `room` has this number.
    Room(u16),
}

impl Topic {
    /// The value of the field `room`; also a part of subjects, keys and channels.
    pub(crate) fn room(self) -> String {
        match self {
            Topic::All => "all".to_owned(),
            Topic::Room(room) => format!("r{room}"),
        }
    }
}

/// What tells a document from every other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) writer: u32,
    /// From 0 without gaps, for each writer and topic.
    pub(crate) number: u32,
    pub(crate) sent_micros: u64,
}

/// A document that came to a subscriber.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) stamp: Stamp,
    pub(crate) received_micros: u64,
}

/// Microseconds since the load generator first asked.
pub(crate) fn now_micros() -> u64 {
    static START: OnceLock<Instant> = OnceLock::new();
    let elapsed = START.get_or_init(Instant::now).elapsed();
    u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX)
}

/// A document of [`DOCUMENT_BYTES`] bytes.
pub(crate) fn document(topic: Topic, stamp: Stamp) -> String {
    let Stamp {
        writer,
        number,
        sent_micros,
    } = stamp;
    let mut text = format!(
        r#"{{"room":"{}","stamp":"@{writer}.{number}.{sent_micros};","text":""#,
        topic.room()
    );
    while text.len() < DOCUMENT_BYTES - 2 {
        text.push('x');
    }
    text.push_str("\"}");
    text
}

/// Finds the stamps in bytes from the wire, whatever stands around them, so that reading costs the
/// load generator the same whoever sends. Returns how many bytes are done with: the rest may hold
/// the beginning of a stamp.
pub(crate) fn scan(bytes: &[u8], events: &mut Vec<Event>) -> usize {
    let received_micros = now_micros();
    let mut done = 0;
    loop {
        let Some(found) = memmem::find(&bytes[done..], MARK) else {
            let is_split = bytes.len() > done && bytes.ends_with(&MARK[..1]);
            return bytes.len() - usize::from(is_split);
        };
        let start = done + found;
        let Some((stamp, length)) = stamp(&bytes[start + MARK.len()..]) else {
            return start;
        };
        events.push(Event {
            stamp,
            received_micros,
        });
        done = start + MARK.len() + length;
    }
}

/// The stamp at the beginning, and its length, if all of it is there.
fn stamp(bytes: &[u8]) -> Option<(Stamp, usize)> {
    let (writer, first) = number(bytes, b'.')?;
    let (number_of, second) = number(&bytes[first..], b'.')?;
    let (sent_micros, third) = number(&bytes[first + second..], b';')?;
    let stamp = Stamp {
        writer: u32::try_from(writer).ok()?,
        number: u32::try_from(number_of).ok()?,
        sent_micros,
    };
    Some((stamp, first + second + third))
}

/// A number that ends with `end`, and the length of both.
fn number(bytes: &[u8], end: u8) -> Option<(u64, usize)> {
    let mut value = 0_u64;
    for (index, byte) in bytes.iter().enumerate() {
        match byte {
            b'0'..=b'9' => value = value.checked_mul(10)?.checked_add(u64::from(byte - b'0'))?,
            _ if *byte == end => return Some((value, index + 1)),
            _ => return None,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAMP: Stamp = Stamp {
        writer: 3,
        number: 1_234_567,
        sent_micros: 99,
    };

    #[test]
    fn a_document_has_its_size_and_its_stamp_is_found() {
        for topic in [Topic::All, Topic::Room(999)] {
            let text = document(topic, STAMP);
            assert_eq!(text.len(), DOCUMENT_BYTES);
            let mut events = Vec::new();
            assert_eq!(scan(text.as_bytes(), &mut events), text.len());
            assert_eq!(
                events.iter().map(|event| event.stamp).collect::<Vec<_>>(),
                [STAMP]
            );
        }
    }

    #[test]
    fn a_stamp_that_is_cut_anywhere_is_found_once() {
        let text = document(Topic::All, STAMP).repeat(2);
        for cut in 0..text.len() {
            let mut events = Vec::new();
            let done = scan(&text.as_bytes()[..cut], &mut events);
            assert!(done <= cut);
            scan(&text.as_bytes()[done..], &mut events);
            assert_eq!(events.len(), 2, "cut at {cut}");
        }
    }
}
