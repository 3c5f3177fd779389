//! See ARCHITECTURE.md.

pub mod executor;
