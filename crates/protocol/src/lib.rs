//! Wellspring's wire forms: protobuf, JSON, the error table.
