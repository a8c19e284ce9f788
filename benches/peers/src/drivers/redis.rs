//! Redis Streams with an append-only file: `XADD`, and `XREAD` that waits.

use std::net::SocketAddr;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use async_trait::async_trait;
use bytes::BytesMut;
use memchr::memchr;

use crate::document::{Event, Stamp, Topic, document, scan};
use crate::driver::{Driver, Subscriber, Writer};
use crate::launch::{Launch, Place};
use crate::programs::Programs;
use crate::wire::Connection;

/// Entries that one `XREAD` takes at most.
const READ_ENTRIES_MAX: &str = "1000";

fn launch(programs: &Programs, place: &Place, append_fsync: &str) -> Result<Launch> {
    let mut command = Command::new(programs.find("redis-server")?);
    command.args(["--bind", "127.0.0.1"]);
    command.args(["--port", &place.address.port().to_string()]);
    command.arg("--dir").arg(&place.directory);
    command.args(["--maxclients", "12000", "--save", ""]);
    command.args(["--appendonly", "yes", "--appendfsync", append_fsync]);
    Ok(Launch::of(command))
}

pub(crate) fn launch_always(programs: &Programs, place: &Place) -> Result<Launch> {
    launch(programs, place, "always")
}

pub(crate) fn launch_everysec(programs: &Programs, place: &Place) -> Result<Launch> {
    launch(programs, place, "everysec")
}

/// Speaks with a server. There are no filters: a room is a stream of its own.
#[derive(Debug)]
pub(crate) struct Redis {
    address: SocketAddr,
}

impl Redis {
    pub(crate) fn driver(address: SocketAddr) -> Box<dyn Driver> {
        Box::new(Redis { address })
    }

    async fn read_from_beginning(&self, topic: Topic) -> Result<Box<dyn Subscriber>> {
        let mut reader = StreamReader {
            connection: Connection::open(self.address).await?,
            key: key(topic),
            last: "0".to_owned(),
        };
        reader.ask().await?;
        Ok(Box::new(reader))
    }
}

fn key(topic: Topic) -> String {
    format!("docs:{}", topic.room())
}

fn command(arguments: &[&str]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", arguments.len()).into_bytes();
    for argument in arguments {
        bytes.extend(format!("${}\r\n{argument}\r\n", argument.len()).as_bytes());
    }
    bytes
}

/// Where the value that begins at `at` ends, if all of it is there; `each` is shown its strings.
fn end_of_value(bytes: &[u8], at: usize, each: &mut dyn FnMut(&[u8])) -> Option<usize> {
    let line = at + memchr(b'\n', bytes.get(at..)?)?;
    let after = line + 1;
    let count = || -> Option<i64> {
        std::str::from_utf8(bytes.get(at + 1..line - 1)?)
            .ok()?
            .parse()
            .ok()
    };
    match bytes.get(at)? {
        b'$' => match usize::try_from(count()?) {
            Ok(length) => {
                let end = after + length + b"\r\n".len();
                each(bytes.get(after..end)?.get(..length)?);
                Some(end)
            }
            // Absent.
            Err(_) => Some(after),
        },
        b'*' => {
            let mut end = after;
            for _ in 0..count()? {
                end = end_of_value(bytes, end, each)?;
            }
            Some(end)
        }
        _ => Some(after),
    }
}

/// The next value, which must not be an error.
async fn reply(connection: &mut Connection) -> Result<BytesMut> {
    loop {
        if let Some(end) = end_of_value(&connection.buffer, 0, &mut |_| ()) {
            let value = connection.buffer.split_to(end);
            let said = || String::from_utf8_lossy(&value).into_owned();
            ensure!(!value.starts_with(b"-"), "answered {}", said());
            return Ok(value);
        }
        connection.fill().await?;
    }
}

#[async_trait]
impl Driver for Redis {
    async fn prepare(&self) -> Result<()> {
        let mut connection = Connection::open(self.address).await?;
        connection.send(&command(&["PING"])).await?;
        reply(&mut connection).await.map(drop)
    }

    async fn writer(&self) -> Result<Box<dyn Writer>> {
        Ok(Box::new(StreamWriter(
            Connection::open(self.address).await?,
        )))
    }

    /// From the beginning: a subscriber of the scenarios comes before the first document.
    async fn subscribe(&self, topic: Topic) -> Result<Box<dyn Subscriber>> {
        self.read_from_beginning(topic).await
    }

    async fn replay(&self) -> Result<Box<dyn Subscriber>> {
        self.read_from_beginning(Topic::All).await
    }
}

struct StreamReader {
    connection: Connection,
    key: String,
    /// The id of the newest entry that came.
    last: String,
}

impl StreamReader {
    async fn ask(&mut self) -> Result<()> {
        let read = ["XREAD", "COUNT", READ_ENTRIES_MAX, "BLOCK", "0", "STREAMS"];
        let arguments = [&read[..], &[&self.key, &self.last]].concat();
        self.connection.send(&command(&arguments)).await
    }
}

#[async_trait]
impl Subscriber for StreamReader {
    async fn receive(&mut self, events: &mut Vec<Event>) -> Result<()> {
        let value = reply(&mut self.connection).await?;
        // The strings are the key, and of each entry its id, the name of its field and the document.
        let mut note = |string: &[u8]| match string.first() {
            Some(b'{') => _ = scan(string, events),
            Some(b'0'..=b'9') => self.last = String::from_utf8_lossy(string).into_owned(),
            _ => (),
        };
        end_of_value(&value, 0, &mut note).context("half a reply")?;
        self.ask().await
    }
}

struct StreamWriter(Connection);

#[async_trait]
impl Writer for StreamWriter {
    async fn write(&mut self, topic: Topic, stamp: Stamp) -> Result<()> {
        let (key, document) = (key(topic), document(topic, stamp));
        self.0
            .send(&command(&["XADD", &key, "*", "d", &document]))
            .await?;
        reply(&mut self.0).await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nested_reply_is_found_whole_and_its_strings_are_shown() {
        let bytes =
            b"*1\r\n*2\r\n$4\r\ndocs\r\n*1\r\n*2\r\n$3\r\n1-0\r\n*2\r\n$1\r\nd\r\n$2\r\n{}\r\n+OK";
        let whole = bytes.len() - b"+OK".len();
        for cut in 0..whole {
            assert_eq!(
                end_of_value(&bytes[..cut], 0, &mut |_| ()),
                None,
                "cut at {cut}"
            );
        }
        let mut strings = Vec::new();
        let end = end_of_value(bytes, 0, &mut |string| strings.push(string.to_vec()));
        assert_eq!(end, Some(whole));
        assert_eq!(strings, [&b"docs"[..], b"1-0", b"d", b"{}"]);
    }
}
