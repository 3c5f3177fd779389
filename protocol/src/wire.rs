//! What travels between a node and the control plane, and how it is versioned.
//!
//! postcard does not describe itself, so a released type never changes, nested ones included: a change is a new type
//! in the module of the next version with conversions to and from the one before. Golden files under
//! `protocol/golden/` hold the bytes of every released message; files are added there, never changed.

mod frame;
mod message;
pub mod record;
pub mod stream;
mod version;

pub use frame::{Decoder, Frame, FrameError, HEADER_BYTES, MAX_FRAME_BYTES, OPTIONAL};
pub use message::{
    FromNode, Hello, Known, MAX_KNOWN, Refusal, RefusalCode, ToNode, Welcome, Wish, Work, fingerprint,
};
pub use version::{ALPN, SERVER_NAME, Version, VersionMismatch, VersionRange, close};
