//! Jobs and what belongs to them (api.md 3.1 to 3.11).

pub(super) mod diff;
pub(super) mod executions;
pub(super) mod get;
pub(super) mod history;
pub(super) mod list;
pub(super) mod logs;
pub(super) mod lookup;
pub(super) mod rerun;
pub(super) mod results;
mod show;
pub(super) mod stop;
pub(super) mod submit;
mod utf8;
pub(super) mod versions;
