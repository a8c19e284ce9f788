//! Plain sockets and the little of HTTP and WebSocket that drivers and floors need.

pub(crate) mod http;
pub(crate) mod websocket;

use std::net::SocketAddr;

use anyhow::{Context as _, Result, ensure};
use bytes::{Buf as _, BytesMut};
use memchr::memmem;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// The least room that a read is given; more where a message is larger.
const READ_BYTES: usize = 8 * 1024;

/// A connection and what was read from it and not used yet.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    pub(crate) buffer: BytesMut,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> Result<Connection> {
        let stream = TcpStream::connect(address).await;
        Connection::over(stream.with_context(|| format!("connecting to {address}"))?)
    }

    pub(crate) fn over(stream: TcpStream) -> Result<Connection> {
        stream.set_nodelay(true)?;
        Ok(Connection {
            stream,
            buffer: BytesMut::new(),
        })
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) -> Result<()> {
        Ok(self.stream.write_all(bytes).await?)
    }

    /// Reads what is there, and waits until something is.
    pub(crate) async fn fill(&mut self) -> Result<()> {
        // Twice what waits already, so that a large message does not take many small reads.
        self.buffer.reserve(READ_BYTES.max(self.buffer.len()));
        let read = self.stream.read_buf(&mut self.buffer).await?;
        ensure!(read > 0, "the server closed the connection");
        Ok(())
    }

    /// Takes everything up to and including `mark`.
    pub(crate) async fn take_until(&mut self, mark: &[u8]) -> Result<BytesMut> {
        loop {
            if let Some(found) = memmem::find(&self.buffer, mark) {
                return Ok(self.buffer.split_to(found + mark.len()));
            }
            self.fill().await?;
        }
    }

    /// Takes so many bytes.
    pub(crate) async fn take(&mut self, bytes: usize) -> Result<BytesMut> {
        while self.buffer.len() < bytes {
            self.fill().await?;
        }
        Ok(self.buffer.split_to(bytes))
    }

    /// Drops the beginning of what waits.
    pub(crate) fn drop_front(&mut self, bytes: usize) {
        self.buffer.advance(bytes);
    }

    /// The socket alone; what was read and not used is lost.
    pub(crate) fn into_stream(self) -> TcpStream {
        self.stream
    }
}
