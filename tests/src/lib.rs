//! See ARCHITECTURE.md.

pub mod chance;
pub mod duckdb;
pub mod engine;
pub mod http;
pub mod s3;
