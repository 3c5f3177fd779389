//! See ARCHITECTURE.md.

pub mod duckdb;
