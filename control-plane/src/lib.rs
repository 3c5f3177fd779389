//! See ARCHITECTURE.md.

pub mod blobs;
pub mod store;
