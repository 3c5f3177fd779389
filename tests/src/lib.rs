//! See ARCHITECTURE.md.

pub mod duckdb;
pub mod engine;
pub mod http;
