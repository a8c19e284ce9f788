//! WebSocket (RFC 6455) as far as both ends here use it: whole text frames, pings and pongs.

use anyhow::{Context as _, Result, bail, ensure};
use async_trait::async_trait;
use bytes::BytesMut;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::Connection;
use crate::document::{Event, scan};
use crate::driver::Subscriber;

const TEXT: u8 = 0x1;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xA;
const FINAL: u8 = 0x80;
const MASKED: u8 = 0x80;

/// Which end of a connection sends: frames of a client are masked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Client,
    Server,
}

/// A frame that stands at the beginning of a buffer, complete.
#[derive(Clone, Copy, Debug)]
struct Frame {
    opcode: u8,
    mask: Option<[u8; 4]>,
    head_bytes: usize,
    payload_bytes: usize,
}

impl Frame {
    /// What stands at the beginning of `bytes`; nothing if it is not complete yet.
    fn at(bytes: &[u8]) -> Result<Option<Frame>> {
        let &[first, second, ref rest @ ..] = bytes else {
            return Ok(None);
        };
        ensure!(first & FINAL != 0, "a message in several frames");
        let (payload_bytes, length_bytes) = match (second & !MASKED, rest) {
            (126, &[a, b, ..]) => (u64::from(u16::from_be_bytes([a, b])), 2),
            (127, &[a, b, c, d, e, f, g, h, ..]) => {
                (u64::from_be_bytes([a, b, c, d, e, f, g, h]), 8)
            }
            (126 | 127, _) => return Ok(None),
            (length, _) => (u64::from(length), 0),
        };
        let mask = match (second & MASKED, &rest[length_bytes..]) {
            (0, _) => None,
            (_, &[a, b, c, d, ..]) => Some([a, b, c, d]),
            _ => return Ok(None),
        };
        let frame = Frame {
            opcode: first & 0x0F,
            mask,
            head_bytes: 2 + length_bytes + mask.map_or(0, |mask| mask.len()),
            payload_bytes: usize::try_from(payload_bytes).context("a frame for larger machines")?,
        };
        let is_complete = bytes.len() - frame.head_bytes >= frame.payload_bytes;
        Ok(is_complete.then_some(frame))
    }
}

/// Appends a frame. A client's mask is zero, which leaves the bytes as they are.
pub(crate) fn push_text(bytes: &mut Vec<u8>, end: End, payload: &[u8]) {
    push_frame(bytes, end, TEXT, payload);
}

fn push_frame(bytes: &mut Vec<u8>, end: End, opcode: u8, payload: &[u8]) {
    let masked = if end == End::Client { MASKED } else { 0 };
    bytes.push(FINAL | opcode);
    if let Some(short) = u8::try_from(payload.len())
        .ok()
        .filter(|length| *length < 126)
    {
        bytes.push(masked | short);
    } else if let Ok(length) = u16::try_from(payload.len()) {
        bytes.push(masked | 126);
        bytes.extend(length.to_be_bytes());
    } else {
        bytes.push(masked | 127);
        bytes.extend((payload.len() as u64).to_be_bytes());
    }
    if end == End::Client {
        bytes.extend([0; 4]);
    }
    bytes.extend(payload);
}

/// The lines of a client's opening handshake, with the key of RFC 6455's example.
fn opening(path: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nhost: localhost\r\nupgrade: websocket\r\nconnection: Upgrade\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
}

/// A client's request to open one, not answered yet.
#[derive(Debug)]
pub(crate) struct Opening {
    connection: Connection,
    /// What the client asks for.
    pub(crate) path: String,
    accept_key: String,
}

impl Opening {
    pub(crate) async fn read(mut connection: Connection) -> Result<Opening> {
        let head = connection.take_until(b"\r\n\r\n").await?;
        let head = std::str::from_utf8(&head)?;
        let path = head.split(' ').nth(1).context("a request without a path")?;
        let mut lines = head.split("\r\n").filter_map(|line| line.split_once(": "));
        let key = lines.find(|(name, _)| name.eq_ignore_ascii_case("sec-websocket-key"));
        let (_, key) = key.context("a request that opens no WebSocket")?;
        Ok(Opening {
            path: path.to_owned(),
            accept_key: derive_accept_key(key.as_bytes()),
            connection,
        })
    }

    pub(crate) async fn accept(mut self) -> Result<WebSocket> {
        let answer = format!(
            "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n\
             sec-websocket-accept: {}\r\n\r\n",
            self.accept_key
        );
        self.connection.send(answer.as_bytes()).await?;
        Ok(WebSocket::new(self.connection, End::Server))
    }
}

