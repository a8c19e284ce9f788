//! gRPC requests, read strictly. prost drops a field that it does not know; here it is refused,
//! with its message's name and its number, before prost sees the request. So are Structs that are
//! nested too deeply for prost, whose own limit would only say that something was.

mod codec;
mod tables;
mod walk;

pub use codec::{StrictCodec, StrictDecoder};
pub use walk::{STRUCT_DEPTH_MAX, StrictError, check_request};
