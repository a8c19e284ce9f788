//! etcd: a new key for each document, and a watch of keys that begin alike.
//!
//! The few messages are written out here (`rpc.proto` and `kv.proto` of etcd 3): the client crate
//! needs `protoc` to build.

use std::net::SocketAddr;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use async_trait::async_trait;
use futures_util::StreamExt as _;
use prost::Message;
use tonic::Streaming;
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Channel, Endpoint};
use tonic_prost::ProstCodec;

use crate::document::{Event, Stamp, Topic, document, scan};
use crate::driver::{Driver, Subscriber, Writer};
use crate::launch::{Launch, Place};
use crate::programs::Programs;

pub(crate) fn launch(programs: &Programs, place: &Place) -> Result<Launch> {
    let mut command = Command::new(programs.find("etcd")?);
    let clients = format!("http://{}", place.address);
    let peers = format!("http://{}", place.second_address);
    command.arg("--data-dir").arg(place.directory.join("data"));
    command.args([
        "--listen-client-urls",
        &clients,
        "--advertise-client-urls",
        &clients,
    ]);
    command.args([
        "--listen-peer-urls",
        &peers,
        "--initial-advertise-peer-urls",
        &peers,
    ]);
    command.args(["--initial-cluster", &format!("default={peers}")]);
    // The default of 2 GB would end a minute of writes.
    command.args(["--quota-backend-bytes", "8000000000"]);
    Ok(Launch::of(command))
}

#[derive(Clone, PartialEq, Message)]
struct PutRequest {
    #[prost(bytes = "vec", tag = "1")]
    key: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}

/// Its header and the value before are of no interest.
#[derive(Clone, PartialEq, Message)]
struct PutResponse {}

#[derive(Clone, PartialEq, Message)]
struct WatchRequest {
    #[prost(message, optional, tag = "1")]
    create: Option<WatchCreate>,
}

#[derive(Clone, PartialEq, Message)]
struct WatchCreate {
    #[prost(bytes = "vec", tag = "1")]
    key: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    range_end: Vec<u8>,
    /// 0: from now on.
    #[prost(int64, tag = "3")]
    start_revision: i64,
}

#[derive(Clone, PartialEq, Message)]
struct WatchResponse {
    #[prost(bool, tag = "3")]
    created: bool,
    #[prost(bool, tag = "4")]
    canceled: bool,
    #[prost(string, tag = "6")]
    cancel_reason: String,
    #[prost(message, repeated, tag = "11")]
    events: Vec<WatchEvent>,
}

#[derive(Clone, PartialEq, Message)]
struct WatchEvent {
    #[prost(message, optional, tag = "2")]
    pair: Option<Pair>,
}

#[derive(Clone, PartialEq, Message)]
struct Pair {
    #[prost(bytes = "vec", tag = "5")]
    value: Vec<u8>,
}

/// Speaks with a server.
#[derive(Debug)]
pub(crate) struct Etcd {
    address: SocketAddr,
}

impl Etcd {
    pub(crate) fn driver(address: SocketAddr) -> Box<dyn Driver> {
        Box::new(Etcd { address })
    }

    /// A connection of its own.
    async fn open(&self) -> Result<Grpc<Channel>> {
        let endpoint = Endpoint::from_shared(format!("http://{}", self.address))?;
        Ok(Grpc::new(endpoint.connect().await?))
    }

    async fn put(grpc: &mut Grpc<Channel>, key: String, value: String) -> Result<()> {
        let request = PutRequest {
            key: key.into_bytes(),
            value: value.into_bytes(),
        };
        grpc.ready().await?;
        let codec: ProstCodec<PutRequest, PutResponse> = ProstCodec::default();
        let path = PathAndQuery::from_static("/etcdserverpb.KV/Put");
        grpc.unary(tonic::Request::new(request), path, codec)
            .await?;
        Ok(())
    }

    async fn watch(&self, prefix: &str, start_revision: i64) -> Result<Box<dyn Subscriber>> {
        let mut range_end = prefix.as_bytes().to_vec();
        *range_end.last_mut().context("a prefix")? += 1;
        let create = WatchCreate {
            key: prefix.as_bytes().to_vec(),
            range_end,
            start_revision,
        };
        // Open as long as the watch: its end would end the watch.
        let requests = futures_util::stream::once(async {
            WatchRequest {
                create: Some(create),
            }
        })
        .chain(futures_util::stream::pending());
        let mut grpc = self.open().await?;
        grpc.ready().await?;
        let codec: ProstCodec<WatchRequest, WatchResponse> = ProstCodec::default();
        let path = PathAndQuery::from_static("/etcdserverpb.Watch/Watch");
        let responses = grpc
            .streaming(tonic::Request::new(requests), path, codec)
            .await?;
        let mut responses = responses.into_inner();
        let first = responses.message().await?.context("the watch ended")?;
        ensure!(first.created, "no watch: {}", first.cancel_reason);
        Ok(Box::new(Watch(responses)))
    }
}

/// What all keys of a topic begin with, and keys of no other.
fn prefix(topic: Topic) -> String {
    match topic {
        Topic::All => "docs/".to_owned(),
        Topic::Room(_) => format!("docs/{}/", topic.room()),
    }
}

#[async_trait]
impl Driver for Etcd {
    async fn prepare(&self) -> Result<()> {
        let mut grpc = self.open().await?;
        Etcd::put(&mut grpc, "ready".to_owned(), String::new()).await
    }

    async fn writer(&self) -> Result<Box<dyn Writer>> {
        Ok(Box::new(KeyWriter(self.open().await?)))
    }

    async fn subscribe(&self, topic: Topic) -> Result<Box<dyn Subscriber>> {
        self.watch(&prefix(topic), 0).await
    }

    async fn replay(&self) -> Result<Box<dyn Subscriber>> {
        self.watch(&prefix(Topic::All), 1).await
    }
}

struct Watch(Streaming<WatchResponse>);

#[async_trait]
impl Subscriber for Watch {
    async fn receive(&mut self, events: &mut Vec<Event>) -> Result<()> {
        let response = self.0.message().await?.context("the watch ended")?;
        ensure!(
            !response.canceled,
            "the watch was ended: {}",
            response.cancel_reason
        );
        for pair in response
            .events
            .iter()
            .filter_map(|event| event.pair.as_ref())
        {
            scan(&pair.value, events);
        }
        Ok(())
    }
}

struct KeyWriter(Grpc<Channel>);

#[async_trait]
impl Writer for KeyWriter {
    async fn write(&mut self, topic: Topic, stamp: Stamp) -> Result<()> {
        let Stamp { writer, number, .. } = stamp;
        let key = format!("docs/{}/{writer}-{number}", topic.room());
        Etcd::put(&mut self.0, key, document(topic, stamp)).await
    }
}
