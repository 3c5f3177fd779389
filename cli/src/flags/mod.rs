//! The small languages of flag values (cli.md section 6): text in, parts of a job out.

pub mod csv;
pub mod download;
pub mod environment;
pub mod input;
pub mod job;
pub mod network;
pub mod older;
#[cfg(test)]
pub(crate) mod parsed;
pub mod publisher;
pub mod result_path;
pub mod run;
pub mod runtime;
pub mod template;

/// What was read of one value of a flag; what is wrong with it is told as the parser of arguments tells it.
fn read<T>(flag: &str, value: &str, outcome: Result<T, String>) -> Result<T, String> {
    outcome.map_err(|why| format!("invalid argument {value:?} for {flag:?} flag: {why}"))
}
