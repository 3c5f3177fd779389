//! What the tests share.

mod cluster;
mod eventually;
mod process;

pub(crate) mod guests;
pub(crate) mod job;
pub(crate) mod relay;

pub(crate) use cluster::{CONTROL_PLANE, Cluster, NOBODY, Said};
pub(crate) use eventually::{eventually, seen};
