//! The DuckDB command line that `cargo xtask setup` installs.

use std::fs;
use std::path::{Path, PathBuf};

/// In `.tools/`, or else on the search path.
pub fn program() -> PathBuf {
    let libraries = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.tools/python/lib");
    let pythons = fs::read_dir(libraries).into_iter().flatten().flatten();
    let installed = pythons.map(|python| python.path().join("site-packages/duckdb_cli/duckdb"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut found = installed.chain(std::env::split_paths(&path).map(|folder| folder.join("duckdb")));
    found.find(|program| program.is_file()).expect("no DuckDB: run `cargo xtask setup`")
}
