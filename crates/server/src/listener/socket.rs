//! A connection's bytes: what was read ahead comes first, and a write that stalls fails.

use std::future::Future;
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use hyper_util::server::conn::auto::upgrade::downcast;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};

use super::places::Place;

/// A stream with its place among the connections, which it keeps through an upgrade.
#[derive(Debug)]
pub(crate) struct Socket<S> {
    stream: S,
    read_ahead: Bytes,
    stall: Stall,
    _place: Option<Place>,
}

/// Fails a write once the peer has taken nothing for some time.
#[derive(Debug)]
struct Stall {
    patience: Duration,
    timer: Pin<Box<Sleep>>,
    waiting: bool,
}

impl<S> Socket<S> {
    pub(super) fn new(
        stream: S,
        read_ahead: Bytes,
        patience: Duration,
        place: Option<Place>,
    ) -> Self {
        let timer = Box::pin(tokio::time::sleep(patience));
        let stall = Stall {
            patience,
            timer,
            waiting: false,
        };
        Socket {
            stream,
            read_ahead,
            stall,
            _place: place,
        }
    }
}

impl Socket<TcpStream> {
    /// The socket of a connection that was upgraded, and what was read of its new protocol.
    pub(crate) fn of(upgraded: Upgraded) -> Option<(Self, Bytes)> {
        let parts = downcast::<TokioIo<Self>>(upgraded).ok()?;
        Some((parts.io.into_inner(), parts.read_buf))
    }

    /// Sets how long a write waits for the peer to take anything.
    pub(crate) fn set_patience(&mut self, patience: Duration) {
        self.stall.patience = patience;
    }
}

impl Stall {
    /// Passes on how a write went, unless it has been waiting for too long.
    fn watch<T>(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.waiting = false;
            return written;
        }
        if !self.waiting {
            self.waiting = true;
            self.timer.as_mut().reset(Instant::now() + self.patience);
        }
        ready!(self.timer.as_mut().poll(context));
        // The next attempt waits anew: a WebSocket still tries to say why it closes.
        self.waiting = false;
        Poll::Ready(Err(io::Error::new(
            ErrorKind::TimedOut,
            "the peer does not read",
        )))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Socket<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.read_ahead.is_empty() {
            return Pin::new(&mut self.stream).poll_read(context, buffer);
        }
        let count = self.read_ahead.len().min(buffer.remaining());
        buffer.put_slice(&self.read_ahead[..count]);
        self.read_ahead.advance(count);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Socket<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.stall.watch(context, written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        self.stall.watch(context, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut_down = Pin::new(&mut self.stream).poll_shutdown(context);
        self.stall.watch(context, shut_down)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.stall.watch(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    fn socket(stream: tokio::io::DuplexStream) -> Socket<tokio::io::DuplexStream> {
        Socket::new(
            stream,
            Bytes::from_static(b"ahead"),
            Duration::from_secs(20),
            None,
        )
    }

    #[tokio::test]
    async fn what_was_read_ahead_comes_first() {
        let (mut near, far) = tokio::io::duplex(64);
        near.write_all(b" and after").await.unwrap();
        drop(near);
        let mut text = String::new();
        socket(far).read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "ahead and after");
    }

    #[tokio::test(start_paused = true)]
    async fn a_write_that_nobody_takes_fails_in_time() {
        let (_near, far) = tokio::io::duplex(4);
        let began = Instant::now();
        let error = socket(far).write_all(b"more than fits").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        assert!(began.elapsed() >= Duration::from_secs(20));
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_reader_that_goes_on_is_waited_for() {
        let (mut near, far) = tokio::io::duplex(4);
        let reader = async {
            for _ in 0..14 {
                tokio::time::sleep(Duration::from_secs(15)).await;
                near.read_u8().await.unwrap();
            }
        };
        let mut far = socket(far);
        let (written, ()) = tokio::join!(far.write_all(b"more than fits"), reader);
        written.unwrap();
    }
}
