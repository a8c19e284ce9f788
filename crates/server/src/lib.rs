//! Wellspring's server: one port for HTTP, WebSocket, gRPC and gRPC-web.
