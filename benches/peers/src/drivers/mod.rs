//! One file for each server: how it is started, and how one speaks with it.

pub(crate) mod etcd;
pub(crate) mod floors;
pub(crate) mod nats;
pub(crate) mod pocketbase;
pub(crate) mod postgres;
pub(crate) mod redis;
pub(crate) mod wellspring;
