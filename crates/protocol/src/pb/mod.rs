//! Protobuf messages and gRPC services of the package `wellspring.v1`, generated from `proto/` by
//! `cargo xtask codegen`, and their conversions to and from the words of [`wellspring_types`].

pub mod feed;

mod batch;
mod commit;
mod request;
mod response;
mod struct_form;

/// What the code generator wrote.
#[allow(
    missing_docs,
    unreachable_pub,
    clippy::all,
    clippy::allow_attributes_without_reason,
    clippy::missing_errors_doc,
    clippy::too_many_lines,
    reason = "generated: its style is the generator's"
)]
mod generated {
    include!("../generated/wellspring.v1.rs");
}

pub use batch::{ChangeBatch, SharedCommit};
pub use generated::*;
pub use struct_form::ContentForm;

/// The protobuf files as a serialised `google.protobuf.FileDescriptorSet`, comments and imported
/// files included: what reflection serves.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!("../generated/wellspring.v1.bin");
