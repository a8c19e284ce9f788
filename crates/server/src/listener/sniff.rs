//! Which version of HTTP a connection speaks, found in its first bytes.
//!
//! hyper-util finds that out by itself, but waits for ever: a client that sends half of HTTP/2's
//! preface would keep a connection. So the bytes that decide are read here first.

use std::io;

use bytes::{Bytes, BytesMut};
use http::Version;
use tokio::io::{AsyncRead, AsyncReadExt};

/// The connection preface (RFC 9113, section 3.4).
const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Reads until the bytes differ from HTTP/2's preface or are all of it, or the peer has ended;
/// returns what was read, nothing if the peer sent nothing.
///
/// # Errors
/// If the stream cannot be read.
pub(super) async fn read_first_bytes<S>(stream: &mut S) -> io::Result<Bytes>
where
    S: AsyncRead + Unpin,
{
    let mut bytes = BytesMut::with_capacity(HTTP2_PREFACE.len());
    while bytes.len() < HTTP2_PREFACE.len() && HTTP2_PREFACE.starts_with(&bytes) {
        if stream.read_buf(&mut bytes).await? == 0 {
            break;
        }
    }
    Ok(bytes.freeze())
}

/// The version that a connection speaks which began with these bytes.
pub(super) fn version_of(first: &[u8]) -> Version {
    if first == HTTP2_PREFACE {
        Version::HTTP_2
    } else {
        Version::HTTP_11
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;

    use super::*;

    async fn sniff(parts: &[&[u8]]) -> Bytes {
        let (mut near, mut far) = tokio::io::duplex(1);
        let write = async {
            for part in parts {
                // What comes after the deciding bytes is not read, so writing it may fail.
                let _ = near.write_all(part).await;
            }
            drop(near);
        };
        let read = async {
            let bytes = read_first_bytes(&mut far).await.unwrap();
            drop(far);
            bytes
        };
        tokio::join!(read, write).0
    }

    #[tokio::test]
    async fn a_preface_is_read_whole_however_it_is_cut() {
        assert_eq!(
            sniff(&[b"PRI * HT", b"TP/2.0\r\n\r\nSM", b"\r\n\r\n", b"more"]).await,
            HTTP2_PREFACE
        );
    }

    #[tokio::test]
    async fn the_first_byte_that_differs_decides() {
        assert_eq!(&sniff(&[b"GET / HTTP/1.1"]).await[..], b"G");
        assert_eq!(&sniff(&[b"PR", b"OPFIND /"]).await[..], b"PRO");
    }

    #[tokio::test]
    async fn an_end_is_not_waited_through() {
        assert_eq!(&sniff(&[b"PRI"]).await[..], b"PRI");
        assert!(sniff(&[]).await.is_empty());
    }
}
