//! Wellspring's server: one port for HTTP, WebSocket, gRPC and gRPC-web.
//!
//! ```no_run
//! use wellspring_server::config::{Config, Sources};
//!
//! # async fn serve() -> Result<(), Box<dyn std::error::Error>> {
//! let config = Config::load(Sources::of_process(None, Default::default()))?;
//! let logs = wellspring_server::write_logs(&config)?;
//! let interrupted = async { std::future::pending().await };
//! let server = wellspring_server::Server::bind(config).await?;
//! server.with_logs(logs).run(interrupted).await?;
//! # Ok(())
//! # }
//! ```
//!
//! The way of a request through these modules:
//!
//! | module | what it does |
//! | --- | --- |
//! | `run` | binds, opens the database behind the port, drains, closes |
//! | `listener` | accepts, counts, finds the version of HTTP, serves a connection |
//! | `dispatch` | refuses foreign origins; gRPC by content type, the rest by path |
//! | `http` | documents, their histories, commits, queries, the feed as events, lines or pages, health |
//! | `websocket`, `grpc` | the other transports: they only parse and frame |
//! | `session` | the one loop that serves all streaming transports |
//! | `errors` | what clients are told of the engine's errors |
//! | `metrics` | what operators are told of it all |
//! | `supervisor` | what systemd is told: ready, opening, stopping |

pub mod config;

mod client;
mod commits;
mod consumers;
mod cors;
mod dispatch;
mod errors;
mod grpc;
mod http;
mod ids;
mod listener;
mod logs;
mod metrics;
mod origin;
mod phase;
mod reads;
mod run;
mod session;
mod shared;
mod supervisor;
mod tasks;
mod websocket;

pub use logs::{FilterError, LogError, Logs, write_logs};
pub use run::{Addresses, Inherited, RunError, Server, run};
