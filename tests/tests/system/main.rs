//! The whole system from outside: the real programs on loopback, spoken to through the command line and the API.
//!
//! Every test has a control plane, agents and a folder of its own. Nothing is waited for but states, see
//! [`harness::eventually`]; what the programs logged is printed when a test fails.

#![expect(clippy::unwrap_used, reason = "a test that cannot prepare its cluster has to fail")]

mod harness;

mod artifacts;
mod bad_guests;
mod bad_requests;
mod clocks;
mod commands;
mod crashes;
mod docker;
mod foreign;
mod job_types;
mod main_job;
mod membership;
mod results;
mod s3;
mod sql;
