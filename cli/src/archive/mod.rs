//! Result archives: unpacking what a device sent without trusting it.

pub mod unpack;

pub use unpack::{Limits, Unpacked, unpack};
