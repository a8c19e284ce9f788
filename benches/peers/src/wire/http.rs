//! HTTP/1.1 requests with small bodies on a connection that stays open.

use anyhow::{Context as _, Result, bail, ensure};
use bytes::BytesMut;

use super::Connection;

/// A request with a JSON body.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request<'a> {
    pub(crate) method: &'static str,
    pub(crate) path: &'a str,
    /// Further lines of the head, each with its end.
    pub(crate) head: &'a str,
    pub(crate) body: &'a str,
}

impl Connection {
    /// Sends the request and returns the body of the answer, whose status must be a success.
    pub(crate) async fn request(&mut self, request: Request<'_>) -> Result<BytesMut> {
        let Request {
            method,
            path,
            head,
            body,
        } = request;
        let text = format!(
            "{method} {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
             {head}content-length: {}\r\n\r\n{body}",
            body.len()
        );
        self.send(text.as_bytes()).await?;
        let head = self.take_until(b"\r\n\r\n").await?;
        let head = std::str::from_utf8(&head)?.to_ascii_lowercase();
        let status = head
            .split(' ')
            .nth(1)
            .context("an answer without a status")?;
        let length = match head.split_once("\r\ncontent-length:") {
            Some((_, rest)) => rest.split("\r\n").next().unwrap_or("").trim().parse()?,
            None if status == "204" => 0,
            None => bail!("an answer without a length: {head}"),
        };
        let body = self.take(length).await?;
        let said = String::from_utf8_lossy(&body);
        ensure!(status.starts_with('2'), "{method} {path}: {status} {said}");
        Ok(body)
    }
}
