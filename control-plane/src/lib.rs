//! See ARCHITECTURE.md.

pub mod blobs;
pub mod scheduler;
pub mod store;
