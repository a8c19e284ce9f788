//! The server over real sockets. Each module is one transport or one concern.

mod feed;
mod grpc;
mod hostile;
mod life;
mod origins;
mod rest;
mod support;
mod together;
mod websocket;
