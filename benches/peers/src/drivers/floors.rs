//! The floors of [`crate::floor`], in a process of their own.

use std::net::SocketAddr;
use std::process::Command;

use anyhow::{Result, ensure};
use async_trait::async_trait;

use crate::document::{Stamp, Topic, document};
use crate::driver::{Driver, Subscriber, Writer};
use crate::floor::{ACKNOWLEDGED, SUBSCRIBE, WRITE};
use crate::launch::{Launch, Place};
use crate::programs::Programs;
use crate::wire::Connection;
use crate::wire::websocket::WebSocket;

/// Starts a floor: this program, by another name.
pub(crate) fn launch(floor: &str, place: &Place) -> Result<Launch> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("floor").arg(floor);
    command.args(["--listen", &place.address.to_string()]);
    command.arg("--data").arg(&place.directory);
    Ok(Launch::of(command))
}

pub(crate) fn launch_ws(_: &Programs, place: &Place) -> Result<Launch> {
    launch("ws", place)
}

pub(crate) fn launch_sync(_: &Programs, place: &Place) -> Result<Launch> {
    launch("sync", place)
}

/// Speaks with either floor.
#[derive(Debug)]
pub(crate) struct Floors {
    address: SocketAddr,
}

impl Floors {
    pub(crate) fn driver(address: SocketAddr) -> Box<dyn Driver> {
        Box::new(Floors { address })
    }

    async fn open(&self, path: &str) -> Result<WebSocket> {
        WebSocket::open(Connection::open(self.address).await?, path).await
    }
}

#[async_trait]
impl Driver for Floors {
    async fn prepare(&self) -> Result<()> {
        self.writer().await.map(drop)
    }

    async fn writer(&self) -> Result<Box<dyn Writer>> {
        Ok(Box::new(FloorWriter(self.open(WRITE).await?)))
    }

    async fn subscribe(&self, topic: Topic) -> Result<Box<dyn Subscriber>> {
        let path = format!("{SUBSCRIBE}{}", topic.room());
        Ok(Box::new(self.open(&path).await?))
    }
}

struct FloorWriter(WebSocket);

#[async_trait]
impl Writer for FloorWriter {
    async fn write(&mut self, topic: Topic, stamp: Stamp) -> Result<()> {
        let message = format!("{}\n{}", topic.room(), document(topic, stamp));
        self.0.send_text(message.as_bytes()).await?;
        let answer = self.0.text().await?;
        ensure!(answer == ACKNOWLEDGED, "answered {answer:?}");
        Ok(())
    }
}