/// A connection on which messages come.
#[derive(Debug)]
pub(crate) struct WebSocket {
    connection: Connection,
    end: End,
    out: Vec<u8>,
}

impl WebSocket {
    /// Opens one as a client.
    pub(crate) async fn open(mut connection: Connection, path: &str) -> Result<WebSocket> {
        connection.send(opening(path).as_bytes()).await?;
        let head = connection.take_until(b"\r\n\r\n").await?;
        let is_open = head.starts_with(b"HTTP/1.1 101");
        ensure!(is_open, "no WebSocket: {}", String::from_utf8_lossy(&head));
        Ok(WebSocket::new(connection, End::Client))
    }

    fn new(connection: Connection, end: End) -> WebSocket {
        WebSocket {
            connection,
            end,
            out: Vec::new(),
        }
    }

    pub(crate) async fn send_text(&mut self, payload: &[u8]) -> Result<()> {
        self.out.clear();
        push_text(&mut self.out, self.end, payload);
        self.connection.send(&self.out).await
    }

    /// The next text message; pings before it are answered.
    pub(crate) async fn text(&mut self) -> Result<BytesMut> {
        loop {
            while let Some(frame) = Frame::at(&self.connection.buffer)? {
                self.connection.drop_front(frame.head_bytes);
                let mut payload = self.connection.buffer.split_to(frame.payload_bytes);
                if let Some(mask) = frame.mask {
                    unmask(&mut payload, mask);
                }
                match frame.opcode {
                    TEXT => return Ok(payload),
                    _ => self.control(frame.opcode, &payload).await?,
                }
            }
            self.connection.fill().await?;
        }
    }

    async fn control(&mut self, opcode: u8, payload: &[u8]) -> Result<()> {
        match opcode {
            PING => {
                self.out.clear();
                push_frame(&mut self.out, self.end, PONG, payload);
                self.connection.send(&self.out).await
            }
            PONG => Ok(()),
            CLOSE => {
                let code = payload
                    .get(..2)
                    .map(|code| u16::from_be_bytes([code[0], code[1]]));
                let reason = String::from_utf8_lossy(payload.get(2..).unwrap_or(&[]));
                bail!("the server closed the WebSocket: {code:?} {reason}")
            }
            _ => bail!("a frame of the kind {opcode}"),
        }
    }

    /// The socket alone, once nothing is expected from the other end.
    pub(crate) fn into_stream(self) -> tokio::net::TcpStream {
        self.connection.into_stream()
    }
}

fn unmask(payload: &mut [u8], mask: [u8; 4]) {
    if mask != [0; 4] {
        for (index, byte) in payload.iter_mut().enumerate() {
            *byte ^= mask[index % 4];
        }
    }
}

/// A client's end on which only a subscription's messages come.
#[async_trait]
impl Subscriber for WebSocket {
    async fn receive(&mut self, events: &mut Vec<Event>) -> Result<()> {
        self.connection.fill().await?;
        while let Some(frame) = Frame::at(&self.connection.buffer)? {
            let whole = self
                .connection
                .buffer
                .split_to(frame.head_bytes + frame.payload_bytes);
            let payload = &whole[frame.head_bytes..];
            match frame.opcode {
                TEXT => _ = scan(payload, events),
                _ => self.control(frame.opcode, payload).await?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_of_all_lengths_are_read_as_they_were_written() -> Result<()> {
        for length in [0, 1, 125, 126, 200, 65_535, 65_536] {
            for end in [End::Client, End::Server] {
                let payload = vec![b'x'; length];
                let mut bytes = Vec::new();
                push_text(&mut bytes, end, &payload);
                for cut in [1, 2, 3, bytes.len() - 1] {
                    let part = &bytes[..cut.min(bytes.len() - 1)];
                    assert!(Frame::at(part)?.is_none(), "{length} bytes, cut at {cut}");
                }
                let frame = Frame::at(&bytes)?.context("a whole frame")?;
                assert_eq!(frame.opcode, TEXT);
                assert_eq!(bytes[frame.head_bytes..], payload);
            }
        }
        Ok(())
    }

    #[test]
    fn a_mask_is_taken_off() {
        let mut payload = *b"hello";
        unmask(&mut payload, [1, 2, 3, 4]);
        unmask(&mut payload, [1, 2, 3, 4]);
        assert_eq!(&payload, b"hello");
    }
}
